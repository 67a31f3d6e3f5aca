// Which page a path shows. Pages are loaded when they are first shown.

/**
 * @typedef {{name: string, pattern: string, title: string, nav?: string, is_public?: boolean,
 *   load: () => Promise<{Page: Function}>}} Route
 */

/** @type {Route[]} */
export const ROUTES = [
  { name: "jobs", pattern: "/app/", title: "Jobs", nav: "Jobs", load: () => import("./pages/jobs.js") },
  { name: "upload", pattern: "/app/upload", title: "New analysis", nav: "New analysis",
    load: () => import("./pages/upload.js") },
  { name: "job", pattern: "/app/jobs/{id}", title: "Job", load: () => import("./pages/job.js") },
  { name: "cadence", pattern: "/app/cadences/{id}", title: "Cadence", load: () => import("./pages/cadence.js") },
  { name: "keys", pattern: "/app/keys", title: "API keys", nav: "API keys", load: () => import("./pages/keys.js") },
  { name: "usage", pattern: "/app/usage", title: "Usage", nav: "Usage", load: () => import("./pages/usage.js") },
  { name: "help", pattern: "/app/help", title: "Help", nav: "Help", is_public: true,
    load: () => import("./pages/help.js") },
  { name: "sign_in", pattern: "/app/sign-in", title: "Sign in", is_public: true,
    load: () => import("./pages/sign_in.js") },
];

/** @type {Route} */
export const NOT_FOUND = {
  name: "not_found", pattern: "", title: "Page not found", is_public: true,
  load: () => import("./pages/not_found.js"),
};

const segments_of = (path) => path.replace(/\/+$/, "").split("/");

const params_of = (pattern, path) => {
  const [wanted, given] = [segments_of(pattern), segments_of(path)];
  if (wanted.length !== given.length) return null;
  const params = {};
  for (const [at, segment] of wanted.entries()) {
    if (segment.startsWith("{")) params[segment.slice(1, -1)] = given[at];
    else if (segment !== given[at]) return null;
  }
  return params;
};

/**
 * Return the route of a path and what stands in its place of {id}.
 * @param {string} path path of the address, without query
 * @returns {{route: Route, params: {id?: string}}} `NOT_FOUND` for a path without a page
 */
export const route_of = (path) => {
  for (const route of ROUTES) {
    const params = params_of(route.pattern, path);
    if (params !== null) return { route, params };
  }
  return { route: NOT_FOUND, params: {} };
};

/**
 * Return where to go after the sign-in: a path below /app/, or the jobs.
 * @param {string | null} wanted what the address asks for; anybody may have written it
 * @returns {string}
 */
export const safe_return = (wanted) => {
  if (!wanted?.startsWith("/app/") || wanted.includes("\\")) return "/app/";
  const url = new URL(wanted, "http://here.invalid");
  if (url.host !== "here.invalid" || !url.pathname.startsWith("/app/")) return "/app/";
  return url.pathname === "/app/sign-in" ? "/app/" : url.pathname + url.search;
};
