// A time in UTC and as its distance from now, which is kept up to date.
import { relative_text, utc_text } from "../format.js";
import { html, useEffect, useState } from "../vendor/preact_htm.js";

const listeners = new Set();
const UPDATE_MS = 10_000;
setInterval(() => listeners.forEach((listener) => listener(Date.now() / 1000)), UPDATE_MS);

/**
 * The current time, s, renewed every ten seconds.
 * @returns {number}
 */
export const use_now = () => {
  const [now_s, set_now] = useState(Date.now() / 1000);
  useEffect(() => {
    listeners.add(set_now);
    return () => listeners.delete(set_now);
  }, []);
  return now_s;
};

/** @param {{time_s: number}} props unix time, s */
export const Time = ({ time_s }) => {
  const now_s = use_now();
  if (!time_s) return "—";
  return html`<time dateTime=${new Date(time_s * 1000).toISOString()}>
    ${utc_text(time_s)} <span class="relative">${relative_text(time_s, now_s)}</span></time>`;
};
