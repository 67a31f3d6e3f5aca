// How a list of jobs or cadences changes when the server tells of a change. Pure: no document, no network.

/**
 * @typedef {{id_key: "job_id" | "cadence_id", status: string, q: string}} Filter what the list shows
 * @typedef {{items: object[], total: number | null, next_cursor: string | null}} List
 */

/**
 * Return whether a list with this filter shows a job or cadence. The server decides in the same way.
 * @param {object} item
 * @param {Filter} filter
 * @returns {boolean}
 */
export const passes = (item, { status, q }) => {
  if (status && item.status !== status) return false;
  if (!q) return true;
  const wanted = q.toLowerCase();
  return [item.name, item.source_name, item.filename].some((name) => name?.toLowerCase().includes(wanted));
};

const plus = (total, change) => (total === null ? null : Math.max(0, total + change));

/**
 * Return the list without one entry.
 * @param {List} list
 * @param {string} id
 * @param {Filter} filter
 * @returns {List} the same list where it has no such entry
 */
export const without = (list, id, { id_key }) => {
  const items = list.items.filter((one) => one[id_key] !== id);
  return items.length === list.items.length ? list : { ...list, items, total: plus(list.total, -1) };
};

/**
 * Return the list with a changed or new entry in its place: the newest first, as the API lists them.
 * @param {List} list
 * @param {object} item
 * @param {Filter} filter
 * @returns {List}
 */
export const with_change = (list, item, filter) => {
  const id = item[filter.id_key];
  const at = list.items.findIndex((one) => one[filter.id_key] === id);
  if (!passes(item, filter)) return without(list, id, filter);
  if (at >= 0) return { ...list, items: list.items.with(at, item) };
  const place = list.items.findIndex((one) => one.created_at <= item.created_at);
  // Older than everything that is shown: it is on one of the next pages.
  if (place < 0 && list.next_cursor !== null) return { ...list, total: plus(list.total, 1) };
  const items = list.items.toSpliced(place < 0 ? list.items.length : place, 0, item);
  return { ...list, items, total: plus(list.total, 1) };
};
