// One event of a cadence, scan by scan: its SNR there, and what was found in a sentence.
import { drift_text, fixed_text, frequency_text, number_text, snr_text } from "../format.js";
import { Table } from "../parts/table.js";
import { CadencePicture, picture_format } from "../triage/event_pictures.js";
import { html } from "../vendor/preact_htm.js";
import { scan_name } from "./scan_list.js";

const STATES = {
  hit: "in the hit list", measured: "measured", listed: "in the hit list, not measured", silent: "not in the hit list",
  outside: "outside of the band", lost: "samples lost", missing: "no results",
};

const snr_of = ({ snr, snr_limit }) => {
  if (snr === null) return "—";
  if (snr_limit === null) return snr_text(snr);
  return html`${snr_text(snr)} <span class="second">at most ${snr_text(snr_limit)}</span>`;
};

const COLUMNS = [
  { key: "scan", title: "Scan", is_head: true, cell: (scan) => scan_name(scan, scan.scan) },
  { key: "present", title: "There", cell: (scan) => (scan.is_present ? "● yes" : "○ no") },
  { key: "snr", title: "SNR", is_number: true, cell: snr_of },
  { key: "ratio", title: "Power, ON = 1", is_number: true,
    cell: (scan) => number_text(scan.strength_ratio, scan.strength_ratio_error, 2) },
  { key: "state", title: "How it is known", cell: (scan) => STATES[scan.state] ?? scan.state },
  { key: "sentence", title: "Finding", cell: (scan) => scan.sentence },
];

const facts_of = (event) => [
  ["Frequency", frequency_text(event.frequency_hz, event.frequency_error_hz)],
  ["Drift rate", drift_text(event.drift_rate, event.drift_rate_error)],
  ["Change of drift", `${number_text(event.drift_change_hz_s2, event.drift_change_error_hz_s2, 6)} Hz/s²`],
  ["SNR in all ON scans", snr_text(event.snr)],
  ["Interest", fixed_text(event.interestingness, 2)],
  ["Drift agrees with", event.drift_origin],
  ["Known services of the band", event.bands.join(", ")],
].filter(([, text]) => text);

/**
 * @param {{cadence_id: string, event: object, family?: object, drawn: number}} props `event` and `family` as in
 *   events.json; `drawn`: so many events have a picture
 */
export const EventDetails = ({ cadence_id, event, family, drawn }) => html`
  <section class="panel event-details" aria-labelledby="event-title">
    <h3 id="event-title">Event ${event.id}: ${frequency_text(event.frequency_hz, event.frequency_error_hz)}</h3>
    <dl class="wide-facts">
      ${facts_of(event).map(([term, text]) => html`<div key=${term}><dt>${term}</dt><dd>${text}</dd></div>`)}
    </dl>
    ${event.reasons.length > 0 && html`<ul>${event.reasons.map((one) => html`<li key=${one}>${one}</li>`)}</ul>`}
    ${family && family.members.length > 1 && html`<p>${family.sentence}</p>`}
    <${Table} caption=${`Event ${event.id} in each scan`} columns=${COLUMNS} rows=${event.scans}
      row_key=${(scan) => scan.scan} />
    ${event.id <= drawn && html`
      <details><summary>Picture of all scans</summary>
        <${CadencePicture} cadence_id=${cadence_id} format=${picture_format(event.id)}
          text=${`Event ${event.id}, scan by scan; the table above says what it shows.`} />
      </details>`}
  </section>`;
