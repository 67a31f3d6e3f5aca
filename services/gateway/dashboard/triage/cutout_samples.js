// The piece of the waterfall round one hit, out of the windows that are kept at full resolution. Pure.

const COUNT_BYTES = 4;
const HEAD_BYTES = 12;
const LEAST_MARGIN = 16;
// Windows reach so far beyond a track.
const MOST_MARGIN = 128;

/**
 * Return the channels to show of a hit: its track with a margin on both sides.
 * @param {{channel: number, steps: number, width: number}} hit first channel in the first spectrum, channels moved
 *   until the last, channels of the box
 * @param {number} n_channels of the observation
 * @returns {{start: number, stop: number}}
 */
export const span_of = ({ channel, steps, width }, n_channels) => {
  const [first, last] = [Math.min(channel, channel + steps), Math.max(channel, channel + steps) + width];
  const margin = Math.min(MOST_MARGIN, Math.max(LEAST_MARGIN, Math.round((last - first) / 2)));
  return { start: Math.max(0, first - margin), stop: Math.min(n_channels, last + margin) };
};

/**
 * Return the codes of some channels, row by row, from the answer of GET /jobs/{id}/waterfall/samples.
 * @param {ArrayBuffer} bytes u32 count, then for each window u64 first channel and u32 channels, then the windows, each
 *   channel by channel
 * @param {number} rows codes of a channel
 * @param {{start: number, stop: number}} span
 * @returns {Uint8Array | null} code 0 where no window has the channel; null where none has any
 */
export const codes_of = (bytes, rows, { start, stop }) => {
  const view = new DataView(bytes);
  const count = view.getUint32(0, true);
  const width = stop - start;
  const codes = new Uint8Array(rows * width);
  let at = COUNT_BYTES + count * HEAD_BYTES;
  let is_any = false;
  for (let window = 0; window < count; window += 1) {
    const head = COUNT_BYTES + window * HEAD_BYTES;
    const first = Number(view.getBigUint64(head, true));
    const channels = view.getUint32(head + 8, true);
    const samples = new Uint8Array(bytes, at, channels * rows);
    at += channels * rows;
    for (let channel = Math.max(first, start); channel < Math.min(first + channels, stop); channel += 1) {
      is_any = true;
      const from = (channel - first) * rows;
      for (let row = 0; row < rows; row += 1) codes[row * width + channel - start] = samples[from + row];
    }
  }
  return is_any ? codes : null;
};

/**
 * Return rows with their columns the other way round, for observations whose frequencies fall with the channel.
 * @param {Uint8Array} codes
 * @param {number} width columns
 * @returns {Uint8Array}
 */
export const mirrored = (codes, width) => {
  const found = new Uint8Array(codes.length);
  for (let at = 0; at < codes.length; at += width) found.set(codes.slice(at, at + width).reverse(), at);
  return found;
};
