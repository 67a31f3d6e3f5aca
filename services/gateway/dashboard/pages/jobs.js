// The list of jobs and cadences, as it changes.
import { set_query } from "../address.js";
import { request } from "../api.js";
import { on } from "../events.js";
import { count_text, counted_text, size_text } from "../format.js";
import { announce } from "../parts/announcer.js";
import { StatusBadge } from "../parts/badge.js";
import { ConfirmDialog } from "../parts/dialog.js";
import { Heading } from "../parts/heading.js";
import { use_live_list } from "../parts/live_list.js";
import { Loading } from "../parts/loading.js";
import { ErrorNotice } from "../parts/notice.js";
import { PauseSwitch } from "../parts/pause_switch.js";
import { stage_text } from "../parts/stages.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";
import { html, useEffect, useRef, useState } from "../vendor/preact_htm.js";
import { FirstSteps } from "./first_steps.js";

const KINDS = {
  jobs: { kind: "job", path: "/jobs", id_key: "job_id", title: "Jobs", one: "job" },
  cadences: { kind: "cadence", path: "/cadences", id_key: "cadence_id", title: "Cadences", one: "cadence" },
};
const STATUSES = ["submitted", "processing", "complete", "failed"];
const TYPING_MS = 250;

const name_of = (item) => item.name ?? item.source_name;
const is_open = (item) => item.status === "submitted" || item.status === "processing";

const outcome_text = ({ status, results, error }) => {
  if (status === "failed") return error;
  if (status !== "complete" || !results) return null;
  if (results.events !== undefined) {
    return `${counted_text(results.candidates, "candidate")}, ${counted_text(results.events, "event")}`;
  }
  return `${counted_text(results.candidates, "candidate")}, ${counted_text(results.filtered_hits, "hit")}`;
};

const Outcome = ({ item }) => (is_open(item)
  ? html`<span>${stage_text(item)}</span>`
  : html`<span class=${item.status === "failed" ? "failure" : ""}>${outcome_text(item)}</span>`);

const columns_of = (setting, on_remove) => [
  { key: "name", title: "Name", is_head: true, cell: (item) => html`
    <a href=${`/app/${setting.path.slice(1)}/${item[setting.id_key]}`}>${name_of(item)}</a>
    ${item.filename && item.filename !== name_of(item) && html`<span class="second">${item.filename}</span>`}` },
  { key: "status", title: "Status", cell: (item) => html`<${StatusBadge} status=${item.status} />` },
  { key: "outcome", title: "Result", cell: (item) => html`<${Outcome} item=${item} />` },
  setting.kind === "job"
    ? { key: "size", title: "Size", is_number: true, cell: (item) => size_text(item.file_size) }
    : { key: "scans", title: "Scans", is_number: true, cell: (item) => count_text(item.scans.length) },
  { key: "created", title: "Submitted", cell: (item) => html`<${Time} time_s=${item.created_at} />` },
  { key: "actions", title: "Action", cell: (item) => html`
    <button type="button" class="quiet" onClick=${() => on_remove(item)}
      aria-label=${`${is_open(item) ? "Cancel" : "Delete"} ${name_of(item)}`}>${is_open(item) ? "Cancel" : "Delete"}</button>` },
];

// Announces the ends of jobs, one sentence for those that end together.
const use_announced_ends = ({ kind, one }, is_paused) => {
  const known = useRef(new Map());
  useEffect(() => {
    if (is_paused) return undefined;
    return on(kind, (item) => {
      const id = item.job_id ?? item.cadence_id;
      const before = known.current.get(id);
      known.current.set(id, item.status);
      if (before === item.status || is_open(item)) return;
      // A change to an ended job whose earlier status is not known is no news.
      if (before !== undefined) announce(`The ${one} ${name_of(item)} is ${item.status}. ${outcome_text(item) ?? ""}`);
    });
  }, [kind, is_paused]);
  return known;
};

const Filters = ({ query, setting, is_paused, waiting, on_pause }) => {
  const timer = useRef(0);
  const search = (event) => {
    const { value } = event.target;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => set_query({ q: value.trim() }, { replace: true }), TYPING_MS);
  };
  return html`
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
      <label>Name <input type="search" maxlength="100" value=${query.get("q") ?? ""} onInput=${search} /></label>
      <label>Status
        <select value=${query.get("status") ?? ""} onChange=${(event) => set_query({ status: event.target.value })}>
          <option value="">All</option>
          ${STATUSES.map((one) => html`<option value=${one}>${one[0].toUpperCase()}${one.slice(1)}</option>`)}
        </select></label>
      <${PauseSwitch} is_paused=${is_paused} waiting=${waiting} on_change=${on_pause} />
    </form>`;
};

const Kinds = ({ chosen }) => html`
  <nav class="tabs" aria-label="What is listed"><ul>
    ${Object.entries(KINDS).map(([key, { title }]) => html`<li key=${key}>
      <a href=${key === "jobs" ? "/app/" : `/app/?kind=${key}`} aria-current=${key === chosen ? "true" : undefined}>
        ${title}</a></li>`)}
  </ul></nav>`;

const RemoveDialog = ({ item, setting, on_removed, on_close }) => {
  const [verb, done] = is_open(item) ? ["Cancel", "cancelled"] : ["Delete", "deleted"];
  const remove = async () => {
    try {
      await request("DELETE", `${setting.path}/${item[setting.id_key]}`);
    } catch (error) {
      // Somebody was faster, in another tab or by a program.
      if (error.status !== 404) throw error;
    }
    announce(`The ${setting.one} ${name_of(item)} was ${done}.`);
    on_removed(item[setting.id_key]);
  };
  return html`
    <${ConfirmDialog} title=${`${verb} ${name_of(item)}?`} action=${`${verb} the ${setting.one}`}
      on_confirm=${remove} on_close=${on_close}>
      <p>${setting.kind === "job"
        ? "The job, its results and its uploaded file are removed. This can't be undone."
        : "The cadence and its results are removed. The jobs of its scans stay. This can't be undone."}</p>
    <//>`;
};

const Listed = ({ setting, live, columns, is_filtered, session }) => {
  const { list, state, error } = live;
  if (state === "loading") return html`<${Loading} what=${`the ${setting.title.toLowerCase()}`} />`;
  if (state === "error" && list.items.length === 0) {
    return html`<${ErrorNotice} error=${error}><p><button type="button" onClick=${live.reload}>Try again</button></p><//>`;
  }
  if (list.items.length === 0) {
    return is_filtered
      ? html`<p class="empty">No ${setting.one} matches. <a href=${setting.kind === "job" ? "/app/" : "/app/?kind=cadences"}>
          Show all ${setting.title.toLowerCase()}</a></p>`
      : html`<${FirstSteps} kind=${setting.kind} session=${session} />`;
  }
  return html`
    ${state === "error" && html`<${ErrorNotice} error=${error} />`}
    <${Table} caption=${setting.title} columns=${columns} rows=${list.items} row_key=${(item) => item[setting.id_key]} />
    <p class="pager">
      <span>${list.total === null ? count_text(list.items.length) : `${count_text(list.items.length)} of ${count_text(list.total)}`}
        ${" "}${setting.title.toLowerCase()}</span>
      ${list.next_cursor !== null && html`<button type="button" onClick=${live.load_more}>Show more</button>`}
    </p>`;
};

/** @param {{query: URLSearchParams, session: object}} props */
export const Page = ({ query, session }) => {
  const chosen = query.get("kind") === "cadences" ? "cadences" : "jobs";
  const setting = KINDS[chosen];
  const [is_paused, set_paused] = useState(false);
  const [removed, set_removed] = useState(null);
  const status = STATUSES.includes(query.get("status")) ? query.get("status") : "";
  const q = query.get("q") ?? "";
  const live = use_live_list({ ...setting, status, q, is_paused });
  const known = use_announced_ends(setting, is_paused);
  live.list.items.forEach((item) => known.current.set(item[setting.id_key], item.status));
  return html`
    <div class="page-head">
      <${Heading} title=${setting.title} />
      <a class="button primary" href="/app/upload">New analysis</a>
    </div>
    <${Kinds} chosen=${chosen} />
    <${Filters} query=${query} setting=${setting} is_paused=${is_paused} waiting=${live.waiting} on_pause=${set_paused} />
    <${Listed} setting=${setting} live=${live} columns=${columns_of(setting, set_removed)}
      is_filtered=${Boolean(status || q)} session=${session} />
    ${removed && html`<${RemoveDialog} item=${removed} setting=${setting} on_removed=${live.remove}
      on_close=${() => set_removed(null)} />`}`;
};
