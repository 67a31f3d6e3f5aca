// One cadence: its facts, as they change.
import { request } from "../api.js";
import { on } from "../events.js";
import { drift_text, frequency_text, snr_text } from "../format.js";
import { use_answer } from "../parts/answer.js";
import { StatusBadge } from "../parts/badge.js";
import { Heading } from "../parts/heading.js";
import { Loading } from "../parts/loading.js";
import { ErrorNotice, Notice } from "../parts/notice.js";
import { stage_text } from "../parts/stages.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";
import { html, useEffect } from "../vendor/preact_htm.js";

const SCANS = [
  { key: "source", title: "Source", is_head: true, cell: (scan) => html`
    <a href=${`/app/jobs/${scan.job_id}`}>${scan.source_name}</a>` },
  { key: "role", title: "Role", cell: (scan) => (scan.role ? scan.role.toUpperCase() : "—") },
  { key: "status", title: "Status", cell: (scan) => html`<${StatusBadge} status=${scan.status} />` },
];
const EVENTS = [
  { key: "frequency", title: "Frequency", is_head: true, is_number: true,
    cell: (event) => frequency_text(event.frequency_hz) },
  { key: "drift", title: "Drift rate", is_number: true, cell: (event) => drift_text(event.drift_rate) },
  { key: "snr", title: "SNR", is_number: true, cell: (event) => snr_text(event.snr) },
  { key: "label", title: "Label", cell: (event) => event.classification },
];

/** @param {{params: {id: string}}} props */
export const Page = ({ params }) => {
  const path = `/cadences/${encodeURIComponent(params.id)}`;
  const ask = (signal) => request("GET", path, { signal });
  const { answer: cadence, error, set_answer, reload } = use_answer(ask, [path]);
  useEffect(() => {
    const offs = [on("cadence", (item) => item.cadence_id === params.id && set_answer(item)), on("open", reload)];
    return () => offs.forEach((off) => off());
  }, [path]);
  if (error) return html`<${Heading} title="Cadence" /><${ErrorNotice} error=${error} />`;
  if (!cadence) return html`<${Heading} title="Cadence" /><${Loading} what="the cadence" />`;
  return html`
    <${Heading} title=${cadence.name} />
    <dl class="facts">
      <dt>Status</dt><dd><${StatusBadge} status=${cadence.status} /></dd>
      ${["submitted", "processing"].includes(cadence.status) && html`<dt>Stage</dt><dd>${stage_text(cadence)}</dd>`}
      <dt>Submitted</dt><dd><${Time} time_s=${cadence.created_at} /></dd>
    </dl>
    ${cadence.error && html`<${Notice} kind="error" title=${cadence.error} />`}
    <${Table} caption="Scans" is_caption_seen columns=${SCANS} rows=${cadence.scans} row_key=${(scan) => scan.job_id} />
    ${cadence.results && html`<${Table} caption="Top events" is_caption_seen columns=${EVENTS}
      rows=${cadence.results.top_events} row_key=${(event) => event.id} />`}`;
};
