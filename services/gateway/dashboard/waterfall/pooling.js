// From columns to pixels. No column is left out: in the max view a pixel holds the maximum of all columns that it
// touches, in the mean view the mean of those whose centre it holds. Nothing is interpolated: columns wider than a
// pixel are drawn as they are.

import { SIGMA_OF_CODE } from "./codes.js";

/**
 * @typedef {Object} Frame Where pixels lie on the channels.
 * @property {number} left Position of the left edge, in channels above the lower edge of the band.
 * @property {number} channels_per_px
 * @property {number} width_px
 * @property {number} n_channels Channels of the band.
 * @property {boolean} rising True if the frequency grows with the channel number.
 */

/** Return where the channels from start to stop lie, in pixels: x0 < x1. */
const extent = (frame, start, stop) => {
  const low = frame.rising ? start : frame.n_channels - stop;
  const x0 = (low - frame.left) / frame.channels_per_px;
  return [x0, x0 + (stop - start) / frame.channels_per_px];
};

/** Call visit(column, x0, x1, channels) for each column of the piece within [first, last) pixels, cut to them. */
const each_column = (piece, frame, first, last, visit) => {
  const wide = piece.factor / frame.channels_per_px >= 1;
  const reach = ((last - first + 2) * frame.channels_per_px) / piece.factor + 2;
  const middle = middle_column(piece, frame, (first + last) / 2);
  const begin = Math.max(0, Math.floor(middle - reach / 2));
  const end = Math.min(piece.count, Math.ceil(middle + reach / 2));
  for (let column = begin; column < end; column += 1) {
    const start = piece.start + column * piece.factor;
    const stop = Math.min(piece.end, start + piece.factor);
    const [x0, x1] = extent(frame, start, stop);
    // A wide column has the pixels whose centres it holds, so that each pixel is one column.
    const from = Math.max(first, wide ? Math.ceil(x0 - 0.5) : Math.floor(x0 + 1e-6));
    const to = Math.min(last, wide ? Math.ceil(x1 - 0.5) : Math.ceil(x1 - 1e-6));
    if (from < to) visit(column, from, to, stop - start, (x0 + x1) / 2);
  }
};

/** Return the column that lies at a pixel, as a fraction. */
const middle_column = (piece, frame, x) => {
  const position = frame.left + x * frame.channels_per_px;
  const channel = frame.rising ? position : frame.n_channels - position;
  return (channel - piece.start) / piece.factor;
};

/** Return the pixels that channels touch. */
export const touched_pixels = (frame, clip) => {
  const [x0, x1] = extent(frame, clip.start, clip.stop);
  const first = Math.max(0, Math.floor(x0 + 1e-6));
  return { first, last: Math.max(first, Math.min(frame.width_px, Math.ceil(x1 - 1e-6))) };
};

/** Return the pixels that lie wholly within channels. */
export const inner_pixels = (frame, clip) => {
  const [x0, x1] = extent(frame, clip.start, clip.stop);
  const first = Math.max(0, Math.ceil(x0 - 1e-6));
  return { first, last: Math.max(first, Math.min(frame.width_px, Math.floor(x1 + 1e-6))) };
};

/**
 * Put the maxima of a piece's columns into the pixels of a clip.
 * @param {Uint8Array} pixels One code per pixel and row: pixels[x * rows + row].
 * @param {import("./columns.js").Piece} piece
 * @param {Frame} frame
 * @param {{start: number, stop: number}} clip Channels whose pixels are written.
 * @param {{first: number, count: number, to: number, of: number}} rows Codes of a column that are taken, the row of a
 *   pixel where they go, and the rows of a pixel.
 */
export const pool_max = (pixels, piece, frame, clip, rows) => {
  const { first, last } = touched_pixels(frame, clip);
  each_column(piece, frame, first, last, (column, from, to) => {
    const base = piece.offset + column * piece.stride + rows.first;
    for (let x = from; x < to; x += 1) {
      const target = x * rows.of + rows.to;
      for (let row = 0; row < rows.count; row += 1) {
        const code = piece.codes[base + row];
        if (code > pixels[target + row]) pixels[target + row] = code;
      }
    }
  });
};

/**
 * Add a piece's columns to the pixels of a clip, each weighted so that means of all channels result.
 *
 * A column of n channels holds its mean times the root of n, in units of its own sigma. The sum of root(n) times that,
 * over the root of all channels, is the pixel's mean in units of its own sigma again.
 * @param {{sums: Float32Array, channels: Float32Array}} pixels Per pixel and row.
 */
export const pool_mean = (pixels, piece, frame, clip, rows) => {
  const { first, last } = touched_pixels(frame, clip);
  const wide = piece.factor / frame.channels_per_px >= 1;
  each_column(piece, frame, first, last, (column, from, to, channels, centre) => {
    const base = piece.offset + column * piece.stride + rows.first;
    const weight = Math.sqrt(channels);
    const only = Math.floor(centre);
    const [begin, end] = wide ? [from, to] : [only, only + 1];
    for (let x = Math.max(0, begin); x < Math.min(frame.width_px, end); x += 1) {
      const target = x * rows.of + rows.to;
      for (let row = 0; row < rows.count; row += 1) {
        const code = piece.codes[base + row];
        if (code === 0) continue;
        pixels.sums[target + row] += weight * SIGMA_OF_CODE[code];
        pixels.channels[target + row] += channels;
      }
    }
  });
};

/** Return the mean of each pixel and row in units of its own sigma; NaN where no sample fell on it. */
export const means_of = (pixels) =>
  pixels.sums.map((sum, at) => (pixels.channels[at] === 0 ? NaN : sum / Math.sqrt(pixels.channels[at])));
