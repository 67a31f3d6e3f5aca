// The scans of a cadence, with their roles and jobs.
import { StatusBadge } from "../parts/badge.js";
import { Table } from "../parts/table.js";
import { html } from "../vendor/preact_htm.js";

const ROLES = { on: "ON", off: "OFF" };

/**
 * Return the name of a scan: its role and its place.
 * @param {{role?: string}} scan
 * @param {number} at place, from 0
 * @returns {string} such as "ON 1"
 */
export const scan_name = ({ role }, at) => `${ROLES[role] ?? "Scan"} ${at + 1}`;

const COLUMNS = [
  { key: "role", title: "Scan", is_head: true, cell: (scan) => scan_name(scan, scan.at) },
  { key: "source", title: "Source", cell: (scan) => scan.source_name },
  { key: "file", title: "File", cell: (scan) => (scan.status === "deleted" ? scan.filename
    : html`<a href=${`/app/jobs/${scan.job_id}`}>${scan.filename}</a>`) },
  { key: "status", title: "Job", cell: (scan) => html`<${StatusBadge} status=${scan.status} />
    ${scan.error && html`<span class="second failure">${scan.error}</span>`}` },
];

/** @param {{scans: object[], is_complete: boolean}} props as the API shows them */
export const ScanList = ({ scans, is_complete }) => html`
  <${Table} caption=${is_complete ? "Scans in order of time" : "Scans"} columns=${COLUMNS}
    rows=${scans.map((scan, at) => ({ ...scan, at }))} row_key=${(scan) => scan.job_id} />
  ${scans.some(({ role }) => !role) && html`<p class="fine">Roles that you did not state are proposed from times, source
    names and file names, once all scans are searched.</p>`}`;
