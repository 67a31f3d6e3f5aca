// The waterfall: power over frequency and time, from the whole band to single channels.

import { request } from "../api.js";
import { html, useEffect, useState } from "../vendor/preact_htm.js";
import { Viewer } from "./viewer.js";

/** Load the manifests of all panels; null while they come. */
const use_manifests = (panels) => {
  const [loaded, set_loaded] = useState(null);
  const ids = panels.map(({ job_id }) => job_id).join();
  useEffect(() => {
    const stop = new AbortController();
    set_loaded(null);
    const manifest_of = ({ job_id }) =>
      request("GET", `/jobs/${encodeURIComponent(job_id)}/waterfall`, { signal: stop.signal });
    Promise.all(panels.map(manifest_of))
      .then((manifests) => set_loaded({ manifests }))
      .catch((error) => !stop.signal.aborted && set_loaded({ error }));
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
  const loaded = use_manifests(panels);
  if (loaded === null) return html`<p class="waterfall-note" role="status">Loading the waterfall…</p>`;
  if (loaded.error) return html`<p class="waterfall-note" role="status">${loaded.error.message}</p>`;
  const key = panels.map(({ job_id }) => job_id).join();
  return html`<${Viewer} key=${key} panels=${panels} manifests=${loaded.manifests} hits=${hits} selected=${selected}
    on_select=${on_select} view=${view} on_view=${on_view} />`;
};
