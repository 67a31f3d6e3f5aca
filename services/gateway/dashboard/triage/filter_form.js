// The filters of the triage. They are in the address, so that a view can be kept and sent.
import { set_query } from "../address.js";
import { html, useEffect, useRef, useState } from "../vendor/preact_htm.js";
import { PARAMETERS, filter_count } from "./filters.js";
import { label_text } from "./rows.js";
import { VERDICTS } from "./verdicts.js";

const TYPING_MS = 250;

// A field that changes the address when one pauses. What is typed stays as typed, a "-" or "8419." as well.
const Field = ({ name, title, value, type = "text", ...more }) => {
  const [typed, set_typed] = useState(value);
  const timer = useRef(0);
  const is_typing = useRef(false);
  useEffect(() => { if (!is_typing.current) set_typed(value); }, [value]);
  const change = (event) => {
    const text = event.target.value;
    set_typed(text);
    is_typing.current = true;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      is_typing.current = false;
      set_query({ [name]: text.trim() }, { replace: true });
    }, TYPING_MS);
  };
  return html`<label>${title} <input type=${type} value=${typed} onInput=${change} ...${more} /></label>`;
};

const NumberField = (props) => html`<${Field} inputmode="decimal" size="8" autocomplete="off" ...${props} />`;

const Choice = ({ name, title, value, options }) => html`
  <label>${title}
    <select value=${value} onChange=${(event) => set_query({ [name]: event.target.value })}>
      ${options.map(([option, text]) => html`<option key=${option} value=${option}>${text}</option>`)}
    </select></label>`;

const VERDICT_OPTIONS = [
  ["", "All"], ["none", "Without a verdict"], ["any", "With a verdict"],
  ...VERDICTS.map(({ name, word }) => [name, word]),
];

/**
 * @param {{filters: import("./filters.js").Filters, query: URLSearchParams, labels: string[], kind: "job" | "cadence"}}
 *   props `labels`: those that rows have
 */
export const FilterForm = ({ filters, query, labels, kind }) => {
  const of = (name) => query.get(name) ?? "";
  const count = filter_count(filters);
  const clear = () =>
    set_query(Object.fromEntries(PARAMETERS.filter((name) => name !== "sort").map((name) => [name, null])));
  return html`
    <form class="filters triage-filters" role="search" aria-label=${kind === "job" ? "Filter hits" : "Filter events"}
      onSubmit=${(event) => event.preventDefault()}>
      <${Choice} name="label" title="Label" value=${filters.label}
        options=${[["", "All"], ...labels.map((label) => [label, label_text(label)])]} />
      <${Choice} name="verdict" title="Verdict" value=${filters.verdict} options=${VERDICT_OPTIONS} />
      <${NumberField} name="min_snr" title="Least SNR" value=${of("min_snr")} />
      <${NumberField} name="min_interest" title="Least interest" value=${of("min_interest")} />
      <${NumberField} name="min_drift" title="Lowest drift, Hz/s" value=${of("min_drift")} />
      <${NumberField} name="max_drift" title="Highest drift, Hz/s" value=${of("max_drift")} />
      <${NumberField} name="min_mhz" title="Lowest MHz" value=${of("min_mhz")} />
      <${NumberField} name="max_mhz" title="Highest MHz" value=${of("max_mhz")} />
      <${NumberField} name="group" title=${kind === "job" ? "Group" : "Family"} value=${of("group")} />
      <${Field} name="text" title="Text" type="search" maxlength="100" value=${of("text")} />
      ${count > 0 && html`<button type="button" onClick=${clear}>
        Clear ${count === 1 ? "the filter" : `${count} filters`}</button>`}
    </form>`;
};
