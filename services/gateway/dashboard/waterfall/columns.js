// The bytes of the waterfall's answers become pieces: runs of equally wide columns of one chunk.

/**
 * @typedef {Object} Piece Neighbouring columns of one chunk.
 * @property {number} start First channel of column 0.
 * @property {number} end Channel after the last one; the last column may be shorter than the others.
 * @property {number} factor Channels of a column.
 * @property {number} count Columns.
 * @property {Uint8Array} codes
 * @property {number} offset Where column 0 begins in `codes`.
 * @property {number} stride Bytes of a column: one code a row, and the integrated one where the level has it.
 */

/**
 * Return where each chunk's columns lie in an answer about the channels from start to stop.
 * @param {number[]} chunk_edges First channels of the chunks, and the channel after the last.
 * @param {number} start
 * @param {number} stop
 * @param {number} factor Channels of a column.
 * @returns {{start: number, end: number, count: number, first: number}[]} In channel order; `first` counts the columns
 *   of the answer before this run.
 */
export const runs_of = (chunk_edges, start, stop, factor) => {
  const runs = [];
  let first = 0;
  for (let chunk = 0; chunk + 1 < chunk_edges.length; chunk += 1) {
    const [low, high] = [chunk_edges[chunk], chunk_edges[chunk + 1]];
    const [a, b] = [Math.max(start, low), Math.min(stop, high)];
    if (a >= b) continue;
    const from = Math.floor((a - low) / factor);
    const count = Math.ceil((b - low) / factor) - from;
    runs.push({ start: low + from * factor, end: Math.min(high, low + (from + count) * factor), count, first });
    first += count;
  }
  return runs;
};

/**
 * Return the pieces of a level's answer.
 * @param {Uint8Array} codes
 * @param {{chunk_edges: number[]}} manifest
 * @param {{start: number, stop: number, factor: number}} range What was asked for.
 * @param {number} stride Bytes of a column.
 * @returns {Piece[]}
 */
export const level_pieces = (codes, manifest, range, stride) => {
  const runs = runs_of(manifest.chunk_edges, range.start, range.stop, range.factor);
  const columns = runs.reduce((sum, run) => sum + run.count, 0);
  if (codes.length !== columns * stride) {
    throw new Error(`The waterfall's answer has ${codes.length} bytes, not ${columns * stride}.`);
  }
  return runs.map(({ start, end, count, first }) => ({
    start, end, count, codes, stride, factor: range.factor, offset: first * stride,
  }));
};

/**
 * Return the channels of the column that holds a channel.
 * @param {number[]} chunk_edges
 * @param {number} channel
 * @param {number} factor
 * @returns {{start: number, stop: number}}
 */
export const column_of = (chunk_edges, channel, factor) => {
  const after = chunk_edges.findIndex((edge, at) => at > 0 && edge > channel);
  const [low, high] = [chunk_edges[after - 1], chunk_edges[after]];
  const start = low + Math.floor((channel - low) / factor) * factor;
  return { start, stop: Math.min(high, start + factor) };
};
