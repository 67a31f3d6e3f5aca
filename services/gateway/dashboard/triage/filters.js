// Which rows the triage shows, and in which order. The address holds all of it. Pure: no document, no network.

/**
 * @typedef {{label: string, min_snr: number | null, min_drift: number | null, max_drift: number | null,
 *   min_mhz: number | null, max_mhz: number | null, min_interest: number | null, group: number | null, verdict: string,
 *   text: string, sort: string, order: "ascending" | "descending"}} Filters "" and null: any.
 *   `verdict`: a verdict, "none" or "any"
 */

const NUMBERS = ["min_snr", "min_drift", "max_drift", "min_mhz", "max_mhz", "min_interest", "group"];
const TEXTS = ["label", "verdict", "text"];
/** The parameters of the address that hold filters and order. */
export const PARAMETERS = [...NUMBERS, ...TEXTS, "sort"];

// What each column sorts by, and the direction of the first click on it.
const SORTS = {
  verdict: { of: (row, verdicts) => verdicts.get(row.id)?.verdict ?? "", first: "descending" },
  id: { of: (row) => row.id, first: "ascending" },
  frequency: { of: (row) => row.frequency_hz, first: "ascending" },
  drift: { of: (row) => row.drift_rate_hz_s, first: "ascending" },
  snr: { of: (row) => row.snr, first: "descending" },
  label: { of: (row) => row.label, first: "ascending" },
  interest: { of: (row) => row.interestingness, first: "descending" },
  group: { of: (row) => row.group, first: "ascending" },
  scans: { of: (row) => row.on_scans_present, first: "descending" },
  known: { of: (row) => row.known, first: "ascending" },
};
const DEFAULT_SORT = { sort: "interest", order: "descending" };

const number_of = (text) =>
  (text !== null && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : null);

/**
 * Return the filters that an address asks for; what is no number or no column counts as not given.
 * @param {URLSearchParams} query
 * @returns {Filters}
 */
export const filters_of = (query) => {
  const given = query.get("sort") ?? "";
  const sort = given.replace(/^-/, "");
  const order = given.startsWith("-") ? "descending" : "ascending";
  return {
    ...Object.fromEntries(NUMBERS.map((name) => [name, number_of(query.get(name))])),
    ...Object.fromEntries(TEXTS.map((name) => [name, query.get(name) ?? ""])),
    ...(Object.hasOwn(SORTS, sort) ? { sort, order } : DEFAULT_SORT),
  };
};

/**
 * Return the changes of the address that sort by a column, or the other way round if the rows are sorted by it.
 * @param {Filters} filters
 * @param {string} sort
 * @returns {{sort: string | null}}
 */
export const sorted_by = (filters, sort) => {
  const first = SORTS[sort].first;
  const other = first === "ascending" ? "descending" : "ascending";
  const order = filters.sort === sort && filters.order === first ? other : first;
  if (sort === DEFAULT_SORT.sort && order === DEFAULT_SORT.order) return { sort: null };
  return { sort: order === "descending" ? `-${sort}` : sort };
};

/**
 * Return how many filters are set.
 * @param {Filters} filters
 * @returns {number}
 */
export const filter_count = (filters) =>
  NUMBERS.filter((name) => filters[name] !== null).length + TEXTS.filter((name) => filters[name] !== "").length;

const is_within = (value, low, high) => (low === null || value >= low) && (high === null || value <= high);

const has_verdict = (wanted, given) => {
  if (wanted === "") return true;
  if (wanted === "none") return given === undefined;
  return wanted === "any" ? given !== undefined : given?.verdict === wanted;
};

const has_text = (wanted, row, given) =>
  wanted === "" || row.text.includes(wanted) || String(row.id) === wanted
  || (given?.note ?? "").toLowerCase().includes(wanted);

/**
 * Return the rows that pass the filters, in order. Rows that are equal stay in the catalogue's order.
 * @param {import("./rows.js").Row[]} rows
 * @param {Filters} filters
 * @param {Map<number, {verdict: string, note: string}>} verdicts
 * @returns {import("./rows.js").Row[]}
 */
export const filtered_rows = (rows, filters, verdicts) => {
  const text = filters.text.trim().toLowerCase();
  const found = rows.filter((row) => {
    const given = verdicts.get(row.id);
    return (filters.label === "" || row.label === filters.label)
      && is_within(row.snr, filters.min_snr, null)
      && is_within(row.drift_rate_hz_s, filters.min_drift, filters.max_drift)
      && is_within(row.frequency_hz / 1e6, filters.min_mhz, filters.max_mhz)
      && is_within(row.interestingness, filters.min_interest, null)
      && (filters.group === null || row.group === filters.group)
      && has_verdict(filters.verdict, given)
      && has_text(text, row, given);
  });
  const sign = filters.order === "ascending" ? 1 : -1;
  const keys = new Map(found.map((row) => [row, SORTS[filters.sort].of(row, verdicts)]));
  return found.sort((a, b) => {
    const [first, second] = [keys.get(a), keys.get(b)];
    // What is not known comes last in both directions.
    if (first === null || second === null) return (first === null) - (second === null);
    return first < second ? -sign : first > second ? sign : 0;
  });
};

/**
 * Return the id of the row that is so many rows away, the first or last at the ends; null where there are no rows.
 * @param {import("./rows.js").Row[]} rows
 * @param {number | null} id of the selected row; one that is not shown counts as before the first
 * @param {number} by rows, negative for up
 * @returns {number | null}
 */
export const stepped = (rows, id, by) => {
  if (rows.length === 0) return null;
  const at = rows.findIndex((row) => row.id === id);
  const next = at < 0 ? (by > 0 ? by - 1 : 0) : at + by;
  return rows[Math.max(0, Math.min(rows.length - 1, next))].id;
};
