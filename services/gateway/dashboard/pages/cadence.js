// One cadence: its scans as they are searched, and the events in them.
import { request } from "../api.js";
import { Actions } from "../cadence/actions.js";
import { EventsSection } from "../cadence/events_section.js";
import { ScanList } from "../cadence/scan_list.js";
import { on } from "../events.js";
import { count_text, duration_text } from "../format.js";
import { DownloadTable } from "../job/downloads.js";
import { announce } from "../parts/announcer.js";
import { StatusBadge } from "../parts/badge.js";
import { Heading } from "../parts/heading.js";
import { Loading } from "../parts/loading.js";
import { ErrorNotice, Notice } from "../parts/notice.js";
import { Progress } from "../parts/progress.js";
import { stage_text } from "../parts/stages.js";
import { Time } from "../parts/time.js";
import { CadencePicture } from "../triage/event_pictures.js";
import { html, useEffect, useRef, useState } from "../vendor/preact_htm.js";

const OPEN = new Set(["submitted", "processing"]);
/** Every format of a cadence but the pictures of events: name, title, purpose. A test compares the names. */
export const FORMATS = [
  ["json", "Events (JSON)", "Everything: each event in each scan, rejected tracks with reasons, families."],
  ["csv", "Events (CSV)", "Every event, turboSETI's columns first. For spreadsheets."],
  ["fits", "Events (FITS)", "The same rows as a binary table with units. For astropy and TOPCAT."],
  ["votable", "Events (VOTable)", "The same for TOPCAT and the Virtual Observatory."],
  ["parquet", "Events (Parquet)", "The same for pandas, pyarrow and DuckDB."],
  ["overview", "Overview (PNG)", "All events on the band, scan by scan."],
];

// The cadence, kept up to date by the event stream.
const use_cadence = (cadence_id) => {
  const [state, set_state] = useState({ cadence: null, error: null, is_removed: false });
  useEffect(() => {
    const ended = new AbortController();
    const keep = (cadence) => set_state((before) => ({ ...before, cadence, error: null }));
    const read = () => request("GET", `/cadences/${cadence_id}`, { signal: ended.signal }).then(
      keep, (error) => ended.signal.aborted || set_state((before) => ({ ...before, error })),
    );
    read();
    const offs = [
      on("cadence", (cadence) => cadence.cadence_id === cadence_id && keep(cadence)),
      on("removed", ({ kind, id }) => kind === "cadence" && id === cadence_id
        && set_state((before) => ({ ...before, is_removed: true }))),
      on("open", read),
    ];
    return () => {
      ended.abort();
      offs.forEach((off) => off());
    };
  }, [cadence_id]);
  return state;
};

// Screen readers hear of the end and of each stage.
const use_announcements = (cadence) => {
  const known = useRef(null);
  useEffect(() => {
    if (!cadence) return;
    const now = OPEN.has(cadence.status) ? stage_text(cadence).split(",")[0] : `The cadence is ${cadence.status}`;
    if (known.current !== null && known.current !== now) announce(`${now}.`);
    known.current = now;
  }, [cadence]);
};

const Fact = ({ term, children }) => html`<div><dt>${term}</dt><dd>${children}</dd></div>`;

const rule_text = ({ min_on_scans, off_snr, snr_threshold, max_drift_rate_hz_s }) => [
  `in ${min_on_scans ?? "all"} ON scans`, `below SNR ${off_snr} in every OFF scan`, `hits from SNR ${snr_threshold} on`,
  `drift rates up to ±${max_drift_rate_hz_s} Hz/s`,
].join(", ");

const Origin = ({ cadence }) => html`
  <div class="job-facts"><dl class="facts">
    <${Fact} term="Submitted"><${Time} time_s=${cadence.created_at} /><//>
    ${cadence.completed_at && html`<${Fact} term="Completed"><${Time} time_s=${cadence.completed_at} /><//>`}
    ${cadence.expires_at && html`<${Fact} term="Kept until"><${Time} time_s=${cadence.expires_at} /><//>`}
    <${Fact} term="An event is">${rule_text(cadence.parameters)}<//>
  </dl></div>`;

const Running = ({ cadence }) => {
  const { done = 0, total = 1 } = cadence.progress ?? {};
  return html`<${Progress} label="Progress" value=${done} max=${total} text=${stage_text(cadence)} />`;
};

const Numbers = ({ results }) => {
  const numbers = [
    ["Events", count_text(results.events), "In enough ON scans and in no OFF scan"],
    ["Emitters", count_text(results.families), "That these events belong to"],
    ["Candidates", count_text(results.candidates), "Events that nothing known explains"],
    ["Rejected", count_text(results.rejected), "Tracks of ON scans that are no events"],
    ["Time", duration_text(results.processing_time_seconds), "From the start to the events"],
  ];
  return html`<dl class="numbers">${numbers.map(([term, number, help]) => html`
    <div key=${term}><dt>${term}</dt><dd>${number}</dd><dd class="fine">${help}</dd></div>`)}</dl>`;
};

const Section = ({ id, title, children }) => html`
  <section class="job-section" aria-labelledby=${id}><h2 id=${id}>${title}</h2>${children}</section>`;

const Results = ({ cadence }) => html`
  <${Numbers} results=${cadence.results} />
  ${cadence.results.warnings?.length > 0 && html`
    <${Notice} kind="warning" title="What to know about these results">
      <ul>${cadence.results.warnings.map((sentence) => html`<li key=${sentence}>${sentence}</li>`)}</ul><//>`}
  <${Section} id="events-title" title="Scans and events"><${EventsSection} cadence=${cadence} /><//>
  ${cadence.exports_ready && html`<${Section} id="overview-title" title="Overview">
    <details><summary>All events on the band, scan by scan</summary>
      <${CadencePicture} cadence_id=${cadence.cadence_id} format="overview"
        text="All events on the band, scan by scan; the table of events lists them." /></details><//>`}
  <${Section} id="files-title" title="Downloads">
    <${DownloadTable} path=${`/cadences/${cadence.cadence_id}`} name=${cadence.name} caption="Files of this cadence"
      formats=${FORMATS} is_ready=${cadence.exports_ready} note=${cadence.error_detail
        ? "The tables could not be written; the events themselves are there."
        : "The tables are being written. They appear here by themselves."} /><//>`;

const Missing = ({ is_removed, error }) => {
  if (!is_removed && error.status !== 404) {
    return html`<${Heading} title="Cadence" /><${ErrorNotice} error=${error}><p><a href="/app/?kind=cadences">All
      cadences</a></p><//>`;
  }
  return html`<${Heading} title="No such cadence" />
    <${Notice} kind="warning"
      title=${is_removed ? "This cadence was deleted." : "There is no cadence with this address."}>
      <p><a href="/app/?kind=cadences">All cadences</a></p><//>`;
};

/** The page. */
export const Page = ({ params, navigate }) => {
  const { cadence, error, is_removed } = use_cadence(params.id);
  useEffect(() => { is_removed && announce("This cadence was deleted."); }, [is_removed]);
  use_announcements(cadence);
  if (is_removed || (error && !cadence)) return html`<${Missing} is_removed=${is_removed} error=${error} />`;
  if (!cadence) return html`<${Loading} what="the cadence" />`;
  const is_open = OPEN.has(cadence.status);
  const on_deleted = () => {
    announce(is_open ? "The cadence is cancelled." : "The cadence is deleted.");
    navigate("/app/?kind=cadences");
  };
  return html`
    <div class="page-head">
      <${Heading} title=${cadence.name}>${cadence.name} <${StatusBadge} status=${cadence.status} /><//>
      <${Actions} cadence=${cadence} is_open=${is_open} on_deleted=${on_deleted} />
    </div>
    <${Origin} cadence=${cadence} />
    ${cadence.status === "failed" && html`<${Notice} kind="error" title=${cadence.error ?? "The cadence has failed."}>
      <p>Leave out the scans without results, or upload them again. <a href="/app/upload">New analysis</a></p><//>`}
    ${is_open && html`<${Running} cadence=${cadence} />`}
    <${Section} id="scans-title" title="Scans">
      <${ScanList} scans=${cadence.scans} is_complete=${cadence.status === "complete"} /><//>
    ${cadence.results && html`<${Results} cadence=${cadence} />`}`;
};
