// The columns of the triage's table.
import { count_text, drift_text, fixed_text, frequency_text, snr_text } from "../format.js";
import { html } from "../vendor/preact_htm.js";
import { label_text } from "./rows.js";
import { VERDICT_OF } from "./verdicts.js";

/**
 * A verdict: a sign, a word and the note.
 * @param {{given: import("./verdict_store.js").Verdict | undefined}} props
 */
export const VerdictMark = ({ given }) => {
  if (!given) return html`<span class="no-verdict">none</span>`;
  const { sign, word } = VERDICT_OF[given.verdict];
  return html`<span class=${`verdict verdict-${given.verdict}`}><span aria-hidden="true">${sign}</span> ${word}</span>
    ${given.note && html`<span class="second">${given.note}</span>`}`;
};

/**
 * Return a row in words, for people who do not see the table or the picture.
 * @param {import("./rows.js").Row} row
 * @param {"job" | "cadence"} kind
 * @returns {string}
 */
export const row_text = (row, kind) => [
  `${kind === "job" ? "Hit" : "Event"} ${row.id}`,
  frequency_text(row.frequency_hz, row.frequency_error_hz),
  drift_text(row.drift_rate_hz_s, row.drift_rate_error_hz_s),
  `SNR ${snr_text(row.snr)}`,
  label_text(row.label),
].join(", ");

const error_text = (error, unit) => (error > 0 ? `±${Number(error.toPrecision(2))} ${unit}` : null);

/**
 * Return what else the catalogue says of a row: standard errors, and how wide the signal is.
 * @param {import("./rows.js").Row} row
 * @returns {string} such as "Standard errors: ±1.1 Hz, ±0.007 Hz/s. Width 2.8 Hz."
 */
export const measured_text = (row) => {
  const errors = [error_text(row.frequency_error_hz, "Hz"), error_text(row.drift_rate_error_hz_s, "Hz/s")]
    .filter(Boolean).join(", ");
  const width = row.bandwidth_hz > 0 ? `Width ${fixed_text(row.bandwidth_hz, 1)} Hz.` : "";
  return [errors && `Standard errors: ${errors}.`, width].filter(Boolean).join(" ");
};

const known_text = (row) => [row.known, row.protected_band].filter(Boolean).join("; ") || "none";

/**
 * Return the columns of a table of hits or events.
 * @param {{kind: "job" | "cadence", verdicts: Map<number, object>, on_select: (id: number) => void}} options
 * @returns {import("../parts/table.js").Column[]}
 */
export const columns_of = ({ kind, verdicts, on_select }) => [
  { key: "frequency", title: "Frequency", is_head: true, is_number: true, is_sortable: true, cell: (row) => html`
    <button type="button" class="quiet row-button" onClick=${() => on_select(row.id)}>
      ${frequency_text(row.frequency_hz, row.frequency_error_hz)}</button>` },
  { key: "verdict", title: "Verdict", is_sortable: true,
    cell: (row) => html`<${VerdictMark} given=${verdicts.get(row.id)} />` },
  { key: "drift", title: "Drift rate", is_number: true, is_sortable: true,
    cell: (row) => drift_text(row.drift_rate_hz_s, row.drift_rate_error_hz_s) },
  { key: "snr", title: "SNR", is_number: true, is_sortable: true, cell: (row) => snr_text(row.snr) },
  ...(kind === "cadence" ? [{ key: "scans", title: "ON scans", is_number: true, is_sortable: true,
    cell: (row) => `${count_text(row.on_scans_present)} of ${count_text(row.on_scans)}` }] : []),
  { key: "label", title: "Label", is_sortable: true, cell: (row) => label_text(row.label) },
  { key: "interest", title: "Interest", is_number: true, is_sortable: true,
    cell: (row) => fixed_text(row.interestingness, 2) },
  { key: "group", title: kind === "job" ? "Group" : "Family", is_number: true, is_sortable: true,
    cell: (row) => row.group ?? "—" },
  { key: "known", title: "Known service or band", is_sortable: true, cell: known_text },
  { key: "id", title: kind === "job" ? "Hit" : "Event", is_number: true, is_sortable: true, cell: (row) => row.id },
];
