// One job: its facts, as they change.
import { request } from "../api.js";
import { on } from "../events.js";
import { drift_text, frequency_text, size_text, snr_text } from "../format.js";
import { use_answer } from "../parts/answer.js";
import { StatusBadge } from "../parts/badge.js";
import { Heading } from "../parts/heading.js";
import { Loading } from "../parts/loading.js";
import { ErrorNotice, Notice } from "../parts/notice.js";
import { stage_text } from "../parts/stages.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";
import { html, useEffect } from "../vendor/preact_htm.js";

const COLUMNS = [
  { key: "frequency", title: "Frequency", is_head: true, is_number: true, cell: (hit) => frequency_text(hit.frequency_hz) },
  { key: "drift", title: "Drift rate", is_number: true, cell: (hit) => drift_text(hit.drift_rate) },
  { key: "snr", title: "SNR", is_number: true, cell: (hit) => snr_text(hit.snr) },
  { key: "label", title: "Label", cell: (hit) => hit.classification },
];

/** @param {{params: {id: string}}} props */
export const Page = ({ params }) => {
  const path = `/jobs/${encodeURIComponent(params.id)}`;
  const { answer: job, error, set_answer, reload } = use_answer((signal) => request("GET", path, { signal }), [path]);
  useEffect(() => {
    const offs = [on("job", (item) => item.job_id === params.id && set_answer(item)), on("open", reload)];
    return () => offs.forEach((off) => off());
  }, [path]);
  if (error) return html`<${Heading} title="Job" /><${ErrorNotice} error=${error} />`;
  if (!job) return html`<${Heading} title="Job" /><${Loading} what="the job" />`;
  return html`
    <${Heading} title=${job.source_name} />
    <dl class="facts">
      <dt>Status</dt><dd><${StatusBadge} status=${job.status} /></dd>
      ${job.status !== "complete" && job.status !== "failed" && html`<dt>Stage</dt><dd>${stage_text(job)}</dd>`}
      <dt>File</dt><dd>${job.filename}, ${size_text(job.file_size)}</dd>
      <dt>Submitted</dt><dd><${Time} time_s=${job.created_at} /></dd>
    </dl>
    ${job.error && html`<${Notice} kind="error" title=${job.error} />`}
    ${job.results && html`<${Table} caption="Top candidates" is_caption_seen columns=${COLUMNS}
      rows=${job.results.top_candidates} row_key=${(hit) => `${hit.frequency_hz} ${hit.drift_rate}`} />`}`;
};
