// What can be done with a cadence besides looking at it.
import { request } from "../api.js";
import { ConfirmDialog } from "../parts/dialog.js";
import { html, useState } from "../vendor/preact_htm.js";

/** @param {{cadence: object, is_open: boolean, on_deleted: () => void}} props is_open: whether it still runs */
export const Actions = ({ cadence, is_open, on_deleted }) => {
  const [is_asking, set_asking] = useState(false);
  const verb = is_open ? "Cancel" : "Delete";
  return html`
    <p class="actions">
      <button type="button" class="danger" onClick=${() => set_asking(true)}>${verb} the cadence</button>
    </p>
    ${is_asking && html`
      <${ConfirmDialog} title=${`${verb} this cadence?`} action=${`${verb} the cadence`}
        on_close=${() => set_asking(false)}
        on_confirm=${() => request("DELETE", `/cadences/${cadence.cadence_id}`).then(on_deleted)}>
        <p>${cadence.name}: ${is_open
          ? "it stops, and the jobs that it started and that still run are cancelled."
          : "its events and verdicts are removed. The jobs of its scans stay."} This can't be undone.</p>
      <//>`}`;
};
