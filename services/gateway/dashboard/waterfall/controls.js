// The controls above and below the canvas.

import { html, useEffect, useState } from "../vendor/preact_htm.js";
import { view_between } from "./axes.js";
import { MAPS } from "./colours.js";
import { KEY_HELP } from "./keys.js";
import { UNITS_HZ, decimals_of, fixed, typed_hz } from "./ticks.js";

const button = (label, text, onClick, extra = {}) =>
  html`<button type="button" aria-label=${label} title=${label} onClick=${onClick} ...${extra}>${text}</button>`;

const choice = (label, value, options, onChange) => html`
  <label>${label}
    <select value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${options.map(([name, text]) => html`<option value=${name} selected=${name === value}>${text}</option>`)}
    </select>
  </label>`;

/**
 * Buttons that move and zoom.
 * @param {{keys: (key: string, shift?: boolean) => void, tool: string, on_tool: function, has_selected: boolean,
 *   on_selected: function}} props `keys` does what a key does.
 */
export const MoveControls = ({ press, tool, on_tool, has_selected, on_selected, has_hits }) => html`
  <div class="waterfall-group" role="group" aria-label="Move and zoom">
    ${button("Zoom in", "+", () => press("+"))}
    ${button("Zoom out", "\u2212", () => press("-"))}
    ${button("Move to lower frequencies", "\u2190", () => press("ArrowLeft", true))}
    ${button("Move to higher frequencies", "\u2192", () => press("ArrowRight", true))}
    ${button("Show the whole band", "Whole band", () => press("0"))}
    ${button("Previous hit", "Previous hit", () => press("["), { disabled: !has_hits })}
    ${button("Next hit", "Next hit", () => press("]"), { disabled: !has_hits })}
    ${button("Show the selected hit", "To the hit", on_selected, { disabled: !has_selected })}
    ${choice("Drag", tool, [["move", "moves"], ["ruler", "measures drift"], ["range", "marks a range"]], on_tool)}
  </div>`;

const text_of = (hz, unit, width_hz) => {
  // As many decimals as show a thousandth of the width.
  const decimals = Math.min(9, decimals_of(width_hz / 1000 / UNITS_HZ[unit]));
  return fixed(hz / UNITS_HZ[unit], decimals);
};

/**
 * The typed range: from and to, or centre and width.
 * @param {{view: Object, band: Object, on_view: (view: Object) => void}} props
 */
export const RangeForm = ({ view, band, on_view }) => {
  const [by, set_by] = useState("edges");
  const [unit, set_unit] = useState("MHz");
  const [typed, set_typed] = useState(["", ""]);
  const [problem, set_problem] = useState("");
  const half = view.width_hz / 2;
  useEffect(() => {
    const values = by === "edges" ? [view.center_hz - half, view.center_hz + half] : [view.center_hz, view.width_hz];
    set_typed(values.map((hz) => text_of(hz, unit, view.width_hz)));
    set_problem("");
  }, [view.center_hz, view.width_hz, by, unit]);
  const submit = (event) => {
    event.preventDefault();
    const [a, b] = typed.map((text) => typed_hz(text, unit));
    const next = by === "edges" ? view_between(a, b, band) : view_between(a - b / 2, a + b / 2, band);
    if (next !== null) return on_view(next);
    const ends = [band.low_hz, band.high_hz].map((hz) => text_of(hz, unit, band.high_hz - band.low_hz)).join(" to ");
    return set_problem(`Give a range within the band, ${ends} ${unit}, the lower frequency first.`);
  };
  const names = by === "edges" ? ["From", "To"] : ["Centre", "Width"];
  return html`
    <form class="waterfall-group" onSubmit=${submit} aria-label="Frequency range">
      ${choice("Range by", by, [["edges", "edges"], ["centre", "centre and width"]], set_by)}
      ${names.map((name, at) => html`
        <label>${name}
          <input type="text" inputmode="decimal" size="14" autocomplete="off" value=${typed[at]}
            aria-invalid=${problem !== ""} aria-describedby="waterfall-range-problem"
            onInput=${(event) => set_typed(typed.map((old, each) => (each === at ? event.target.value : old)))} />
        </label>`)}
      ${choice("Unit", unit, Object.keys(UNITS_HZ).map((name) => [name, name]), set_unit)}
      <button type="submit">Show</button>
      <span id="waterfall-range-problem" class="waterfall-problem" role="alert">${problem}</span>
    </form>`;
};

/** A number in sigmas. What is being typed stays while the page is drawn again, until it is given or left. */
const Limit = ({ label, value, disabled, on_value }) => {
  const [typed, set_typed] = useState(null);
  const give = (event) => {
    const number = event.target.valueAsNumber;
    if (Number.isFinite(number)) on_value(number);
    set_typed(null);
  };
  return html`
    <label>${label}
      <input type="number" step="0.5" value=${typed ?? value} disabled=${disabled}
        onInput=${(event) => set_typed(event.target.value)} onChange=${give} onBlur=${() => set_typed(null)} /> σ
    </label>`;
};

/**
 * What the colours stand for: statistic, map, range, unit.
 * @param {{state: Object, scale: {low: number, high: number}, on_change: (changes: Object) => void}} props
 */
export const ColourControls = ({ state, scale, on_change, can_straighten, has_decibels }) => {
  const statistics = [["max", "maximum"], ["mean", "mean"]];
  const automatic = state.low === null && state.high === null;
  const limit = (name, label) => html`
    <${Limit} label=${label} value=${scale[name]} disabled=${automatic}
      on_value=${(value) => on_change({ low: scale.low, high: scale.high, [name]: value })} />`;
  return html`
    <div class="waterfall-group" role="group" aria-label="Values and colours">
      ${choice("Value", state.statistic, statistics, (statistic) => on_change({ statistic }))}
      ${choice("Colours", state.map, MAPS.map((name) => [name, name]), (map) => on_change({ map }))}
      <label class="waterfall-check"><input type="checkbox" checked=${automatic}
        onChange=${() => on_change(automatic ? { low: scale.low, high: scale.high } : { low: null, high: null })} />
        Automatic range</label>
      ${limit("low", "Dark at")} ${limit("high", "Bright at")}
      <label class="waterfall-check"><input type="checkbox" checked=${state.decibels} disabled=${!has_decibels}
        onChange=${() => on_change({ decibels: !state.decibels })} /> Show dB</label>
      <label class="waterfall-check"><input type="checkbox" checked=${state.straighten} disabled=${!can_straighten}
        onChange=${() => on_change({ straighten: !state.straighten })} /> Straighten along the selected track</label>
    </div>`;
};

/**
 * The drift ruler by a typed rate, and its result.
 * @param {{ruler: Object|null, on_rate: (hz_s: number) => void, on_clear: function}} props
 */
export const RulerForm = ({ on_rate, on_clear, has_marks }) => {
  const [typed, set_typed] = useState("");
  const rate = Number(typed.replace("\u2212", "-"));
  const submit = (event) => {
    event.preventDefault();
    if (typed.trim() !== "" && Number.isFinite(rate)) on_rate(rate);
  };
  return html`
    <form class="waterfall-group" onSubmit=${submit} aria-label="Drift ruler">
      <label>Drift ruler
        <input type="text" inputmode="decimal" size="8" autocomplete="off" value=${typed}
          onInput=${(event) => set_typed(event.target.value)} /> Hz/s
      </label>
      <button type="submit">Draw</button>
      <button type="button" disabled=${!has_marks} onClick=${on_clear}>Clear ruler and range</button>
    </form>`;
};

/**
 * Buttons that save.
 * @param {{readable: boolean, what: string, on_save: (kind: string) => void, problem: string}} props
 */
export const SaveControls = ({ readable, what, on_save, problem }) => html`
  <div class="waterfall-group" role="group" aria-label="Save">
    <span>Save ${what}</span>
    <button type="button" onClick=${() => on_save("png")}>Picture (PNG)</button>
    <button type="button" onClick=${() => on_save("shown")}>Values shown (CSV)</button>
    ${readable && html`
      <button type="button" onClick=${() => on_save("fil")}>Samples (.fil)</button>
      <button type="button" onClick=${() => on_save("csv")}>Samples (CSV)</button>`}
    <span class="waterfall-problem" role="alert">${problem}</span>
  </div>`;

/** The keys of the canvas, as a list that opens. */
export const KeyHelp = ({ id }) => html`
  <details class="waterfall-keys">
    <summary>Keys and pointer</summary>
    <p id=${id}>With the waterfall focused: arrows move, plus and minus zoom, v puts a crosshair on that the arrows
      move, brackets step through the hits.</p>
    <dl>${KEY_HELP.map(([key, text]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${text}</dd></div>`)}</dl>
    <p>The wheel zooms about the pointer, with Shift it moves. A drag moves; with Shift it marks a range. Two fingers
      zoom. A double click zooms in fourfold. A click on a track selects its hit.</p>
  </details>`;

