// The view of a waterfall in the address, so that every view is a URL.
import { set_query } from "../address.js";
import { MAPS } from "./colours.js";

const NUMBERS = ["center_hz", "width_hz", "low", "high"];
const CHOICES = { statistic: ["max", "mean"], map: MAPS };
const TEXTS = Object.keys(CHOICES);
// What the waterfall shows where the address says nothing; addresses leave it out.
const USUAL = { statistic: "max", map: "viridis" };

/**
 * Return a number of the address; null where it has none.
 * @param {URLSearchParams} query
 * @param {string} name
 * @returns {number | null}
 */
export const number_in = (query, name) => {
  const text = query.get(name);
  return text !== null && text !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
};

/**
 * Return the view that an address asks for; what it does not say is chosen by the waterfall.
 * @param {URLSearchParams} query
 * @returns {object} as the property `view` of `Waterfall`
 */
export const view_in = (query) => {
  const numbers = NUMBERS.map((name) => [name, number_in(query, name)]);
  const texts = TEXTS.map((name) => [name, CHOICES[name].find((one) => one === query.get(name)) ?? null]);
  return Object.fromEntries([...numbers, ...texts].filter(([, value]) => value !== null));
};

/**
 * Return the parameters of a view in an address; null where it has none. Frequencies are exact to a thousandth of a Hz.
 * @param {object} view
 * @returns {object}
 */
export const query_of_view = (view) => {
  const numbers = NUMBERS.map((name) => [name, view[name] == null ? null : String(Number(view[name].toFixed(3)))]);
  const texts = TEXTS.map((name) => [name, view[name] === USUAL[name] ? null : view[name] ?? null]);
  return Object.fromEntries([...numbers, ...texts]);
};

/**
 * Keep a view in the address, without a new entry in the history: one pans through hundreds of views.
 * @param {object} view as `Waterfall` tells it
 */
export const set_view = (view) => set_query(query_of_view(view), { replace: true });
