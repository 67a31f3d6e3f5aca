// What lies over the pictures: tracks of hits, their labels, the ruler, the marked range and the crosshair. Every line
// is drawn twice, dark below light, so that it shows on all colours of all maps.

import { snr_text } from "../format.js";
import { label_text } from "../triage/rows.js";
import { draw_text } from "./draw_axes.js";
import { labels_that_fit, span_in, track_hz } from "./tracks.js";
import { drift_text } from "./ticks.js";

/** Least distance between a track's lines and the signal. */
const GAP_PX = 7;
/** More tracks than this in view are marked at the top alone; the lines would hide the signals. */
const MOST_LINES = 60;
const PIECES = 12;

const DARK = "rgb(0 0 0 / 85%)";
const LIGHT = "rgb(255 255 255 / 95%)";

/** Stroke a path dark and wide, then light and thin. */
const double_stroke = (context, width) => {
  context.lineWidth = width + 2;
  context.strokeStyle = DARK;
  context.stroke();
  context.lineWidth = width;
  context.strokeStyle = LIGHT;
  context.stroke();
};

const path_of = (context, points) => {
  context.beginPath();
  points.forEach(([x, y], at) => (at === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
};

/** Return a track's points in a panel: the middle of the signal, from the top to the bottom of its time. */
export const track_points = (scene, hit, at) => {
  const { panel, start_s, length_s } = scene.panels[at];
  const span = span_in(hit, panel, { start_s, stop_s: start_s + length_s });
  if (span === null) return [];
  const pieces = hit.drift_change_hz_s2 ? PIECES : 1;
  return Array.from({ length: pieces + 1 }, (_, piece) => {
    const seconds = span.start_s + ((span.stop_s - span.start_s) * piece) / pieces;
    return [scene.x_of(track_hz(hit, seconds), seconds), scene.y_of(seconds, at)];
  });
};

/** Return how far a track's lines are from its middle: beyond the signal's width and beyond what it drifts in a row. */
const side_px = (scene, hit, points, at) => {
  const { n_spectra, spectra_per_row } = scene.panels[at].panel.manifest;
  const half_px = (hit.bandwidth_hz / 2 / scene.view.width_hz) * (scene.layout.right - scene.layout.left);
  const [[x0, y0], [x1, y1]] = [points[0], points.at(-1)];
  const row_px = (scene.layout.panels[at].image_height * spectra_per_row) / n_spectra;
  return GAP_PX + half_px + (Math.abs((x1 - x0) / (y1 - y0)) * row_px) / 2;
};

const draw_track = (context, scene, hit, at) => {
  const points = track_points(scene, hit, at);
  if (!points.length) return;
  const chosen = hit.id === scene.selected;
  const apart_px = side_px(scene, hit, points, at);
  context.setLineDash(chosen ? [] : [6, 3]);
  for (const side of [-1, 1]) {
    path_of(context, points.map(([x, y]) => [x + side * apart_px, y]));
    double_stroke(context, chosen ? 2 : 1);
  }
  context.setLineDash([]);
};

/** Draw the mark of a hit above the first picture: a diamond for the selected one, a triangle for others. */
const draw_mark = (context, x, y, chosen) => {
  const size = chosen ? 6 : 4;
  context.beginPath();
  context.moveTo(x - size, y - (chosen ? 0 : size));
  if (chosen) context.lineTo(x, y - size);
  context.lineTo(x + size, y - (chosen ? 0 : size));
  context.lineTo(x, y + (chosen ? size : 2));
  context.closePath();
  context.fillStyle = LIGHT;
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = DARK;
  context.stroke();
};

const label_of = (hit) => `${label_text(hit.label)}${hit.snr > 0 ? `, SNR ${snr_text(hit.snr)}` : ""}`;

/** Draw tracks, marks and labels of the hits in view. */
export const draw_hits = (context, scene) => {
  const { layout, hits, selected, theme } = scene;
  const few = hits.length <= MOST_LINES;
  // The selected one comes last, over the others.
  const drawn = [...hits].sort((a, b) => Number(a.id === selected) - Number(b.id === selected));
  scene.panels.forEach((_, at) => {
    const { image, image_height } = layout.panels[at];
    context.save();
    context.beginPath();
    context.rect(layout.left, image, layout.right - layout.left, image_height);
    context.clip();
    for (const hit of drawn) if (few || hit.id === selected) draw_track(context, scene, hit, at);
    context.restore();
  });
  const marks = drawn
    .map((hit) => ({ hit, x: first_x(scene, hit) }))
    .filter(({ x }) => x !== null && x >= layout.left && x <= layout.right);
  const y = layout.panels[0].labels + 18;
  for (const { hit, x } of marks) draw_mark(context, x, y, hit.id === selected);
  const font_of = (chosen) => `${chosen ? "700" : "400"} 11px system-ui, sans-serif`;
  const labels = marks.map(({ hit, x }) => {
    context.font = font_of(hit.id === selected);
    const text = label_of(hit);
    return { x, text, snr: hit.snr, selected: hit.id === selected, width_px: context.measureText(text).width };
  });
  context.fillStyle = theme.text;
  for (const { left, text, selected: chosen } of labels_that_fit(labels, layout.left, layout.right)) {
    draw_text(context, text, left, layout.panels[0].labels + 7, "left", font_of(chosen));
  }
};

/** Return where a hit's track begins in the first panel that shows it. */
const first_x = (scene, hit) => {
  for (let at = 0; at < scene.panels.length; at += 1) {
    const points = track_points(scene, hit, at);
    if (points.length) return points[0][0];
  }
  return null;
};

/** Draw the drift ruler: a line between two points, and its drift rate. */
export const draw_ruler = (context, scene) => {
  const { ruler } = scene;
  if (ruler === null) return;
  const ends = [ruler.a, ruler.b].map(({ hz, seconds, at }) => [scene.x_of(hz, seconds), scene.y_of(seconds, at)]);
  path_of(context, ends);
  double_stroke(context, 1.5);
  for (const [x, y] of ends) {
    context.beginPath();
    context.rect(x - 3, y - 3, 6, 6);
    double_stroke(context, 1.5);
  }
  if (ruler.drift_hz_s === null) return;
  const [x, y] = ends[1];
  draw_tag(context, scene, drift_text(ruler.drift_hz_s), x, y);
};

/** Draw a text on a dark ground beside a point, inside the picture. */
const draw_tag = (context, scene, text, x, y) => {
  context.font = "600 12px system-ui, sans-serif";
  const width = context.measureText(text).width + 12;
  const left = Math.min(scene.layout.right - width, Math.max(scene.layout.left, x + 8));
  const top = Math.max(scene.layout.panels[0].image, y - 24);
  context.fillStyle = DARK;
  context.fillRect(left, top, width, 20);
  context.fillStyle = "#fff";
  draw_text(context, text, left + 6, top + 10.5, "left", "600 12px system-ui, sans-serif");
};

/** Draw the marked range of frequencies: two lines and a bar at the top. */
export const draw_range = (context, scene) => {
  if (scene.range === null) return;
  const { layout } = scene;
  const first = layout.panels[0];
  const last = layout.panels[layout.panels.length - 1];
  const [x0, x1] = [scene.range.from_hz, scene.range.to_hz].map((hz) =>
    Math.min(layout.right, Math.max(layout.left, scene.x_of(hz, null))),
  );
  for (const x of [x0, x1]) {
    path_of(context, [[x, first.strip], [x, last.image + last.image_height]]);
    double_stroke(context, 1);
  }
  path_of(context, [[x0, first.image + 3], [x1, first.image + 3]]);
  double_stroke(context, 3);
};

/** Draw the crosshair: across all panels in frequency, within its own in time. */
export const draw_crosshair = (context, scene) => {
  const { layout, cursor } = scene;
  if (cursor === null) return;
  const x = scene.x_of(cursor.hz, cursor.seconds);
  const y = scene.y_of(cursor.seconds, cursor.at);
  const last = layout.panels[layout.panels.length - 1];
  context.setLineDash([3, 3]);
  path_of(context, [[x, layout.panels[0].strip], [x, last.image + last.image_height]]);
  double_stroke(context, 1);
  path_of(context, [[layout.left, y], [layout.right, y]]);
  double_stroke(context, 1);
  context.setLineDash([]);
};
