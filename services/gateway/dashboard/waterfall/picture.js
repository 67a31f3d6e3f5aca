// The picture of one panel: which tiles are drawn where, and what each pixel holds.

import { channels_between } from "./axes.js";
import { SIGMA_OF_CODE } from "./codes.js";
import { pixels_of } from "./colours.js";
import { base_tiles, level_shape, plan_of, tiles_of } from "./plan.js";
import { inner_pixels, pool_max, pool_mean, touched_pixels } from "./pooling.js";

/** Part of what a panel may cost that goes to the level of the whole band. */
const BASE_SHARE = 0.15;

const clip_of = (a, b) => ({ start: Math.max(a.start, b.start), stop: Math.min(a.stop, b.stop) });

/** Return the layers that show a range of a level that is not there yet: what is loaded of coarser ones, finer last. */
const coarser_layers = (panel, statistic, range, least_factor) => {
  const layers = [];
  for (const factor of panel.manifest.factors.filter((each) => each >= least_factor).sort((a, b) => a - b)) {
    const tiles = tiles_of(panel.manifest, level_shape(panel.manifest, statistic, factor), range);
    const loaded = tiles.filter((tile) => panel.store.get(tile.key) !== undefined);
    layers.unshift(...loaded.map((tile) => ({ pieces: panel.store.get(tile.key), clip: clip_of(range, tile) })));
    if (loaded.length === tiles.length) break;
  }
  return layers;
};

/** Return what is loaded of the next finer level, which shows more while a tile is on its way. */
const finer_layers = (panel, tile) => {
  const finer = panel.manifest.factors.filter((factor) => factor < tile.factor);
  if (!finer.length) return [];
  const shape = level_shape(panel.manifest, tile.statistic, Math.max(...finer));
  return tiles_of(panel.manifest, shape, tile)
    .filter((each) => panel.store.get(each.key) !== undefined)
    .map((each) => ({ pieces: panel.store.get(each.key), clip: clip_of(tile, each) }));
};

/** Return the layers of a level's tiles: {pieces, clip}, each to be drawn over those before. */
const level_layers = (panel, tiles, statistic) =>
  tiles.flatMap((tile) => {
    const pieces = panel.store.get(tile.key);
    if (pieces !== undefined) return [{ pieces, clip: tile }];
    return [...coarser_layers(panel, statistic, tile, tile.factor), ...finer_layers(panel, tile)];
  });

/** Return the layers of single channels. A window is a piece that is its own clip. */
const fine_layers = (panel, tiles, statistic) =>
  tiles.flatMap((tile) => {
    const pieces = panel.store.get(tile.key);
    if (pieces === undefined) return tile.kind === "raw" ? coarser_layers(panel, statistic, tile, 0) : [];
    return pieces.map((piece) => ({ pieces: [piece], clip: { start: piece.start, stop: piece.end } }));
  });

const max_target = (width_px, rows) => {
  const codes = new Uint8Array(width_px * rows);
  return {
    clear: (first, last, row) => {
      if (row.count === rows) codes.fill(0, first * rows, last * rows);
      else for (let x = first; x < last; x += 1) codes[x * rows + row.to] = 0;
    },
    pool: (piece, frame, clip, row) => pool_max(codes, piece, frame, clip, { ...row, of: rows }),
    sigma_at: (at) => SIGMA_OF_CODE[codes[at]],
    channels_at: () => 1,
    codes,
  };
};

const mean_target = (width_px, rows) => {
  const pixels = { sums: new Float32Array(width_px * rows), channels: new Float32Array(width_px * rows) };
  return {
    clear: (first, last, row) => {
      for (const values of [pixels.sums, pixels.channels]) {
        if (row.count === rows) values.fill(0, first * rows, last * rows);
        else for (let x = first; x < last; x += 1) values[x * rows + row.to] = 0;
      }
    },
    pool: (piece, frame, clip, row) => pool_mean(pixels, piece, frame, clip, { ...row, of: rows }),
    sigma_at: (at) => (pixels.channels[at] === 0 ? NaN : pixels.sums[at] / Math.sqrt(pixels.channels[at])),
    channels_at: (at) => pixels.channels[at],
    codes: null,
  };
};

/** Draw layers into a target, and note how many channels a column has in each pixel. */
const paint = (target, layers, frame, row, factors) => {
  for (const { pieces, clip } of layers) {
    const inner = inner_pixels(frame, clip);
    target.clear(inner.first, inner.last, row);
    for (const piece of pieces) {
      target.pool(piece, frame, clip, row);
      if (factors === null) continue;
      const touched = touched_pixels(frame, clip_of(clip, { start: piece.start, stop: piece.end }));
      factors.fill(piece.factor, touched.first, touched.last);
    }
  }
};

/**
 * @typedef {Object} Pooled What a panel's pixels hold.
 * @property {number} rows
 * @property {number} width_px
 * @property {(x: number, row: number) => number} sigma_at Value in sigmas; NaN without a sample.
 * @property {(x: number, row: number) => number} channels_at Channels whose mean the value is; 1 in the max view.
 * @property {(x: number) => number} strip_at Integrated value in sigmas, the maximum over the pixel's channels. Where
 *   rows are straightened it is the sum along them, and NaN where a pixel holds maxima: a sum of maxima says nothing.
 * @property {Uint32Array} factors Channels of a column in each pixel; 0 where nothing has come yet.
 * @property {Uint8Array|null} codes codes[x * rows + row] in the max view.
 */

/**
 * Return what a panel's pixels hold.
 * @param {Object} panel
 * @param {Object} ask
 * @param {import("./axes.js").View} ask.view
 * @param {number} ask.width_px
 * @param {string} ask.statistic "max" or "mean".
 * @param {Object} ask.plan Of `wants_of`.
 * @param {number[]|null} ask.shifts_hz How far each row is moved to the left, where tracks are straightened.
 * @returns {Pooled}
 */
export const pool_panel = (panel, { view, width_px, statistic, plan, shifts_hz }) => {
  const { manifest: { rows }, grid } = panel;
  const frame = {
    left: (view.center_hz - view.width_hz / 2 - grid.low_hz) / grid.width_hz,
    channels_per_px: view.width_hz / width_px / grid.width_hz,
    width_px, n_channels: grid.n_channels, rising: grid.rising,
  };
  const layers = (wanted) => [
    ...level_layers(panel, plan.levels.filter((tile) => tile.statistic === wanted), wanted),
    ...fine_layers(panel, plan.fine, wanted),
  ];
  const target = (statistic === "max" ? max_target : mean_target)(width_px, rows);
  const factors = new Uint32Array(width_px);
  if (shifts_hz === null) {
    paint(target, layers(statistic), frame, { first: 0, count: rows, to: 0 }, factors);
  } else {
    const drawn = layers(statistic);
    shifts_hz.forEach((shift, row) => {
      const moved = { ...frame, left: frame.left + shift / grid.width_hz };
      paint(target, drawn, moved, { first: row, count: 1, to: row }, row === 0 ? factors : null);
    });
  }
  const pooled = {
    rows, width_px, factors, codes: target.codes,
    sigma_at: (x, row) => target.sigma_at(x * rows + row),
    channels_at: (x, row) => target.channels_at(x * rows + row),
  };
  if (shifts_hz !== null) {
    const sums = (x) => statistic === "mean" || (frame.channels_per_px <= 1 && factors[x] === 1);
    return { ...pooled, strip_at: (x) => (sums(x) ? along_rows(pooled, x) : NaN) };
  }
  const strip = max_target(width_px, 1);
  paint(strip, layers("max"), frame, { first: rows, count: 1, to: 0 }, null);
  return { ...pooled, strip_at: (x) => strip.sigma_at(x) };
};

/** Return the integrated value along a straightened track: the rows of a pixel column, which hold single values. */
const along_rows = (pooled, x) => {
  let sum = 0;
  let present = 0;
  for (let row = 0; row < pooled.rows; row += 1) {
    const sigma = pooled.sigma_at(x, row);
    if (Number.isNaN(sigma)) continue;
    sum += sigma;
    present += 1;
  }
  return present === 0 ? NaN : sum / Math.sqrt(present);
};

/**
 * Return the plan of a panel's view, and the tiles that it wants: those of the whole band, and those of the view.
 * @param {Object} panel
 * @param {Object} ask
 * @param {import("./axes.js").View} ask.view
 * @param {number} ask.width_px Of the whole view.
 * @param {string} ask.statistic
 * @param {number} ask.bytes Allowed for this panel.
 * @param {number[]|null} ask.shifts_hz
 * @returns {{plan: Object, base: Object[]}}
 */
export const wants_of = (panel, { view, width_px, statistic, bytes, shifts_hz }) => {
  const half_hz = view.width_hz / 2;
  const low_hz = view.center_hz - half_hz + Math.min(...(shifts_hz ?? [0]));
  const high_hz = view.center_hz + half_hz + Math.max(...(shifts_hz ?? [0]));
  const range = channels_between(panel.grid, low_hz, high_hz);
  const base = base_tiles(panel.manifest, statistic, bytes * BASE_SHARE);
  if (range.start === range.stop) return { plan: { factor: 0, raw: false, levels: [], fine: [] }, base };
  const pixels = Math.max(1, (width_px * (range.stop - range.start) * panel.grid.width_hz) / view.width_hz);
  return { plan: plan_of(panel.manifest, range, pixels, statistic, bytes * (1 - BASE_SHARE)), base };
};

/** Colours of the mean view, in steps finer than the eye sees. */
const RAMP = 1024;

/**
 * Colour an image of one pixel per column and row.
 * @param {ImageData} image Of the pooled values' width and rows.
 * @param {Pooled} pooled
 * @param {{map: string, low: number, high: number}} scale
 */
export const colour_image = (image, pooled, scale) => {
  const pixels = new Uint32Array(image.data.buffer);
  const { rows, width_px, codes } = pooled;
  if (codes !== null) {
    const colours = pixels_of(SIGMA_OF_CODE, scale);
    for (let x = 0, at = 0; x < width_px; x += 1) {
      for (let row = 0; row < rows; row += 1, at += 1) pixels[row * width_px + x] = colours[codes[at]];
    }
  } else {
    const span = scale.high - scale.low;
    const ramp = pixels_of(Float32Array.from({ length: RAMP }, (_, at) => scale.low + (span * at) / (RAMP - 1)), scale);
    const [none] = pixels_of([NaN], scale);
    for (let x = 0; x < width_px; x += 1) {
      for (let row = 0; row < rows; row += 1) {
        const share = (pooled.sigma_at(x, row) - scale.low) / span;
        const place = Math.min(RAMP - 1, Math.max(0, Math.round(share * (RAMP - 1))));
        pixels[row * width_px + x] = Number.isNaN(share) ? none : ramp[place];
      }
    }
  }
  // Pixels that nothing has come for stay transparent.
  for (let x = 0; x < width_px; x += 1) {
    if (pooled.factors[x] !== 0) continue;
    for (let row = 0; row < rows; row += 1) pixels[row * width_px + x] = 0;
  }
};
