// The noise of each part of the band, from results.json: read when somebody wants to see it.
import { request } from "../api.js";
import { counted_text } from "../format.js";
import { use_answer } from "../parts/answer.js";
import { Loading } from "../parts/loading.js";
import { Table } from "../parts/table.js";
import { html, useState } from "../vendor/preact_htm.js";
import { noise_rows } from "./noise.js";
import { read_results_head } from "./results_head.js";

// So many parts of the band are listed; a large file has thousands.
const MOST_ROWS = 100;

const read_noise = async (job_id, signal) => {
  const query = { format: "json" };
  const { download_url } = await request("GET", `/jobs/${job_id}/download`, { query, signal });
  return (await read_results_head(download_url, signal)).noise;
};

const COLUMNS = [
  { key: "channels", title: "Channels", is_head: true, cell: (row) => row.channels },
  { key: "level", title: "Level", is_number: true, cell: (row) => row.level },
  { key: "sigma", title: "Sigma", is_number: true, cell: (row) => row.sigma },
  { key: "lost", title: "Lost samples", is_number: true, cell: (row) => row.lost },
  { key: "notes", title: "Notes", cell: (row) => row.notes },
];

const Noise = ({ job_id }) => {
  const { answer, error } = use_answer((signal) => read_noise(job_id, signal), [job_id]);
  if (error) {
    return html`<p class="field-warning"><strong>Not shown.</strong> ${error.message} Save results.json below.</p>`;
  }
  if (!answer) return html`<${Loading} what="the noise" />`;
  const rows = noise_rows(answer);
  const listed = rows.length > MOST_ROWS ? ` The first ${MOST_ROWS} are listed; results.json has all.` : "";
  return html`
    <p class="fine">${counted_text(rows.length, "part")} of the band. Level and sigma are those of one sample, in the
      units of the file. Lost samples are left out of the search.${listed}</p>
    <${Table} caption="Noise" columns=${COLUMNS} rows=${rows.slice(0, MOST_ROWS)} row_key=${(row) => row.key} />`;
};

/** @param {{job_id: string}} props of a job that is complete */
export const NoiseTable = ({ job_id }) => {
  const [is_open, set_open] = useState(false);
  return html`
    <details class="more" onToggle=${(event) => set_open(event.target.open)}>
      <summary>Noise and lost samples</summary>
      ${is_open && html`<${Noise} job_id=${job_id} />`}
    </details>`;
};
