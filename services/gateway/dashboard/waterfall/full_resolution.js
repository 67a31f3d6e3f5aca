// Columns of one channel: the windows round hits, and the observation's own samples brought to sigmas.

import { SIGMA_OF_CODE, code_of } from "./codes.js";
import { runs_of } from "./columns.js";

/** Return columns of rows + 1 codes: those given and after each the integrated one, sum of z over the root of rows. */
const with_integrated = (codes, count, rows) => {
  const columns = new Uint8Array(count * (rows + 1));
  for (let column = 0; column < count; column += 1) {
    let sum = 0;
    let present = 0;
    for (let row = 0; row < rows; row += 1) {
      const code = codes[column * rows + row];
      columns[column * (rows + 1) + row] = code;
      if (code !== 0) {
        sum += SIGMA_OF_CODE[code];
        present += 1;
      }
    }
    columns[column * (rows + 1) + rows] = present === 0 ? 0 : code_of(sum / Math.sqrt(present));
  }
  return columns;
};

const piece = (start, count, rows, codes) => ({
  start, count, end: start + count, factor: 1, codes, offset: 0, stride: rows + 1,
});

/**
 * Return the pieces of an answer of `samples`: the windows of full resolution round hits.
 * @param {ArrayBuffer} buffer u32 count, count x (u64 first channel, u32 channels), then the columns of each window.
 * @param {number} rows Codes of a column.
 * @returns {import("./columns.js").Piece[]}
 */
export const window_pieces = (buffer, rows) => {
  const bytes = new DataView(buffer);
  const count = bytes.getUint32(0, true);
  let at = 4 + count * 12;
  return Array.from({ length: count }, (_, index) => {
    const start = Number(bytes.getBigUint64(4 + index * 12, true));
    const channels = bytes.getUint32(4 + index * 12 + 8, true);
    const codes = new Uint8Array(buffer, at, channels * rows);
    at += channels * rows;
    return piece(start, channels, rows, with_integrated(codes, channels, rows));
  });
};

const UNSIGNED = { 8: Uint8Array, 16: Uint16Array, 32: Float32Array };
const SIGNED = { 8: Int8Array, 16: Int16Array, 32: Float32Array };

/**
 * Return how the samples of an answer of `spectra` lie, or null where the page doesn't draw them: samples of less than
 * a byte, and several IFs. How the search joined IFs is not for the page to repeat.
 * @param {Headers} headers
 * @returns {{array: function, spectra: number}|null}
 */
export const layout_of = (headers) => {
  const number = (name) => Number(headers.get(name));
  const array = (number("X-Sample-Signed") === 1 ? SIGNED : UNSIGNED)[number("X-Sample-Bits")];
  return array === undefined || number("X-Ifs") !== 1 ? null : { array, spectra: number("X-Spectra") };
};

/** Return bandpass level and sigma of each channel of a range, from the pairs of blocks of a range that holds it. */
const noise_of_channels = (noise, manifest, { start, stop }) => {
  const levels = new Float32Array(stop - start);
  const sigmas = new Float32Array(stop - start);
  for (const run of runs_of(manifest.chunk_edges, noise.start, noise.stop, manifest.noise_factor)) {
    for (let channel = Math.max(start, run.start); channel < Math.min(stop, run.end); channel += 1) {
      const pair = 2 * (run.first + Math.floor((channel - run.start) / manifest.noise_factor));
      levels[channel - start] = noise.pairs[pair];
      sigmas[channel - start] = noise.pairs[pair + 1];
    }
  }
  return { levels, sigmas };
};

/** Add the samples of a row's spectra channel by channel; return the sums and how many samples each has. */
const row_sums = (samples, channels, spectra) => {
  const sums = new Float64Array(channels);
  const counts = new Uint32Array(channels);
  for (let spectrum = spectra.start; spectrum < spectra.stop; spectrum += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      const power = samples[spectrum * channels + channel];
      if (!Number.isFinite(power)) continue;
      sums[channel] += power;
      counts[channel] += 1;
    }
  }
  return { sums, counts };
};

/**
 * Return the piece of an answer of `spectra`: rows as the levels have them, one column a channel.
 * @param {ArrayBuffer} buffer Samples by spectrum and channel, as a file of one IF has them.
 * @param {{array: function, spectra: number}} layout Of `layout_of`.
 * @param {{start: number, stop: number, pairs: Float32Array}} noise Bandpass level and sigma of a sample, for each
 *   block of the channels from start to stop, which hold the range.
 * @param {Object} manifest
 * @param {{start: number, stop: number}} range
 * @returns {import("./columns.js").Piece[]}
 */
export const sample_pieces = (buffer, layout, noise, manifest, range) => {
  const samples = new layout.array(buffer);
  const channels = range.stop - range.start;
  const { levels, sigmas } = noise_of_channels(noise, manifest, range);
  const codes = new Uint8Array(channels * manifest.rows);
  for (let row = 0; row < manifest.rows; row += 1) {
    const start = row * manifest.spectra_per_row;
    const stop = Math.min(manifest.n_spectra, start + manifest.spectra_per_row);
    const { sums, counts } = row_sums(samples, channels, {
      start, stop: Math.min(layout.spectra, stop),
    });
    for (let channel = 0; channel < channels; channel += 1) {
      const mean = counts[channel] === 0 ? NaN : sums[channel] / counts[channel];
      const scatter = sigmas[channel] > 0 ? sigmas[channel] : NaN;
      codes[channel * manifest.rows + row] = code_of(((mean - levels[channel]) / scatter) * Math.sqrt(stop - start));
    }
  }
  return [piece(range.start, channels, manifest.rows, with_integrated(codes, channels, manifest.rows))];
};
