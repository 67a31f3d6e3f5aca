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
import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact_htm.js";
import { FirstSteps } from "./first_steps.js";

const KINDS = {
  jobs: { kind: "job", path: "/jobs", id_key: "job_id", title: "Jobs", here: "/app/" },
  cadences: {
    kind: "cadence", path: "/cadences", id_key: "cadence_id", title: "Cadences", here: "/app/?kind=cadences",
  },
};
const STATUSES = { submitted: "Submitted", processing: "Processing", complete: "Complete", failed: "Failed" };
const TYPING_MS = 250;
const ANNOUNCE_MS = 1_000;

const name_of = (item) => item.name ?? item.source_name;
const is_open = (item) => item.status === "submitted" || item.status === "processing";

const outcome_text = (item) => {
  if (is_open(item)) return stage_text(item);
  if (item.status === "failed") return item.error ?? "";
  const { candidates, events, filtered_hits } = item.results ?? {};
  const found = events === undefined ? counted_text(filtered_hits, "filtered hit") : counted_text(events, "event");
  return item.results ? `${counted_text(candidates, "candidate")}, ${found}` : "";
};

const Name = ({ item, setting }) => html`
  <a href=${`/app${setting.path}/${item[setting.id_key]}`}>${name_of(item)}</a>
  ${item.filename && item.filename !== name_of(item) && html`<span class="second">${item.filename}</span>`}`;

const RemoveButton = ({ item, on_remove }) => {
  const verb = is_open(item) ? "Cancel" : "Delete";
  return html`<button type="button" class="quiet" aria-label=${`${verb} ${name_of(item)}`}
    onClick=${() => on_remove(item)}>${verb}</button>`;
};

const columns_of = (setting, on_remove) => [
  { key: "name", title: "Name", is_head: true, cell: (item) => html`<${Name} item=${item} setting=${setting} />` },
  { key: "status", title: "Status", cell: (item) => html`<${StatusBadge} status=${item.status} />` },
  { key: "outcome", title: "Result", cell: (item) => html`
    <span class=${item.status === "failed" ? "failure" : ""}>${outcome_text(item)}</span>` },
  setting.kind === "job"
    ? { key: "size", title: "Size", is_number: true, cell: (item) => size_text(item.file_size) }
    : { key: "scans", title: "Scans", is_number: true, cell: (item) => count_text(item.scans.length) },
  { key: "created", title: "Submitted", cell: (item) => html`<${Time} time_s=${item.created_at} />` },
  { key: "action", title: "Action", cell: (item) => html`<${RemoveButton} item=${item} on_remove=${on_remove} />` },
];

// Announces the ends of jobs: all that end within a second in one sentence, for many may end at once.
const use_announced_ends = ({ kind, id_key }, items, is_paused) => {
  const statuses = useRef(new Map());
  items.forEach((item) => statuses.current.has(item[id_key]) || statuses.current.set(item[id_key], item.status));
  useEffect(() => {
    if (is_paused) return undefined;
    let [ended, timer] = [[], 0];
    const say = () => {
      const [first, ...others] = ended.splice(0);
      const more = others.length ? ` ${counted_text(others.length, `other ${kind}`)} ended, too.` : "";
      announce(`The ${kind} ${name_of(first)}: ${STATUSES[first.status]}. ${outcome_text(first)}.${more}`);
    };
    const off = on(kind, (item) => {
      const before = statuses.current.get(item[id_key]);
      statuses.current.set(item[id_key], item.status);
      if (before === undefined || before === item.status || is_open(item)) return;
      if (ended.push(item) === 1) timer = setTimeout(say, ANNOUNCE_MS);
    });
    return () => {
      off();
      clearTimeout(timer);
    };
  }, [kind, is_paused]);
};

const Filters = ({ query, is_paused, waiting, on_pause }) => {
  const timer = useRef(0);
  const search = (event) => {
    const { value } = event.target;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => set_query({ q: value.trim() }, { replace: true }), TYPING_MS);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
      <label>Name contains
        <input type="search" maxlength="100" value=${query.get("q") ?? ""} onInput=${search} /></label>
      <label>Status
        <select value=${query.get("status") ?? ""} onChange=${(event) => set_query({ status: event.target.value })}>
          <option value="">All</option>
          ${Object.entries(STATUSES).map(([value, title]) => html`
            <option key=${value} value=${value}>${title}</option>`)}
        </select></label>
      <${PauseSwitch} is_paused=${is_paused} waiting=${waiting} on_change=${on_pause} />
    </form>`;
};

const Kinds = ({ chosen }) => html`
  <nav class="tabs" aria-label="What is listed"><ul>
    ${Object.values(KINDS).map((one) => html`<li key=${one.kind}>
      <a href=${one.here} aria-current=${one === chosen ? "true" : undefined}>${one.title}</a></li>`)}
  </ul></nav>`;

const RemoveDialog = ({ item, setting, on_removed, on_close }) => {
  const [verb, done] = is_open(item) ? ["Cancel", "cancelled and removed"] : ["Delete", "deleted"];
  const remove = async () => {
    try {
      await request("DELETE", `${setting.path}/${item[setting.id_key]}`);
    } catch (error) {
      // Somebody was faster, in another tab or by a program.
      if (error.status !== 404) throw error;
    }
    announce(`The ${setting.kind} ${name_of(item)} was ${done}.`);
    on_removed(item[setting.id_key]);
  };
  return html`
    <${ConfirmDialog} title=${`${verb} ${name_of(item)}?`} action=${`${verb} the ${setting.kind}`}
      on_confirm=${remove} on_close=${on_close}>
      <p>${setting.kind === "job"
        ? "The job, its results and its uploaded file are removed. This can't be undone."
        : "The cadence and its results are removed. The jobs of its scans stay. This can't be undone."}</p>
    <//>`;
};

const Pager = ({ list, setting, on_more }) => {
  const shown = count_text(list.items.length);
  const of_all = list.total === null ? "" : ` of ${count_text(list.total)}`;
  return html`
    <p class="pager">
      <span>${shown}${of_all} ${setting.title.toLowerCase()}</span>
      ${list.next_cursor !== null && html`<button type="button" onClick=${on_more}>Show more</button>`}
    </p>`;
};

const Listed = ({ setting, live, on_remove, is_filtered }) => {
  const { list, state, error } = live;
  const columns = useMemo(() => columns_of(setting, on_remove), [setting]);
  const name = setting.title.toLowerCase();
  if (state === "loading") return html`<${Loading} what=${`the ${name}`} />`;
  const notice = state === "error" && html`<${ErrorNotice} error=${error} on_retry=${live.reload} />`;
  if (list.items.length === 0) {
    if (notice) return notice;
    if (!is_filtered) return html`<${FirstSteps} kind=${setting.kind} />`;
    return html`<p class="empty">No ${setting.kind} matches. <a href=${setting.here}>Show all ${name}</a></p>`;
  }
  return html`
    ${notice}
    <${Table} caption=${setting.title} columns=${columns} rows=${list.items}
      row_key=${(item) => item[setting.id_key]} />
    <${Pager} list=${list} setting=${setting} on_more=${live.load_more} />`;
};

/** @param {{query: URLSearchParams}} props */
export const Page = ({ query }) => {
  const [kind, wanted] = [query.get("kind") ?? "jobs", query.get("status") ?? ""];
  const setting = Object.hasOwn(KINDS, kind) ? KINDS[kind] : KINDS.jobs;
  const status = Object.hasOwn(STATUSES, wanted) ? wanted : "";
  const q = query.get("q") ?? "";
  const [is_paused, set_paused] = useState(false);
  const [removed, set_removed] = useState(null);
  const live = use_live_list({ ...setting, status, q, is_paused });
  use_announced_ends(setting, live.list.items, is_paused);
  const is_filtered = Boolean(status || q);
  const is_empty = live.state === "ready" && live.list.items.length === 0;
  return html`
    <div class="page-head">
      <${Heading} title=${setting.title} />
      <a class="button primary" href="/app/upload">New analysis</a>
    </div>
    <${Kinds} chosen=${setting} />
    ${(!is_empty || is_filtered || is_paused) && html`
      <${Filters} key=${setting.kind} query=${query} is_paused=${is_paused} waiting=${live.waiting}
        on_pause=${set_paused} />`}
    <${Listed} setting=${setting} live=${live} on_remove=${set_removed} is_filtered=${is_filtered} />
    ${removed && html`
      <${RemoveDialog} item=${removed} setting=${setting} on_removed=${live.remove}
        on_close=${() => set_removed(null)} />`}`;
};
