// The waterfall: power over frequency and time, from the whole band to single channels.

import { request } from "../api.js";
import { html, useEffect, useState } from "../vendor/preact_htm.js";
import { Viewer } from "./viewer.js";

/** Return how the manifests of all panels were answered; null while they come. */
const use_manifests = (panels) => {
  const [loaded, set_loaded] = useState(null);
  const ids = panels.map(({ job_id }) => job_id).join();
  useEffect(() => {
    const stop = new AbortController();
    set_loaded(null);
    const manifest_of = ({ job_id }) =>
      request("GET", `/jobs/${encodeURIComponent(job_id)}/waterfall`, { signal: stop.signal });
    Promise.allSettled(panels.map(manifest_of)).then((answers) => !stop.signal.aborted && set_loaded(answers));
    return () => stop.abort();
  }, [ids]);
  return loaded;
};

/**
 * The waterfall of one or more observations.
 * @param {Object} props
 * @param {{job_id: string, label: string, role?: string}[]} props.panels One below the other on one frequency axis.
 * @param {import("./tracks.js").Hit[]} props.hits Those that are drawn.
 * @param {*} props.selected Id of the selected hit.
 * @param {(id: *) => void} props.on_select
 * @param {Object} [props.view] {center_hz, width_hz, statistic, low, high, map}; what is missing is chosen here.
 * @param {(view: Object) => void} props.on_view Called when the view has stood still for a moment.
 */
export const Waterfall = ({ panels, hits = [], selected = null, on_select, view = null, on_view }) => {
  const answers = use_manifests(panels);
  if (answers === null || answers.length !== panels.length) {
    return html`<p class="waterfall-note" role="status">Loading the waterfall…</p>`;
  }
  const there = panels.filter((_, at) => answers[at].status === "fulfilled");
  const missing = panels
    .map(({ label }, at) => ({ label, reason: answers[at].reason }))
    .filter(({ reason }) => reason !== undefined)
    .map(({ label, reason }) => html`<p class="waterfall-note" role="status">
      ${panels.length > 1 && `${label}: `}${reason.message}</p>`);
  if (there.length === 0) return missing;
  const key = there.map(({ job_id }) => job_id).join();
  const manifests = answers.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  return html`
    ${missing}
    <${Viewer} key=${key} panels=${there} manifests=${manifests} hits=${hits} selected=${selected}
      on_select=${on_select} view=${view} on_view=${on_view} />`;
};
