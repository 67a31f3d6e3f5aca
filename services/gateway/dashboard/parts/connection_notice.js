// Says that changes do not arrive, once that has lasted a while: a stream that is opened again takes a moment.
import { events_are_live, on_live } from "../events.js";
import { html, useEffect, useState } from "../vendor/preact_htm.js";
import { Notice } from "./notice.js";

const PATIENCE_MS = 4_000;

/** The notice, or nothing. */
export const ConnectionNotice = () => {
  const [is_lost, set_lost] = useState(false);
  useEffect(() => {
    let timer = 0;
    const listener = (live) => {
      clearTimeout(timer);
      if (live) set_lost(false);
      else timer = setTimeout(() => set_lost(document.visibilityState !== "hidden"), PATIENCE_MS);
    };
    listener(events_are_live());
    const off = on_live(listener);
    return () => {
      off();
      clearTimeout(timer);
    };
  }, []);
  return html`<div role="status">${is_lost && html`
    <${Notice} kind="warning" title="The connection to the server is lost.">
      <p>What you see may be old. The page connects again by itself.</p>
    <//>`}</div>`;
};
