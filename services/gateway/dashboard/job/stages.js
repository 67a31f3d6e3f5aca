// The stages of a job as they happen.
import { count_text } from "../format.js";
import { Progress } from "../parts/progress.js";
import { html } from "../vendor/preact_htm.js";

/** The stages in their order: the API's name, and what happens in it. */
export const STAGES = [
  ["ingest", "Read the header and check the file"],
  ["dedoppler", "Search for drifting signals"],
  ["classify", "Measure and label the signals"],
  ["export", "Write catalogues and pictures"],
];

const NAMES = STAGES.map(([name]) => name);
const WORDS = { done: "done", now: "now", next: "to come", failed: "failed", skipped: "not reached" };
const SIGNS = { done: "●", now: "◐", next: "○", failed: "✕", skipped: "–" };

/**
 * Return the state of each stage of a job.
 * @param {object} job as the API shows it
 * @returns {("done" | "now" | "next" | "failed" | "skipped")[]}
 */
export const stage_states = (job) => {
  const failed_at = NAMES.indexOf(job.error_detail?.stage);
  if (failed_at >= 0) return NAMES.map((_, at) => (at < failed_at ? "done" : at === failed_at ? "failed" : "skipped"));
  if (job.exports_ready) return NAMES.map(() => "done");
  // The results are there before the exports.
  if (job.status === "complete") return ["done", "done", "done", "now"];
  const { stage, done = 0, total = 1 } = job.progress ?? {};
  const at = NAMES.indexOf(stage);
  // Of a stage that is done the next one has begun.
  const now = at < 0 ? 0 : at + (done >= total ? 1 : 0);
  return NAMES.map((_, place) => (place < now ? "done" : place === now ? "now" : "next"));
};

const Stage = ({ text, state, progress }) => html`
  <li class=${`stage stage-${state}`} aria-current=${state === "now" ? "step" : undefined}>
    <span aria-hidden="true">${SIGNS[state]}</span> ${text} <span class="fine">(${WORDS[state]})</span>
    ${state === "now" && progress && progress.total > 1 && html`
      <${Progress} label=${text} value=${progress.done} max=${progress.total}
        text=${`${count_text(progress.done)} of ${count_text(progress.total)} parts of the band`} />`}
  </li>`;

/** @param {{job: object}} props as the API shows it */
export const Stages = ({ job }) => {
  const states = stage_states(job);
  return html`<ol class="stages">
    ${STAGES.map(([name, text], at) => html`<${Stage} key=${name} text=${text} state=${states[at]}
      progress=${job.progress?.stage === name ? job.progress : null} />`)}
  </ol>`;
};
