// The numbers and the best candidates of a job: all from the job's own answer, so that they are there at once.
import { count_text, drift_text, duration_text, fixed_text, frequency_text, snr_text } from "../format.js";
import { Table } from "../parts/table.js";
import { label_text } from "../triage/rows.js";
import { html } from "../vendor/preact_htm.js";

const COLUMNS = [
  { key: "rank", title: "Rank", is_number: true, cell: ({ rank }) => rank },
  { key: "frequency", title: "Frequency", is_number: true, is_head: true,
    cell: (row) => frequency_text(row.frequency_hz) },
  { key: "drift", title: "Drift rate", is_number: true, cell: (row) => drift_text(row.drift_rate) },
  { key: "snr", title: "SNR", is_number: true, cell: (row) => snr_text(row.snr) },
  { key: "label", title: "Label", cell: (row) => label_text(row.classification) },
  { key: "interest", title: "Interest", is_number: true, cell: (row) => fixed_text(row.interestingness, 2) },
  { key: "rfi", title: "Known service", cell: (row) => row.rfi_source || "none" },
];

/** @param {{results: object}} props `results` of a job */
export const Numbers = ({ results }) => {
  const numbers = [
    ["Hits", count_text(results.raw_hits), "Every signal above the threshold"],
    ["Filtered hits", count_text(results.filtered_hits), "Without interference, noise and repeats of an emitter"],
    ["Candidates", count_text(results.candidates), "Those that are worth a look"],
    ["Time", duration_text(results.processing_time_seconds), "From the start of the job to its results"],
  ];
  return html`<dl class="numbers">
    ${numbers.map(([term, number, help]) => html`<div key=${term}><dt>${term}</dt><dd>${number}</dd>
      <dd class="fine">${help}</dd></div>`)}
  </dl>`;
};

const NoCandidates = ({ raw_hits }) => (raw_hits === 0
  ? html`<p>No hits: no signal reaches the least SNR within the drift rates that were searched.</p>`
  : html`<p>No candidates: nothing that was found is free of known interference and worth a second look. The table below
      and the catalogues list all hits.</p>`);

/** @param {{results: object, on_show: (candidate: object) => void}} props `results` of a job */
export const TopCandidates = ({ results: { top_candidates, raw_hits }, on_show }) => {
  if (!top_candidates.length) return html`<${NoCandidates} raw_hits=${raw_hits} />`;
  const show = {
    key: "show", title: "View",
    cell: (row) => html`<button type="button" aria-label=${`Show ${frequency_text(row.frequency_hz)} in the waterfall`}
      onClick=${() => on_show(row)}>Show</button>`,
  };
  return html`<${Table} caption="Best candidates, the most interesting first" columns=${[...COLUMNS, show]}
    rows=${top_candidates.map((one, at) => ({ ...one, rank: at + 1 }))} row_key=${(row) => row.rank} />`;
};
