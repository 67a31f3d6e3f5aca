// The hits of a job: in the waterfall and, below it, in the table in which they are judged. The address holds which hit
// is selected and what the waterfall shows.
import { set_query, use_address } from "../address.js";
import { Triage } from "../triage/triage.js";
import { html, useEffect, useMemo, useState } from "../vendor/preact_htm.js";
import { Waterfall } from "../waterfall/waterfall.js";
import { number_in, set_view, view_in } from "../waterfall/address_view.js";
import { around_hit } from "./hit_view.js";

const NONE = [];

/**
 * @param {{job: object, on_hits: (hits: object[]) => void}} props a complete job; `on_hits` gets the hits of
 *   the table
 */
export const HitsSection = ({ job, on_hits }) => {
  const { search } = use_address();
  const query = useMemo(() => new URLSearchParams(search), [search]);
  const view = useMemo(() => view_in(query), [query]);
  const panels = useMemo(() => [{ job_id: job.job_id, label: job.source_name }], [job.job_id, job.source_name]);
  const [hits, set_hits] = useState(NONE);
  useEffect(() => on_hits(hits), [hits]);
  const selected = number_in(query, "selected");
  // Without new entries in the history: one steps through hundreds of hits.
  const select = (id) => set_query({ selected: id }, { replace: true });
  const select_and_show = (id) => {
    const hit = hits.find((one) => one.id === id);
    const around = hit ? around_hit(hit, job.observation?.duration_s, view.width_hz) : {};
    set_query({ selected: id, ...around }, { replace: true });
  };
  return html`
    <${Waterfall} panels=${panels} hits=${hits} selected=${selected} on_select=${select} view=${view}
      on_view=${set_view} />
    ${job.results.raw_hits > 0 && !job.exports_ready && html`
      <p class="fine" role="status">The table of hits appears here once the catalogues are written.</p>`}
    ${job.results.raw_hits > 0 && job.exports_ready && html`
      <${Triage} kind="job" id=${job.job_id} selected=${selected} on_select=${select_and_show}
        on_shown=${set_hits} />`}`;
};
