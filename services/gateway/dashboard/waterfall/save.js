// Saving: a picture with its axes, the selection as a file of the API, and what is shown as CSV.

import { request_bytes } from "../api.js";
import { channel_at, channels_between, edges_hz } from "./axes.js";
import { column_of } from "./columns.js";
import { row_s } from "./panel.js";
import { draw_scene } from "./scene.js";
import { exact_text, start_text, width_text } from "./ticks.js";
import { resolution_text } from "./reading.js";

/** Hand a file to the browser, which saves it as it saves downloads. */
const save_blob = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has begun to read it by the next turn; a minute is plenty to end.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};

const name_of = (panel, range, ending) => {
  const source = (panel.manifest.source_name || panel.label || panel.job_id).replace(/[^\w.+-]+/g, "_");
  return `${source}_${((range.from_hz + range.to_hz) / 2e6).toFixed(6)}MHz.${ending}`;
};

/** Return the range that a selection saves: the marked one, or that of the view. */
export const selection_of = (stage) => {
  const { range, view } = stage.state;
  if (range !== null && range.to_hz > range.from_hz) return { from_hz: range.from_hz, to_hz: range.to_hz };
  return { from_hz: view.center_hz - view.width_hz / 2, to_hz: view.center_hz + view.width_hz / 2 };
};

const title_of = (stage) => {
  const [{ manifest, label }] = stage.panels;
  const { center_hz, width_hz } = stage.state.view;
  const names = [manifest.source_name, label].filter((name) => name).join(", ");
  const start = start_text(manifest);
  const where = `${exact_text(center_hz)}, width ${width_text(width_hz)}, ${start}.`;
  return [names, `${where} ${resolution_text(stage.scene())}`];
};

/**
 * Save the picture with title, axes and colour bar.
 * @param {Object} stage
 * @param {number} ratio Pixels of a CSS pixel.
 */
export const save_picture = async (stage, ratio) => {
  const scene = { ...stage.titled_scene(title_of(stage)), cursor: null };
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(scene.layout.width * ratio);
  canvas.height = Math.round(scene.layout.height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  draw_scene(context, scene);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  save_blob(blob, name_of(stage.panels[0], selection_of(stage), "png"));
};

/**
 * Save the observation's samples of the selection, as the API cuts them.
 * @param {Object} stage
 * @param {Object} panel The one whose samples are saved.
 * @param {"fil"|"csv"} format
 */
export const save_samples = async (stage, panel, format) => {
  const range = selection_of(stage);
  const { start, stop } = channels_between(panel.grid, range.from_hz, range.to_hz);
  const query = { start_channel: start, stop_channel: stop, format };
  const { bytes } = await request_bytes(`${panel.path}/spectra`, { query });
  save_blob(new Blob([bytes]), name_of(panel, range, format));
};

/**
 * Return the columns that are shown: those of the levels where they are wider than a pixel, else the pixels.
 * @returns {{x: number, from_hz: number, to_hz: number, factor: number}[]} With rising frequency; `x` is a pixel.
 */
export const shown_columns = (scene, at) => {
  const { panel, pooled } = scene.panels[at];
  const px_hz = scene.view.width_hz / pooled.width_px;
  const low_hz = scene.view.center_hz - scene.view.width_hz / 2;
  const columns = [];
  for (let x = 0; x < pooled.width_px; x += 1) {
    const factor = pooled.factors[x];
    if (factor === 0) continue;
    const wide = factor * panel.grid.width_hz > px_hz;
    const channel = channel_at(panel.grid, low_hz + (x + 0.5) * px_hz);
    const edges = wide
      ? edges_hz(panel.grid, column_of(panel.manifest.chunk_edges, channel, factor))
      : { from_hz: low_hz + x * px_hz, to_hz: low_hz + (x + 1) * px_hz };
    if (columns.at(-1)?.from_hz !== edges.from_hz) columns.push({ x, factor, ...edges });
  }
  return columns;
};

const sigma_text = (sigma) => (Number.isNaN(sigma) ? "" : sigma.toFixed(3));

// Names come from files. A comma, a semicolon or a quote would begin another cell, and a spreadsheet evaluates one that
// begins with =, + or @ as a formula.
const commented = (names) => names.filter((name) => name).join(" / ").replace(/[\s,;"']+/g, " ");

/**
 * Return what is shown of a panel as CSV.
 * @param {Object} scene
 * @param {number} at The panel.
 * @param {{from_hz: number, to_hz: number}} range Frequencies that are saved.
 * @returns {string} Lines beginning with # say what the values are and at which resolution.
 */
export const shown_csv = (scene, at, range) => {
  const { panel, pooled } = scene.panels[at];
  const rows = Array.from({ length: pooled.rows }, (_, row) => row);
  const inside = ({ from_hz, to_hz }) => to_hz > range.from_hz && from_hz < range.to_hz;
  const columns = shown_columns(scene, at).filter(inside);
  const kind = pooled.codes === null ? "mean" : "maximum";
  const name = commented([panel.manifest.source_name, panel.label]);
  const along = scene.straightened ? " Rows are moved along the selected track." : "";
  const head = [
    `# ${name}, ${start_text(panel.manifest)}.${along}`,
    `# ${kind} of power per column, in units of sigma, 0.125 sigma to a step. ${resolution_text(scene)}`,
    [
      "from_hz", "to_hz", "channels_of_a_column", "integrated_sigma",
      ...rows.map((row) => `sigma_at_${row_s(panel, row).toFixed(3)}_s`),
    ].join(","),
  ];
  const lines = columns.map(({ x, from_hz, to_hz, factor }) =>
    [
      from_hz.toFixed(3), to_hz.toFixed(3), factor, sigma_text(pooled.strip_at(x)),
      ...rows.map((row) => sigma_text(pooled.sigma_at(x, row))),
    ].join(","),
  );
  return `${[...head, ...lines].join("\n")}\n`;
};

/** Save what is shown of a panel as CSV. */
export const save_shown = (stage, at) => {
  const range = selection_of(stage);
  const text = shown_csv(stage.scene(), at, range);
  save_blob(new Blob([text], { type: "text/csv" }), name_of(stage.panels[at], range, "shown.csv"));
};

