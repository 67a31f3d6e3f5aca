// Stops the changes of a page, for people who read it with time or by ear.
import { counted_text } from "../format.js";
import { html } from "../vendor/preact_htm.js";

/** @param {{is_paused: boolean, waiting: number, on_change: (is_paused: boolean) => void}} props */
export const PauseSwitch = ({ is_paused, waiting, on_change }) => html`
  <span class="pause">
    <button type="button" aria-pressed=${is_paused ? "true" : "false"} onClick=${() => on_change(!is_paused)}>
      Pause updates</button>
    <span class="fine">${is_paused && waiting > 0 && `${counted_text(waiting, "change")} not shown`}</span>
  </span>`;
