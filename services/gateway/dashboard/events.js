// The user's one stream of changes, shared by everything on the page: browsers allow six connections to a server.
import { refresh_session, current_session } from "./session.js";

const KINDS = ["job", "cadence", "removed", "open"];
// A hidden tab closes its stream, so that many tabs do not use up the connections. It reads anew when it is seen again.
const HIDDEN_MS = 20_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;

const listeners = Object.fromEntries(KINDS.map((kind) => [kind, new Set()]));
const live_listeners = new Set();
let source = null;
let is_wanted = false;
let is_live = false;
let retry_ms = FIRST_RETRY_MS;
let retry_timer = 0;
let hidden_timer = 0;

const set_live = (live) => {
  if (live === is_live) return;
  is_live = live;
  live_listeners.forEach((listener) => listener(live));
};

const tell = (kind, data) => listeners[kind].forEach((listener) => listener(data));

const close = () => {
  clearTimeout(retry_timer);
  source?.close();
  source = null;
};

const retry = () => {
  close();
  retry_timer = setTimeout(async () => {
    // The browser does not say why it gave up. If the session is over, there is nothing to wait for.
    const session = await refresh_session();
    if (is_wanted && session.status === "signed_in") open();
  }, retry_ms);
  retry_ms = Math.min(2 * retry_ms, LAST_RETRY_MS);
};

const open = () => {
  close();
  source = new EventSource("/events");
  KINDS.forEach((kind) => {
    source.addEventListener(kind, (event) => {
      if (kind === "open") {
        // The browser tells of its own "open" without data, before the server has said anything.
        if (event.data === undefined) return;
        retry_ms = FIRST_RETRY_MS;
        set_live(true);
      }
      tell(kind, event.data ? JSON.parse(event.data) : null);
    });
  });
  source.addEventListener("error", () => {
    set_live(false);
    // Otherwise the browser connects again by itself.
    if (source?.readyState === EventSource.CLOSED) retry();
  });
};

const on_visibility = () => {
  clearTimeout(hidden_timer);
  if (document.visibilityState === "hidden") hidden_timer = setTimeout(close, HIDDEN_MS);
  else if (is_wanted && source === null && current_session().status === "signed_in") open();
};

/** Open the stream, once somebody is signed in. */
export const start_events = () => {
  if (is_wanted) return;
  is_wanted = true;
  document.addEventListener("visibilitychange", on_visibility);
  open();
};

/** Close the stream, once nobody is signed in any more. */
export const stop_events = () => {
  is_wanted = false;
  document.removeEventListener("visibilitychange", on_visibility);
  clearTimeout(hidden_timer);
  close();
  set_live(false);
};

/**
 * Call a function for each event of a kind, until the returned function is called.
 * @param {"job" | "cadence" | "removed" | "open"} kind "open": the stream has begun, so what was read before may be old
 * @param {(data: any) => void} listener gets a job or cadence as the API lists it, or {kind, id} of a removed one
 * @returns {() => void}
 */
export const on = (kind, listener) => {
  listeners[kind].add(listener);
  return () => listeners[kind].delete(listener);
};

/**
 * Return whether changes arrive now.
 * @returns {boolean}
 */
export const events_are_live = () => is_live;

/**
 * Call a function when changes begin or cease to arrive, until the returned function is called.
 * @param {(live: boolean) => void} listener
 * @returns {() => void}
 */
export const on_live = (listener) => {
  live_listeners.add(listener);
  return () => live_listeners.delete(listener);
};
