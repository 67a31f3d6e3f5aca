// Reads CSV tables as the API writes them: commas, quotes where a cell needs them, one line per row. Pure.

const QUOTE = 34;
const COMMA = 44;
const LINE_END = 10;

// The end of a quoted cell that starts after `at`: a quote that no second one follows.
const closing_quote = (text, at) => {
  let end = text.indexOf('"', at);
  while (end >= 0 && text.charCodeAt(end + 1) === QUOTE) end = text.indexOf('"', end + 2);
  return end < 0 ? text.length : end;
};

const cell_end = (text, at) => {
  let end = at;
  while (end < text.length && text.charCodeAt(end) !== COMMA && text.charCodeAt(end) !== LINE_END) end += 1;
  return end;
};

/**
 * Return the cells of a table, line by line.
 * @param {string} text
 * @returns {string[][]}
 */
export const csv_lines = (text) => {
  const lines = [];
  let cells = [];
  let at = 0;
  while (at < text.length) {
    const is_quoted = text.charCodeAt(at) === QUOTE;
    const end = is_quoted ? closing_quote(text, at + 1) : cell_end(text, at);
    cells.push(is_quoted ? text.slice(at + 1, end).replaceAll('""', '"') : text.slice(at, end));
    at = is_quoted ? end + 1 : end;
    const is_last = at >= text.length || text.charCodeAt(at) === LINE_END;
    if (is_last) {
      lines.push(cells);
      cells = [];
    } else if (at === text.length - 1) {
      // A comma at the very end: one more cell, which is empty.
      lines.push([...cells, ""]);
    }
    at += 1;
  }
  return lines;
};

/**
 * Return the rows of a table as objects with some of its columns: numbers where the column holds numbers.
 * @param {string} text a table with a line of names
 * @param {Record<string, "number" | "text">} columns which to keep; a number that is not there is null
 * @returns {object[]} without the columns that the table lacks
 */
export const csv_rows = (text, columns) => {
  const [names = [], ...lines] = csv_lines(text);
  const kept = names.map((name, at) => [name, at, columns[name]]).filter(([, , kind]) => kind);
  return lines.map((cells) => {
    const row = {};
    kept.forEach(([name, at, kind]) => {
      const cell = cells[at] ?? "";
      if (kind === "text") row[name] = cell;
      else row[name] = cell === "" ? null : Number(cell);
    });
    return row;
  });
};
