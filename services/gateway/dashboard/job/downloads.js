// The files of a job, and what each is for.
import { request } from "../api.js";
import { size_text } from "../format.js";
import { Table } from "../parts/table.js";
import { html, useEffect, useState } from "../vendor/preact_htm.js";

/** Every format in the API's order: its name, what it is called, and what it is for. A test compares the names. */
export const FORMATS = [
  ["json", "Results (JSON)", "Everything: header, noise, every hit with its measures, candidates, warnings."],
  ["csv", "Catalogue (CSV)", "Every hit, the most interesting first. For spreadsheets."],
  ["catalog_json", "Catalogue (JSON)", "The same rows as JSON, with where they come from."],
  ["classified", "Labels (JSON)", "Each hit's label, confidence and novelty, and all that they rest on."],
  ["fits", "Catalogue (FITS)", "The same rows as a binary table with units. For astropy and TOPCAT."],
  ["votable", "Catalogue (VOTable)", "The same for TOPCAT and the Virtual Observatory."],
  ["parquet", "Catalogue (Parquet)", "The same for pandas, pyarrow and DuckDB."],
  ["dat", "Hits (turboSETI's .dat)", "Every hit as turboSETI writes it, for tools that read its tables."],
  ["waterfall", "Picture (PNG)", "The whole observation with its hits, and the best candidates close up."],
  ["waterfall_thumb", "Small picture (PNG)", "The same, 400 pixels wide."],
];

// The browser saves the file and stays on the page: storage sends it as an attachment.
const save = async (path, format) => {
  const { download_url } = await request("GET", `${path}/download`, { query: { format } });
  const link = Object.assign(document.createElement("a"), { href: download_url, target: "_blank", rel: "noopener" });
  link.click();
};

// The sizes, once the files are there; without them, where the list can't be read.
const use_sizes = (path, is_ready) => {
  const [sizes, set_sizes] = useState({});
  useEffect(() => {
    if (!is_ready) return;
    const of_answer = ({ files }) => set_sizes(Object.fromEntries(files.map((file) => [file.format, file.size])));
    request("GET", `${path}/downloads`).then(of_answer, () => set_sizes({}));
  }, [path, is_ready]);
  return sizes;
};

const Save = ({ path, format, name, on_error }) => {
  if (format === "csv") {
    return html`<a class="button" href=${`${path}/download?format=csv`} download=${`${name}.csv`}
      aria-label="Save csv">Save</a>`;
  }
  const click = () => save(path, format).then(() => on_error(null), on_error);
  return html`<button type="button" aria-label=${`Save ${format}`} onClick=${click}>Save</button>`;
};

/**
 * The files of a job or cadence.
 * @param {{path: string, name: string, caption: string, formats: string[][], is_ready: boolean, note?: string}} props
 *   `path` in the API; `formats`: name, title and purpose of each; `is_ready`: whether all are there; `note`: why not
 */
export const DownloadTable = ({ path, name, caption, formats, is_ready, note }) => {
  const [error, set_error] = useState(null);
  const sizes = use_sizes(path, is_ready);
  const is_there = (format) => is_ready || format === "json";
  const columns = [
    { key: "title", title: "File", is_head: true, cell: (row) => row.title },
    { key: "help", title: "What it is for", cell: (row) => row.help },
    { key: "size", title: "Size", is_number: true, cell: ({ format }) => sizes[format] && size_text(sizes[format]) },
    { key: "save", title: "Save",
      cell: (row) => (is_there(row.format)
        ? html`<${Save} path=${path} format=${row.format} name=${name} on_error=${set_error} />` : "Soon") },
  ];
  return html`
    ${!is_ready && html`<p class="fine" role="status">${note}</p>`}
    ${error && html`<p class="field-error" role="alert">${error.message}</p>`}
    <${Table} caption=${caption} columns=${columns} row_key=${(row) => row.format}
      rows=${formats.map(([format, title, help]) => ({ format, title, help }))} />`;
};

/** @param {{job: object}} props a job that is complete */
export const Downloads = ({ job }) => html`
  <${DownloadTable} path=${`/jobs/${job.job_id}`} name=${job.source_name} caption="Files of this job" formats=${FORMATS}
    is_ready=${job.exports_ready} note=${job.error_detail
      ? "The catalogues could not be written; the results themselves are there."
      : "The catalogues are being written. They appear here by themselves."} />`;
