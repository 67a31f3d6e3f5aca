// Who is signed in. The secret itself is a cookie that no script can read; this module knows only what the API tells.
import { ApiError, configure, request } from "./api.js";
import { useEffect, useState } from "./vendor/preact_htm.js";

/**
 * The state: `status` is "unknown" until the server has answered, then "signed_in", "signed_out", or "ended" (it was
 * signed in, and the server ended it). The rest is the answer of GET /session.
 * @typedef {{status: string, user_id?: string, name?: string, tier?: string, expires_at?: number,
 *   signed_in_with?: string, sign_in?: {api_key: boolean, oidc: boolean}, error?: ApiError}} Session
 */

/** @type {Session} */
let state = { status: "unknown" };
const listeners = new Set();

const set = (next) => {
  state = next;
  configure({ token: next.csrf_token ?? "", on_ended: ended, renew });
  listeners.forEach((listener) => listener(state));
};

const of_answer = (answer) => ({ ...answer, status: answer.signed_in ? "signed_in" : "signed_out" });

// In another tab, the same user may have signed in again, or another one: nothing is done in another one's name.
const renew = async () => {
  const before = state.user_id;
  await refresh_session();
  return state.status === "signed_in" && state.user_id === before;
};

/**
 * Return the state.
 * @returns {Session}
 */
export const current_session = () => state;

/**
 * Call a function at each change, until the returned function is called.
 * @param {(session: Session) => void} listener
 * @returns {() => void}
 */
export const subscribe_session = (listener) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/**
 * The state, for components.
 * @returns {Session}
 */
export const use_session = () => {
  const [session, set_session] = useState(state);
  useEffect(() => {
    set_session(state);
    return subscribe_session(set_session);
  }, []);
  return session;
};

/**
 * Ask the server who is signed in.
 * @returns {Promise<Session>} with `error` where the server can't be asked
 */
export const refresh_session = async () => {
  try {
    const next = of_answer(await request("GET", "/session"));
    const is_over = next.status === "signed_out" && ["signed_in", "ended"].includes(state.status);
    set(is_over ? { ...next, status: "ended" } : next);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    set({ ...state, error });
  }
  return state;
};

/** Note that the server refused a request because the session is over. */
export const ended = () => {
  if (state.status === "signed_in") {
    set({ status: "ended", sign_in: state.sign_in });
    // How one can sign in is told to those who are not signed in.
    refresh_session();
  }
};

/**
 * Sign in.
 * @param {{api_key: string} | {link_token: string}} credential
 * @returns {Promise<Session>}
 * @throws {ApiError} the credential is not accepted
 */
export const sign_in = async (credential) => {
  set(of_answer(await request("POST", "/session", { body: credential })));
  return state;
};

/**
 * End the session on the server.
 * @returns {Promise<void>}
 * @throws {ApiError} the server could not be told; the session goes on
 */
export const sign_out = async () => {
  await request("DELETE", "/session");
  set({ status: "signed_out", sign_in: state.sign_in });
  await refresh_session();
};
