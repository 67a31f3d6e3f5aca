// The address bar as state: every view is a URL.
import { useEffect, useState } from "./vendor/preact_htm.js";

const listeners = new Set();
const here = () => ({ path: location.pathname, search: location.search });

const tell = () => listeners.forEach((listener) => listener(here()));

/**
 * Go to another page or view of the dashboard.
 * @param {string} to path with query, below /app/
 * @param {{replace?: boolean}} [options] `replace`: without a new entry in the history, for views that change quickly
 */
export const navigate = (to, { replace = false } = {}) => {
  if (to === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  tell();
};

/**
 * Change some parameters of the current view; those set to null are removed.
 * @param {object} changes
 * @param {{replace?: boolean}} [options]
 */
export const set_query = (changes, options) => {
  const query = new URLSearchParams(location.search);
  Object.entries(changes).forEach(([name, value]) => {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, value);
  });
  const text = query.toString();
  navigate(location.pathname + (text ? `?${text}` : ""), options);
};

// A click on a link of the dashboard changes the page without loading it again. All other clicks are the browser's.
const on_click = (event) => {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest?.("a[href]");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (!link.pathname.startsWith("/app/") || link.hash) return;
  event.preventDefault();
  navigate(link.pathname + link.search);
};

/**
 * The address, for components.
 * @returns {{path: string, search: string}}
 */
export const use_address = () => {
  const [address, set_address] = useState(here());
  useEffect(() => {
    listeners.add(set_address);
    set_address(here());
    return () => listeners.delete(set_address);
  }, []);
  return address;
};

/** Follow links and the browser's back and forward buttons; called once, at the start. */
export const watch_address = () => {
  document.addEventListener("click", on_click);
  window.addEventListener("popstate", tell);
};
