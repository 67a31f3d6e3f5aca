// The events of a cadence: all scans on one frequency axis, the table in which they are judged, and the selected one
// scan by scan. The address holds which event is selected and what is shown.
import { set_query, use_address } from "../address.js";
import { around_hit } from "../job/hit_view.js";
import { Notice } from "../parts/notice.js";
import { DRAWN_EVENTS, Triage } from "../triage/triage.js";
import { html, useMemo, useState } from "../vendor/preact_htm.js";
import { number_in, set_view, view_in } from "../waterfall/address_view.js";
import { Waterfall } from "../waterfall/waterfall.js";
import { span_s, use_document } from "./document.js";
import { EventDetails } from "./event_details.js";
import { RejectedList } from "./rejected_list.js";
import { scan_name } from "./scan_list.js";

const NONE = [];

const panels_of = (scans) => scans
  .map((scan, at) => ({ ...scan, label: `${scan_name(scan, at)}: ${scan.source_name}` }))
  .filter(({ status }) => status === "complete")
  .map(({ job_id, label, role }) => ({ job_id, label, role }));

/** @param {{cadence: object}} props a complete cadence, as the API shows it */
export const EventsSection = ({ cadence }) => {
  const { search } = use_address();
  const query = useMemo(() => new URLSearchParams(search), [search]);
  const view = useMemo(() => view_in(query), [query]);
  const panels = useMemo(() => panels_of(cadence.scans), [JSON.stringify(cadence.scans)]);
  const { document, error } = use_document(cadence.cadence_id);
  const [events, set_events] = useState(NONE);
  const selected = number_in(query, "selected");
  const event = document?.events.find(({ id }) => id === selected);
  const select = (id) => set_query({ selected: id }, { replace: true });
  const select_and_show = (id) => {
    const found = events.find((one) => one.id === id);
    const around = found ? around_hit(found, span_s(document), view.width_hz) : {};
    set_query({ selected: id, ...around }, { replace: true });
  };
  return html`
    ${panels.length > 0 && html`<${Waterfall} panels=${panels} hits=${events} selected=${selected} on_select=${select}
      view=${view} on_view=${set_view} />`}
    ${cadence.results.events > 0
      ? html`<${Triage} kind="cadence" id=${cadence.cadence_id} selected=${selected} on_select=${select_and_show}
          on_shown=${set_events} />`
      : html`<p>No events: no track is in enough ON scans and in no OFF scan.</p>`}
    ${error && html`<${Notice} kind="warning" title=${`What each scan shows can't be read: ${error.message}`} />`}
    ${event && html`<${EventDetails} cadence_id=${cadence.cadence_id} event=${event} drawn=${DRAWN_EVENTS}
      family=${document.families.find(({ id }) => id === event.family)} />`}
    ${document && document.rejected.length > 0 && html`
      <${RejectedList} rejected=${document.rejected} total=${cadence.results.rejected} />`}`;
};
