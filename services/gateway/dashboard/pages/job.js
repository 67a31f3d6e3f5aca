// One job: its stages as they happen, and what was found. All of the first paint comes from one answer of the API.
import { request } from "../api.js";
import { set_query } from "../address.js";
import { on } from "../events.js";
import { duration_text, size_text } from "../format.js";
import { Actions, Curl } from "../job/actions.js";
import { advice_of } from "../job/advice.js";
import { Numbers, TopCandidates } from "../job/candidates.js";
import { Downloads } from "../job/downloads.js";
import { around_hit } from "../job/hit_view.js";
import { NoiseTable } from "../job/noise_table.js";
import { ObservationList } from "../job/observation_list.js";
import { Stages } from "../job/stages.js";
import { announce } from "../parts/announcer.js";
import { StatusBadge } from "../parts/badge.js";
import { Heading } from "../parts/heading.js";
import { Loading } from "../parts/loading.js";
import { ErrorNotice, Notice } from "../parts/notice.js";
import { Time } from "../parts/time.js";
import { html, useEffect, useRef, useState } from "../vendor/preact_htm.js";

const OPEN = new Set(["submitted", "processing"]);

// The job, kept up to date by the event stream. Events may be missed while the stream is away, so it is read anew when
// the stream begins again.
const use_job = (job_id) => {
  const [state, set_state] = useState({ job: null, error: null, is_removed: false });
  useEffect(() => {
    const ended = new AbortController();
    const read = () => request("GET", `/jobs/${job_id}`, { signal: ended.signal }).then(
      (job) => set_state((before) => ({ ...before, job, error: null })),
      (error) => ended.signal.aborted || set_state((before) => ({ ...before, error })),
    );
    read();
    const offs = [
      on("job", (job) => job.job_id === job_id && set_state((before) => ({ ...before, job, error: null }))),
      on("removed", ({ kind, id }) => kind === "job" && id === job_id
        && set_state((before) => ({ ...before, is_removed: true }))),
      on("open", read),
    ];
    return () => {
      ended.abort();
      offs.forEach((off) => off());
    };
  }, [job_id]);
  return state;
};

// Screen readers hear of the end and of each stage, not of each part of the band.
const use_announcements = (job) => {
  const known = useRef(null);
  useEffect(() => {
    if (!job) return;
    const now = OPEN.has(job.status) ? job.progress?.stage ?? "" : job.status;
    if (known.current !== null && known.current !== now) {
      announce(OPEN.has(job.status) ? `The job has come to the stage ${now}.` : `The job is ${job.status}.`);
    }
    known.current = now;
  }, [job]);
};

const Fact = ({ term, children }) => html`<div><dt>${term}</dt><dd>${children}</dd></div>`;

const IF_WORDS = { all: "each IF", stokes_i: "the sum of two IFs" };

const search_text = ({ snr_threshold, max_drift_rate_hz_s, ifs, chirps }) => [
  `SNR from ${snr_threshold} on`, `drift rates up to ±${max_drift_rate_hz_s} Hz/s`, IF_WORDS[ifs],
  chirps && "changing drift rates too",
].filter(Boolean).join(", ");

const Origin = ({ job }) => {
  const took_s = job.completed_at ? job.completed_at - job.created_at : null;
  return html`
    <dl class="facts">
      <${Fact} term="File"><span class="file-name">${job.filename}</span> (${size_text(job.file_size)})<//>
      <${Fact} term="Submitted"><${Time} time_s=${job.created_at} /><//>
      ${job.completed_at && html`<${Fact} term="Completed"><${Time} time_s=${job.completed_at} />
        ${took_s > 0 && ` after ${duration_text(took_s)}`}<//>`}
      ${job.expires_at && html`<${Fact} term="Kept until"><${Time} time_s=${job.expires_at} /><//>`}
      ${job.parameters && html`<${Fact} term="Search">${search_text(job.parameters)}<//>`}
      ${job.cadence_id && html`<${Fact} term="Cadence">
        <a href=${`/app/cadences/${job.cadence_id}`}>Scan of a cadence</a><//>`}
    </dl>`;
};

const Failed = ({ job }) => html`
  <${Notice} kind="error" title=${job.error ?? "The job has failed."}>
    <p>${advice_of(job.error_detail?.code)} <a href="/app/upload">New analysis</a></p>
  <//>`;

const Warnings = ({ warnings = [] }) => warnings.length > 0 && html`
  <${Notice} kind="warning" title="What to know about these results">
    <ul>${warnings.map((sentence) => html`<li key=${sentence}>${sentence}</li>`)}</ul>
  <//>`;

const Section = ({ id, title, children }) => html`
  <section class="job-section" aria-labelledby=${id}>
    <h2 id=${id} tabindex="-1">${title}</h2>${children}</section>`;

// The waterfall and the table of hits are loaded once the page has shown the job's own answer.
const use_hits_section = () => {
  const [state, set_state] = useState({ HitsSection: null, error: null });
  useEffect(() => {
    import("../job/hits_section.js").then(
      ({ HitsSection }) => set_state({ HitsSection, error: null }),
      (error) => set_state({ HitsSection: null, error }),
    );
  }, []);
  return state;
};

const Hits = ({ job, on_hits }) => {
  const { HitsSection, error } = use_hits_section();
  if (error) {
    return html`<${Notice} kind="error" title="The waterfall and the table of hits can't be loaded.">
      <p>Load the page again. The downloads below hold all hits.</p><//>`;
  }
  return HitsSection ? html`<${HitsSection} job=${job} on_hits=${on_hits} />`
    : html`<${Loading} what="the waterfall" />`;
};

// Their frequencies are the same numbers in the job's answer and in the table, but for rounding.
const SAME_HZ = 0.01;

// Selects a candidate's hit, where the table has it, and shows its track.
const show_in_waterfall = ({ frequency_hz, drift_rate }, hits, duration_s) => {
  const hit = hits.find((one) => Math.abs(one.frequency_hz - frequency_hz) < SAME_HZ);
  set_query({ selected: hit?.id ?? null, ...around_hit({ frequency_hz, drift_rate_hz_s: drift_rate }, duration_s) });
  const title = document.getElementById("hits-title");
  title.scrollIntoView();
  title.focus({ preventScroll: true });
};

const Results = ({ job }) => {
  const hits = useRef([]);
  const show = (candidate) => show_in_waterfall(candidate, hits.current, job.observation?.duration_s);
  return html`
    <${Numbers} results=${job.results} />
    <${Warnings} warnings=${job.results.warnings} />
    <${Section} id="top-title" title="Best candidates">
      <${TopCandidates} results=${job.results} on_show=${show} />
    <//>
    <${Section} id="hits-title" title="Waterfall and hits">
      <${Hits} job=${job} on_hits=${(shown) => { hits.current = shown; }} /><//>
    <${Section} id="noise-title" title="Noise"><${NoiseTable} job_id=${job.job_id} /><//>
    <${Section} id="files-title" title="Downloads"><${Downloads} job=${job} /><//>`;
};

const Missing = ({ is_removed, error }) => {
  if (is_removed || error.status === 404) {
    return html`<${Heading} title="No such job" />
      <${Notice} kind="warning" title=${is_removed ? "This job was deleted." : "There is no job with this address."}>
        <p>Jobs are removed when they are deleted, when their time is over, and when the history is full.
          <a href="/app/">All jobs</a></p>
      <//>`;
  }
  return html`<${Heading} title="Job" /><${ErrorNotice} error=${error}><p><a href="/app/">All jobs</a></p><//>`;
};

/** The page. */
export const Page = ({ params, navigate }) => {
  const { job, error, is_removed } = use_job(params.id);
  useEffect(() => { is_removed && announce("This job was deleted."); }, [is_removed]);
  use_announcements(job);
  if (is_removed || (error && !job)) return html`<${Missing} is_removed=${is_removed} error=${error} />`;
  if (!job) return html`<${Loading} what="the job" />`;
  const is_open = OPEN.has(job.status);
  const on_deleted = () => {
    announce(is_open ? "The job is cancelled." : "The job is deleted.");
    navigate("/app/");
  };
  return html`
    <div class="page-head">
      <${Heading} title=${job.source_name}>${job.source_name} <${StatusBadge} status=${job.status} /><//>
      <${Actions} job=${job} is_open=${is_open} on_deleted=${on_deleted} />
    </div>
    <div class="job-facts">
      <${Origin} job=${job} />
      ${job.observation && html`<${ObservationList} observation=${job.observation} />`}
    </div>
    ${job.status === "failed" && html`<${Failed} job=${job} />`}
    ${!(job.status === "complete" && job.exports_ready) && html`<${Section} id="stages-title" title="Progress">
      <${Stages} job=${job} /><//>`}
    ${job.results && html`<${Results} job=${job} />`}
    <${Curl} job=${job} />`;
};
