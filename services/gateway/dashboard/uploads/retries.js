// When a request that failed is sent again.

const FIRST_MS = 1000;
const LONGEST_MS = 30_000;
// A server that is in trouble for longer than this (about three minutes) is left to the user.
const MOST_SERVER_ERRORS = 10;
// Waiting does not help against these; the user must do something.
const FINAL_CODES = new Set(["monthly_limit_reached", "storage_limit_reached"]);

/**
 * Return how long to wait before a request is sent again.
 *
 * The time doubles from 1 s to 30 s, with a random part, so that many pages do not come back at once. A lost network
 * is waited for without end, since only the user knows whether it comes back.
 * @param {{status?: number, code?: string, retry_after_s?: number | null}} error status 0 or none: no answer came
 * @param {number} tries how often it was sent before, from 0
 * @param {number} [random] from 0 to 1
 * @returns {number | null} ms; null if it must not be sent again
 */
export const delay_ms = (error, tries, random = Math.random()) => {
  const status = error.status ?? 0;
  if (status === 429 && FINAL_CODES.has(error.code)) return null;
  const is_server_error = status >= 500 || status === 408;
  if (status !== 0 && status !== 429 && !is_server_error) return null;
  if (is_server_error && tries >= MOST_SERVER_ERRORS) return null;
  const backoff_ms = Math.min(LONGEST_MS, FIRST_MS * 2 ** tries) * (0.5 + random / 2);
  return Math.max(backoff_ms, (error.retry_after_s ?? 0) * 1000);
};

/**
 * Wait, but no longer than until one of some events.
 * @param {number} duration_ms
 * @param {AbortSignal} signal ends the wait with its reason
 * @param {[EventTarget, string][]} [wakers] by default the return of the network
 * @returns {Promise<void>}
 */
export const wait = (duration_ms, signal, wakers = [[window, "online"]]) =>
  new Promise((resolve, reject) => {
    const ended = new AbortController();
    const end = (how, value) => {
      clearTimeout(timer);
      ended.abort();
      how(value);
    };
    const timer = setTimeout(() => end(resolve), duration_ms);
    wakers.forEach(([target, name]) => target.addEventListener(name, () => end(resolve), { signal: ended.signal }));
    const on_abort = () => end(reject, signal.reason);
    signal.addEventListener("abort", on_abort, { signal: ended.signal });
    if (signal.aborted) on_abort();
  });

/**
 * Send a request until it is answered, as often as `delay_ms` allows.
 * @template T
 * @param {() => Promise<T>} send
 * @param {object} options
 * @param {AbortSignal} options.signal ends it with its reason
 * @param {(error: Error) => void | Promise<void>} options.before_wait told of each failure; what it throws is final
 * @param {(duration_ms: number, signal: AbortSignal) => Promise<void>} [options.pause] by default `wait`
 * @returns {Promise<T>}
 */
export const until_answered = async (send, { signal, before_wait, pause = wait }) => {
  for (let tries = 0; ; tries += 1) {
    signal.throwIfAborted();
    try {
      return await send();
    } catch (error) {
      signal.throwIfAborted();
      const duration_ms = delay_ms(error, tries);
      if (duration_ms === null) throw error;
      await before_wait(error);
      await pause(duration_ms, signal);
    }
  }
};
