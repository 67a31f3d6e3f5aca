// Tracks that are no events, and why: the strongest.
import { count_text, counted_text, drift_text, frequency_text, snr_text } from "../format.js";
import { Table } from "../parts/table.js";
import { label_text } from "../triage/rows.js";
import { html, useState } from "../vendor/preact_htm.js";

const FIRST = 20;

const COLUMNS = [
  { key: "frequency", title: "Frequency", is_head: true, is_number: true,
    cell: (track) => frequency_text(track.frequency_hz, track.frequency_error_hz) },
  { key: "drift", title: "Drift rate", is_number: true,
    cell: (track) => drift_text(track.drift_rate, track.drift_rate_error) },
  { key: "snr", title: "SNR", is_number: true, cell: (track) => snr_text(track.snr) },
  { key: "label", title: "Label", cell: (track) => label_text(track.classification) },
  { key: "reasons", title: "Why it is no event", cell: (track) => track.reasons.join(" ") },
];

/** @param {{rejected: object[], total: number}} props `rejected` as in events.json, of `total` */
export const RejectedList = ({ rejected, total }) => {
  const [shown, set_shown] = useState(FIRST);
  const count = Math.min(shown, rejected.length);
  return html`
    <details class="rejected"><summary>Rejected tracks: ${count_text(total)}</summary>
      <${Table} caption=${`The strongest ${counted_text(count, "rejected track")}`} columns=${COLUMNS}
        rows=${rejected.slice(0, shown)} row_key=${(track) => track.track} />
      <p class="pager"><span>${count_text(count)} of ${counted_text(total, "track")}</span>
        ${shown < rejected.length && html`
          <button type="button" onClick=${() => set_shown(shown + 5 * FIRST)}>Show more</button>`}</p>
    </details>`;
};
