// The status of a job or cadence: a sign, a word and a colour.
import { html } from "../vendor/preact_htm.js";

const STATUSES = {
  submitted: { sign: "○", word: "Submitted" },
  processing: { sign: "◐", word: "Processing" },
  complete: { sign: "●", word: "Complete" },
  failed: { sign: "✕", word: "Failed" },
  deleted: { sign: "–", word: "Deleted" },
};

/** @param {{status: string}} props */
export const StatusBadge = ({ status }) => {
  const { sign, word } = STATUSES[status] ?? { sign: "?", word: status };
  return html`<span class=${`badge badge-${status}`}><span aria-hidden="true">${sign}</span> ${word}</span>`;
};
