// A table that keeps its meaning when a narrow screen shows each row as a block.
import { Component, html } from "../vendor/preact_htm.js";

/**
 * @typedef {{key: string, title: string, cell: (row: object) => any, is_number?: boolean, is_head?: boolean,
 *   is_sortable?: boolean}} Column `is_head`: the cell that names its row
 */

const SORT_WORDS = { ascending: "▲", descending: "▼" };

const HeadCell = ({ column, sort, on_sort }) => {
  const order = sort?.key === column.key ? sort.order : null;
  const title = column.is_sortable && on_sort
    ? html`<button type="button" class="sort" onClick=${() => on_sort(column.key)}>
        ${column.title} <span aria-hidden="true">${order ? SORT_WORDS[order] : ""}</span></button>`
    : column.title;
  return html`<th role="columnheader" scope="col" class=${column.is_number ? "number" : ""}
    aria-sort=${order ?? undefined}>${title}</th>`;
};

// Explicit roles: browsers forget that it is a table where style sheets show its rows as blocks.
const Cell = ({ column, row }) => {
  const shown = html`<span class="cell-title" aria-hidden="true">${column.title}</span>
    <span class="cell-value">${column.cell(row)}</span>`;
  const kind = column.is_number ? "number" : "";
  return column.is_head
    ? html`<th role="rowheader" scope="row" class=${kind}>${shown}</th>`
    : html`<td role="cell" class=${kind}>${shown}</td>`;
};

// A row is drawn again only if it has changed: lists of hundreds of rows change one by one.
class Row extends Component {
  shouldComponentUpdate({ row, columns, row_class }) {
    return row !== this.props.row || columns !== this.props.columns || row_class !== this.props.row_class;
  }

  render({ row, columns, row_class }) {
    return html`<tr role="row" class=${row_class} aria-current=${row_class.includes("selected") ? "true" : undefined}>
      ${columns.map((column) => html`<${Cell} key=${column.key} column=${column} row=${row} />`)}</tr>`;
  }
}

/**
 * A table. Its columns should be the same array each time, so that only rows that changed are drawn again.
 * @param {{caption: string, columns: Column[], rows: object[], row_key: (row: object) => string,
 *   row_class?: (row: object) => string, sort?: {key: string, order: "ascending" | "descending"},
 *   on_sort?: (key: string) => void, is_caption_seen?: boolean}} props
 */
export const Table = ({ caption, columns, rows, row_key, row_class, sort, on_sort, is_caption_seen = false }) => html`
  <table role="table" class="table">
    <caption class=${is_caption_seen ? "" : "unseen"}>${caption}</caption>
    <thead role="rowgroup"><tr role="row">
      ${columns.map((column) => html`
        <${HeadCell} key=${column.key} column=${column} sort=${sort} on_sort=${on_sort} />`)}
    </tr></thead>
    <tbody role="rowgroup">
      ${rows.map((row) => html`
        <${Row} key=${row_key(row)} row=${row} columns=${columns} row_class=${row_class?.(row) ?? ""} />`)}
    </tbody>
  </table>`;
