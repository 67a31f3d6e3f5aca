// The table of hits of a job, or of events of a cadence: sorted, filtered, and judged by one key each.
import { set_query, use_address } from "../address.js";
import { request_response } from "../api.js";
import { on } from "../events.js";
import { count_text, counted_text } from "../format.js";
import { announce } from "../parts/announcer.js";
import { Loading } from "../parts/loading.js";
import { ErrorNotice, Notice } from "../parts/notice.js";
import { html, useCallback, useEffect, useMemo, useRef, useState } from "../vendor/preact_htm.js";
import { row_text } from "./columns.js";
import { Cutouts } from "./cutouts.js";
import { EventPictures } from "./event_pictures.js";
import { FilterForm } from "./filter_form.js";
import { filtered_rows, filters_of, stepped } from "./filters.js";
import { PAGE_ROWS, RowTable, RowPager } from "./row_table.js";
import { ReviewedDownload } from "./reviewed_download.js";
import { rows_of, track_of } from "./rows.js";
import { use_keys_choice, use_shortcuts } from "./shortcuts.js";
import { KeyChoices, NoteDialog, VerdictBar } from "./verdict_bar.js";
import { VERDICT_OF, use_verdicts } from "./verdicts.js";

const WORDS = { job: ["hit", "hits"], cadence: ["event", "events"] };
// Export draws so many events of a cadence.
export const DRAWN_EVENTS = 30;

// The rows of the catalogue; null until they are there. It is written some time after the job is complete.
const use_rows = (kind, id) => {
  const path = `/${kind === "job" ? "jobs" : "cadences"}/${encodeURIComponent(id)}/download`;
  const [state, set_state] = useState({ rows: null, error: null });
  const read = useCallback((signal) => request_response("GET", path, { query: { format: "csv" }, signal })
    .then((response) => response.text())
    .then((text) => set_state({ rows: rows_of(kind, text), error: null }))
    .catch((error) => signal?.aborted || set_state((old) => ({ ...old, error }))), [path]);
  useEffect(() => {
    const asking = new AbortController();
    read(asking.signal);
    const off = on(kind, (item) => {
      if ((item.job_id ?? item.cadence_id) === id && item.exports_ready) read(asking.signal);
    });
    return () => {
      off();
      asking.abort();
    };
  }, [read]);
  return { ...state, reload: read };
};

// Tells how many rows pass, when a filter changes; the address changes for other reasons, too.
const use_announced_count = (count, total, filters, [one, many]) => {
  const { sort, order, ...given } = filters;
  const wanted = JSON.stringify(given);
  const known = useRef(wanted);
  useEffect(() => {
    if (known.current === wanted) return;
    known.current = wanted;
    announce(`${count_text(count)} of ${counted_text(total, one, many)}.`);
  }, [wanted]);
};

const ViewSwitch = ({ is_pictures }) => html`
  <div class="inline" role="group" aria-label="View">
    <button type="button" aria-pressed=${is_pictures ? "false" : "true"}
      onClick=${() => set_query({ pictures: null })}>Table</button>
    <button type="button" aria-pressed=${is_pictures ? "true" : "false"}
      onClick=${() => set_query({ pictures: "1" })}>Pictures</button>
  </div>`;

const SaveError = ({ store, state }) => {
  if (!state.error) return null;
  const what = state.failed ? `The verdict on ${state.failed.id} was not saved` : "Your verdicts could not be read";
  return html`
    <${Notice} kind="error" title=${`${what}: ${state.error.message}`}>
      <p class="inline"><button type="button" onClick=${() => store.retry()}>Try again</button>
        <button type="button" class="quiet" onClick=${() => store.dismiss()}>Dismiss</button></p>
    <//>`;
};

// What the keys and the buttons do.
const use_commands = ({ kind, shown, row, selected, on_select, store, moves_on, on_note }) => {
  const say_row = (id) => {
    const at = shown.findIndex((one) => one.id === id);
    if (at >= 0) announce(`${row_text(shown[at], kind)}. ${count_text(at + 1)} of ${count_text(shown.length)}.`);
  };
  const step = (by) => {
    const id = stepped(shown, selected, by);
    if (id === null || id === selected) return announce(`No more ${WORDS[kind][1]}.`);
    on_select(id);
    return say_row(id);
  };
  const judge = (verdict) => {
    const next = moves_on ? stepped(shown, selected, 1) : selected;
    store.give(selected, verdict);
    const word = verdict ? VERDICT_OF[verdict.verdict].word : "No verdict";
    announce(`${word}: ${WORDS[kind][0]} ${selected}.`);
    if (next !== null && next !== selected) on_select(next);
  };
  const undo = () => {
    const undone = store.undo();
    if (undone === null) return announce("There is nothing to undo.");
    on_select(undone.id);
    const word = undone.verdict ? VERDICT_OF[undone.verdict.verdict].word : "no verdict";
    return announce(undone.is_undone ? `Undone: ${WORDS[kind][0]} ${undone.id} is ${word}.`
      : `Not undone: the verdict on ${undone.id} was changed elsewhere.`);
  };
  return ({ name, by, verdict }) => {
    if (name === "step") return step(by);
    if (name === "undo") return undo();
    if (!row) return announce(`Select a ${WORDS[kind][0]} first.`);
    if (name === "note") return on_note();
    return judge(name === "clear" ? null : { verdict, note: store.get(selected)?.note ?? "" });
  };
};

// The same list as long as it holds the same rows: most verdicts change none, so the waterfall need not draw them anew.
const use_same_rows = (rows) => {
  const known = useRef(rows);
  const is_same = rows.length === known.current.length && rows.every((row, at) => row === known.current[at]);
  if (!is_same) known.current = rows;
  return known.current;
};

// The page of rows that is drawn; it follows the selected row.
const use_page = (shown, at) => {
  const [page, set_page] = useState(0);
  const last = Math.max(0, Math.ceil(shown.length / PAGE_ROWS) - 1);
  useEffect(() => { if (at >= 0) set_page(Math.floor(at / PAGE_ROWS)); }, [at]);
  return [Math.min(page, last), set_page, last];
};

const Listed = ({ kind, id, rows, selected, on_select, on_shown, search }) => {
  const [one, many] = WORDS[kind];
  const query = useMemo(() => new URLSearchParams(search), [search]);
  const filters = useMemo(() => filters_of(query), [query]);
  const { store, state } = use_verdicts(kind, id);
  const verdicts = state.by_id;
  const shown = use_same_rows(useMemo(() => filtered_rows(rows, filters, verdicts), [rows, filters, verdicts]));
  const labels = useMemo(() => [...new Set(rows.map((row) => row.label))].sort(), [rows]);
  const at = useMemo(() => shown.findIndex((row) => row.id === selected), [shown, selected]);
  const row = useMemo(() => rows.find((other) => other.id === selected) ?? null, [rows, selected]);
  const [page, set_page, last_page] = use_page(shown, at);
  const [keys_on, set_keys] = use_keys_choice();
  const [moves_on, set_moves] = useState(true);
  const [is_noting, set_noting] = useState(false);
  useEffect(() => on_shown?.(shown.map(track_of)), [shown]);
  use_announced_count(shown.length, rows.length, filters, WORDS[kind]);
  const on_command = use_commands({
    kind, shown, row, selected, on_select, store, moves_on, on_note: () => set_noting(true),
  });
  use_shortcuts(keys_on && !is_noting, on_command);
  const drawn = shown.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS);
  const is_pictures = query.get("pictures") === "1";
  const common = { rows: drawn, selected, verdicts, on_select };
  const given = selected === null ? undefined : verdicts.get(selected);
  return html`
    <${FilterForm} filters=${filters} query=${query} labels=${labels} kind=${kind} />
    <${SaveError} store=${store} state=${state} />
    <div class="triage-head">
      <${VerdictBar} row=${row} at=${at} count=${shown.length} kind=${kind} given=${given}
        undo_count=${state.undo_count} on_command=${on_command} />
      <${KeyChoices} keys_on=${keys_on} on_keys=${set_keys} moves_on=${moves_on} on_moves=${set_moves} />
    </div>
    <div class="triage-tools">
      <${ViewSwitch} is_pictures=${is_pictures} />
      <${RowPager} shown=${shown.length} total=${rows.length} page=${page} last=${last_page} on_page=${set_page}
        one=${one} many=${many} />
      <${ReviewedDownload} kind=${kind} id=${id} is_saving=${state.saving > 0} />
    </div>
    ${shown.length === 0 ? html`<p class="empty">No ${one} passes the filters.</p>`
      : !is_pictures ? html`<${RowTable} ...${common} kind=${kind} filters=${filters} first=${page * PAGE_ROWS}
          total=${shown.length} />`
        : kind === "job" ? html`<${Cutouts} ...${common} job_id=${id} />`
          : html`<${EventPictures} ...${common} cadence_id=${id} most=${DRAWN_EVENTS} />`}
    ${is_noting && row && html`<${NoteDialog} row=${row} kind=${kind} given=${given} on_close=${() => set_noting(false)}
      on_save=${(verdict) => {
        store.give(selected, verdict);
        announce(`${VERDICT_OF[verdict.verdict].word} with a note: ${one} ${selected}.`);
      }} />`}`;
};

const number_of = (selected) => ((selected ?? "") === "" ? null : Number(selected));

/**
 * @param {{kind: "job" | "cadence", id: string, selected?: number | string | null, on_select: (id: number) => void,
 *   on_shown?: (tracks: object[]) => void}} props `on_shown` gets the rows that pass the filter, as the waterfall draws
 *   them; the filters are in the address
 */
export const Triage = ({ kind, id, selected = null, on_select, on_shown }) => {
  const { rows, error, reload } = use_rows(kind, id);
  const { search } = use_address();
  // The same function each time, so that rows which have not changed are not drawn again.
  const newest = useRef(on_select);
  newest.current = on_select;
  const select = useCallback((row_id) => newest.current(row_id), []);
  const many = WORDS[kind][1];
  let content = html`<${Loading} what=${`the ${many}`} />`;
  if (error?.code === "format_not_available") content = html`<p class="empty" role="status">${error.message}</p>`;
  else if (error && rows === null) {
    content = html`<${ErrorNotice} error=${error}>
      <p><button type="button" onClick=${() => reload()}>Try again</button></p><//>`;
  } else if (rows?.length === 0) content = html`<p class="empty">There are no ${many}.</p>`;
  else if (rows !== null) {
    content = html`<${Listed} kind=${kind} id=${id} rows=${rows} selected=${number_of(selected)}
      on_select=${select} on_shown=${on_shown} search=${search} />`;
  }
  return html`<div class="triage" data-triage>${content}</div>`;
};
