// Keys on the canvas: everything that the pointer can do. None of them is a key of the triage (triage/shortcuts.js), so
// that a verdict can be given while the canvas has the focus.

import { panned, whole_view, zoomed } from "./axes.js";
import { length_s } from "./panel.js";
import { ruler_drift } from "./reading.js";

/** What each key does, as the help text of the canvas lists it. */
export const KEY_HELP = [
  ["← →", "move by a tenth of the width, with Shift by a half; with the crosshair: one step, with Shift ten"],
  ["+ −", "zoom in and out, about the crosshair if it is on"],
  ["Home End", "lower and upper end of the band"],
  ["0", "the whole band"],
  ["[ ]", "previous and next hit"],
  ["v", "crosshair on and off; the arrows move it and its values are read out"],
  ["↑ ↓", "with the crosshair: a row earlier or later"],
  ["d", "put an end of the drift ruler at the crosshair; the second gives the drift rate"],
  ["m", "put an end of the marked range at the crosshair"],
  ["Enter", "select the hit at the crosshair"],
  ["Esc", "remove crosshair, ruler and marked range"],
];

/** Return the crosshair's first place: the middle of what is shown. */
export const middle = (stage) => {
  const [first] = stage.panels;
  return { hz: stage.state.view.center_hz, seconds: length_s(first) / 2, at: 0 };
};

/** Return the step of the crosshair in frequency: a pixel, or a channel where that is wider. */
const step_hz = (stage) => {
  const { layout } = stage.scene();
  const px_hz = stage.state.view.width_hz / (layout.right - layout.left);
  return Math.max(px_hz, stage.panels[stage.state.cursor.at].grid.width_hz);
};

/** Return the crosshair moved within the view. */
const moved = (stage, columns, rows) => {
  const { cursor, view } = stage.state;
  const half = view.width_hz / 2;
  const hz = cursor.hz + columns * step_hz(stage);
  const { panels } = stage.scene();
  const seconds_of = (at) => panels[at].panel.manifest.spectra_per_row * panels[at].panel.manifest.spectrum_s;
  let { at } = cursor;
  let seconds = cursor.seconds + rows * seconds_of(at);
  const inside = (value, low, high) => Math.min(high, Math.max(low, value));
  if (seconds >= panels[at].start_s + panels[at].length_s && at + 1 < panels.length) {
    at += 1;
    seconds = panels[at].start_s + seconds_of(at) / 2;
  } else if (seconds < panels[at].start_s && at > 0) {
    at -= 1;
    seconds = panels[at].start_s + panels[at].length_s - seconds_of(at) / 2;
  }
  seconds = inside(seconds, panels[at].start_s, panels[at].start_s + panels[at].length_s - 1e-6);
  return { at, seconds, hz: inside(hz, view.center_hz - half, view.center_hz + half) };
};

const put_ruler = (stage) => {
  const end = stage.state.cursor ?? middle(stage);
  const { ruler } = stage.state;
  if (ruler?.open) return { ruler: { a: ruler.a, b: end, drift_hz_s: ruler_drift(ruler.a, end) } };
  return { ruler: { a: end, b: end, drift_hz_s: null, open: true } };
};

const put_range = (stage) => {
  const { hz } = stage.state.cursor ?? middle(stage);
  const { range } = stage.state;
  if (!range?.open) return { range: { from_hz: hz, to_hz: hz, open: true } };
  return { range: { from_hz: Math.min(range.from_hz, hz), to_hz: Math.max(range.from_hz, hz) } };
};

const crosshair_keys = {
  ArrowLeft: (stage, fast) => ({ cursor: moved(stage, fast ? -10 : -1, 0) }),
  ArrowRight: (stage, fast) => ({ cursor: moved(stage, fast ? 10 : 1, 0) }),
  ArrowUp: (stage, fast) => ({ cursor: moved(stage, 0, fast ? -10 : -1) }),
  ArrowDown: (stage, fast) => ({ cursor: moved(stage, 0, fast ? 10 : 1) }),
};

const pan = (share) => (stage, fast) => ({
  view: panned(stage.state.view, stage.state.view.width_hz * share * (fast ? 5 : 1), stage.band),
});

const zoom = (factor) => (stage) => {
  const { view, cursor } = stage.state;
  return { view: zoomed(view, factor, cursor?.hz ?? view.center_hz, stage.band) };
};

const end_of_band = (share) => (stage) => ({
  view: panned(stage.state.view, share * (stage.band.high_hz - stage.band.low_hz), stage.band),
});

const view_keys = {
  ArrowLeft: pan(-0.1),
  ArrowRight: pan(0.1),
  "+": zoom(2),
  "=": zoom(2),
  "-": zoom(1 / 2),
  _: zoom(1 / 2),
  Home: end_of_band(-1),
  End: end_of_band(1),
  0: (stage) => ({ view: whole_view(stage.band) }),
  d: put_ruler,
  m: put_range,
  Escape: () => ({ cursor: null, ruler: null, range: null }),
};

/**
 * Return what a key changes in the stage's state, or null where it changes nothing.
 * @param {KeyboardEvent} event
 * @param {Object} stage
 * @param {boolean} crosshair True if the keys have put the crosshair on.
 * @returns {Object|null}
 */
export const change_of = (event, stage, crosshair) => {
  if (event.ctrlKey || event.metaKey || event.altKey || stage.scene() === null) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = (crosshair ? crosshair_keys[key] : undefined) ?? view_keys[key];
  return action === undefined ? null : action(stage, event.shiftKey);
};
