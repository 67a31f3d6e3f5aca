// The view as query parameters, so that every view is a URL.

const NUMBERS = ["center_hz", "width_hz", "low", "high"];
const WORDS = ["statistic", "map"];
/** What is chosen where the address says nothing; it is left out of addresses. */
const USUAL = { statistic: "max", map: "viridis" };

/**
 * Return the view that a query asks for.
 * @param {URLSearchParams} query
 * @returns {Object|null} {center_hz, width_hz, statistic, low, high, map}, each where it is given; null without any.
 */
export const view_of_query = (query) => {
  const numbers = NUMBERS.map((name) => [name, parseFloat(query.get(name))]).filter((pair) => Number.isFinite(pair[1]));
  const words = WORDS.map((name) => [name, query.get(name)]).filter(([, value]) => value !== null);
  const given = [...numbers, ...words];
  return given.length ? Object.fromEntries(given) : null;
};

/**
 * Return the parameters of a view; null removes one.
 * @param {Object} view Of `on_view`.
 * @returns {Object} Values as text. Frequencies are exact to a thousandth of a Hz.
 */
export const query_of_view = (view) => {
  const number = (name) => (view[name] === null || view[name] === undefined ? null : String(+view[name].toFixed(3)));
  return {
    ...Object.fromEntries(NUMBERS.map((name) => [name, number(name)])),
    ...Object.fromEntries(WORDS.map((name) => [name, view[name] === USUAL[name] ? null : view[name]])),
  };
};
