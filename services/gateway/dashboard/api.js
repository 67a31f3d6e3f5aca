// Requests to the API. Every page talks to the server through this module alone.

/** An answer other than a success, or no answer at all (`status` 0, `code` "unreachable"). */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status; 0 where the server did not answer
   * @param {string} code stable code of the API
   * @param {string} message a sentence for people
   * @param {{request_id?: string, retry_after_s?: number | null, details?: object}} [more]
   */
  constructor(status, code, message, { request_id = "", retry_after_s = null, details = {} } = {}) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { status, code, request_id, retry_after_s, details });
  }
}

// What the session sets: the token that every change must carry, and whom to tell that the session has ended.
let csrf_token = "";
let on_session_ended = () => {};
let renew_token = async () => false;
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
// With a cookie alone: the session is over, or there never was one.
const ENDED_CODES = new Set(["session_ended", "missing_api_key"]);
// Somebody signed in again in another tab: this tab's token is that of the session before.
const OLD_TOKEN_CODES = new Set(["csrf_token_wrong", "csrf_token_missing"]);

/**
 * Set what requests carry and whom they tell; called by the session alone.
 * @param {{token: string, on_ended: () => void, renew: () => Promise<boolean>}} settings `renew` gets the token anew;
 *   its result says whether the session is still that of the same user
 */
export const configure = ({ token, on_ended, renew }) => {
  csrf_token = token;
  on_session_ended = on_ended;
  renew_token = renew;
};

const address = (path, query) => {
  const given = Object.entries(query ?? {}).filter(([, value]) => (value ?? "") !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
};

const error_of = async (response) => {
  const request_id = response.headers.get("X-Request-Id") ?? "";
  const retry = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const retry_after_s = Number.isNaN(retry) ? null : retry;
  let said = {};
  try {
    said = (await response.json()).error ?? {};
  } catch {
    // Not JSON: a proxy answered in place of the gateway. The status is all there is.
  }
  const { code = "unknown", message = `The server answered with status ${response.status}.`, details } = said;
  return new ApiError(response.status, code, message, { request_id, retry_after_s, details });
};

const send = async (method, path, { query, body, signal, headers: more }) => {
  const headers = { ...more };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (!SAFE_METHODS.has(method) && csrf_token) headers["X-CSRF-Token"] = csrf_token;
  try {
    return await fetch(address(path, query), {
      method, headers, signal, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The server can't be reached. Check the network, then try again.");
  }
};

/**
 * Send a request and return the successful response.
 * @param {string} method
 * @param {string} path path of the API, such as "/jobs"
 * @param {{query?: object, body?: object, signal?: AbortSignal, headers?: object}} [options] parameters without a value
 *   are left out; `headers` are sent besides the usual ones
 * @returns {Promise<Response>}
 * @throws {ApiError} every answer other than a success; an `AbortError` where `signal` aborted the request
 */
export const request_response = async (method, path, options = {}) => {
  let response = await send(method, path, options);
  if (response.ok) return response;
  let refused = await error_of(response);
  if (refused.status === 403 && OLD_TOKEN_CODES.has(refused.code) && await renew_token()) {
    response = await send(method, path, options);
    if (response.ok) return response;
    refused = await error_of(response);
  }
  if (refused.status === 403 && ENDED_CODES.has(refused.code)) on_session_ended();
  throw refused;
};

/**
 * Send a request and return the JSON of its answer; null where the answer is empty.
 * @param {string} method
 * @param {string} path
 * @param {{query?: object, body?: object, signal?: AbortSignal, headers?: object}} [options]
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export const request = async (method, path, options) => {
  const response = await request_response(method, path, options);
  return response.status === 204 ? null : response.json();
};

/**
 * Get one page of a list.
 * @param {string} path
 * @param {{query?: object, signal?: AbortSignal}} [options]
 * @returns {Promise<{items: object[], next_cursor: string | null, total: number | null}>} `total` where the API tells
 * @throws {ApiError}
 */
export const request_page = async (path, options) => {
  const response = await request_response("GET", path, options);
  const total = response.headers.get("X-Total-Count");
  return {
    items: await response.json(),
    next_cursor: response.headers.get("X-Next-Cursor"),
    total: total === null ? null : Number(total),
  };
};

/**
 * Get an answer of bytes.
 * @param {string} path
 * @param {{query?: object, signal?: AbortSignal}} [options]
 * @returns {Promise<{bytes: ArrayBuffer, headers: Headers}>}
 * @throws {ApiError}
 */
export const request_bytes = async (path, options) => {
  const response = await request_response("GET", path, options);
  return { bytes: await response.arrayBuffer(), headers: response.headers };
};
