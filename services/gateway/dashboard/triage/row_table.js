// The table of the rows: a hundred at a time, so that ten thousand cost no more than one hundred.
import { set_query } from "../address.js";
import { count_text, counted_text } from "../format.js";
import { Table } from "../parts/table.js";
import { html, useEffect, useMemo, useRef } from "../vendor/preact_htm.js";
import { columns_of } from "./columns.js";
import { sorted_by } from "./filters.js";

export const PAGE_ROWS = 100;

// Scrolls the table alone: the waterfall above stays where it is.
const show_row = (box, row) => {
  const head = box.querySelector("thead")?.offsetHeight ?? 0;
  const [outer, inner] = [box.getBoundingClientRect(), row.getBoundingClientRect()];
  if (inner.top < outer.top + head) box.scrollTop -= outer.top + head - inner.top;
  else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom;
};

/**
 * @param {{kind: "job" | "cadence", rows: import("./rows.js").Row[], selected: number | null,
 *   verdicts: Map<number, object>, filters: import("./filters.js").Filters, first: number, total: number,
 *   on_select: (id: number) => void}} props `rows`: those of this page, of which the first is number `first` of `total`
 */
export const RowTable = ({ kind, rows, selected, verdicts, filters, first, total, on_select }) => {
  const box = useRef(null);
  const columns = useMemo(() => columns_of({ kind, verdicts, on_select }), [kind, verdicts, on_select]);
  useEffect(() => {
    const row = box.current.querySelector("tr.selected");
    if (row) show_row(box.current, row);
  }, [selected, rows[0]?.id]);
  const last = first + rows.length;
  const what = kind === "job" ? "Hits" : "Events";
  const caption = `${what} ${count_text(first + 1)} to ${count_text(last)} of ${count_text(total)}`;
  return html`<div class="triage-table" ref=${box} tabindex="0" role="region" aria-label=${caption}>
    <${Table} caption=${caption} columns=${columns} rows=${rows} row_key=${(row) => row.id}
      row_class=${(row) => (row.id === selected ? "selected" : "")}
      sort=${{ key: filters.sort, order: filters.order }}
      on_sort=${(key) => set_query(sorted_by(filters, key), { replace: true })} />
  </div>`;
};

/**
 * @param {{shown: number, total: number, page: number, last: number, on_page: (page: number) => void, one: string,
 *   many: string}} props `shown`: rows that pass the filters
 */
export const RowPager = ({ shown, total, page, last, on_page, one, many }) => html`
  <p class="pager">
    <span>${shown === total ? "" : `${count_text(shown)} of `}${counted_text(total, one, many)}</span>
    ${last > 0 && html`
      <button type="button" disabled=${page === 0} onClick=${() => on_page(page - 1)}>Earlier rows</button>
      <span>Page ${count_text(page + 1)} of ${count_text(last + 1)}</span>
      <button type="button" disabled=${page === last} onClick=${() => on_page(page + 1)}>Later rows</button>`}
  </p>`;
