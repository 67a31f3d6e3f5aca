// Tells people who do not see the page what has changed on it.
import { html, useEffect, useState } from "../vendor/preact_htm.js";

const listeners = new Set();

/**
 * Say a sentence to screen readers, once they have finished what they say.
 * @param {string} text
 */
export const announce = (text) => listeners.forEach((listener) => listener(text));

/** The region whose changes screen readers say. The page has one, always: regions that appear later are not heard. */
export const Announcer = () => {
  const [said, set_said] = useState({ text: "", count: 0 });
  useEffect(() => {
    const listener = (text) => set_said(({ count }) => ({ text, count: count + 1 }));
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  // A sentence that is said twice in a row changes the region by a no-break space, so that it is heard twice.
  return html`<div class="unseen" role="status" aria-live="polite">${said.text}${said.count % 2 ? "\u00a0" : ""}</div>`;
};
