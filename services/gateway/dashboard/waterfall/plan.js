// Which tiles a view needs. A tile is a request: a run of columns of one level, or a run of single channels.

/** Most bytes that the tiles of one screen may have, all panels together. */
export const SCREEN_BYTES = 280_000;
const TILE_BYTES = 40_000;
const RAW_TILE_BYTES = 8192;
// Samples of one panel that are always worth reading: scans of a cadence are compared by single channels, and windows
// round hits would show them in the ON scans alone.
const LEAST_RAW_BYTES = 72_000;
const MOST_COLUMNS = 512;
const FEWEST_COLUMNS = 64;
/** Single channels are asked for in windows of this many channels. */
const WINDOW_CHANNELS = 8192;

const power_of_two_below = (value) => 2 ** Math.floor(Math.log2(value));

/** Return how many columns a tile of a level has. */
export const tile_columns = (rows) =>
  Math.max(FEWEST_COLUMNS, Math.min(MOST_COLUMNS, power_of_two_below(TILE_BYTES / (rows + 1))));

/** Return how many channels a tile of raw samples has; float32 samples are assumed. */
export const raw_channels = (manifest) =>
  Math.max(16, power_of_two_below(RAW_TILE_BYTES / (4 * manifest.n_spectra)));

const column_bytes = (manifest, statistic) => (statistic === "max" ? manifest.rows + 1 : manifest.rows);

/**
 * Return the aligned tiles of one kind that overlap the channels from start to stop.
 * @param {Object} manifest
 * @param {{kind: string, statistic?: string, factor: number, span: number}} shape `span` is the channels of a tile.
 * @param {{start: number, stop: number}} range
 * @returns {{key: string, kind: string, statistic?: string, factor: number, start: number, stop: number}[]}
 */
export const tiles_of = (manifest, shape, range) => {
  const tiles = [];
  for (let at = Math.floor(range.start / shape.span); at * shape.span < range.stop; at += 1) {
    const start = at * shape.span;
    const stop = Math.min(manifest.n_channels, start + shape.span);
    tiles.push({ ...shape, start, stop, key: `${shape.kind}/${shape.statistic ?? ""}/${shape.factor}/${start}` });
  }
  return tiles;
};

/** Return the shape of a level's tiles. */
export const level_shape = (manifest, statistic, factor) =>
  ({ kind: "level", statistic, factor, span: tile_columns(manifest.rows) * factor });

/** Return the bytes of a level's tiles that overlap the range. */
const level_bytes = (manifest, statistic, factor, range) => {
  const { span } = level_shape(manifest, statistic, factor);
  const first = Math.floor(range.start / span) * span;
  const last = Math.min(manifest.n_channels, Math.ceil(range.stop / span) * span);
  return Math.ceil((last - first) / factor) * column_bytes(manifest, statistic);
};

/**
 * Return the finest level whose columns are at least as many as the pixels need and that costs no more than is allowed.
 * @param {Object} manifest
 * @param {string} statistic "max" or "mean".
 * @param {{start: number, stop: number}} range Channels in view.
 * @param {number} width_px
 * @param {number} bytes Allowed.
 * @returns {number} Channels of a column. The coarsest level where all cost too much.
 */
export const factor_for = (manifest, statistic, range, width_px, bytes) => {
  const channels_per_px = (range.stop - range.start) / width_px;
  const enough = manifest.factors.filter((factor) => factor <= channels_per_px);
  const wanted = enough.length ? Math.max(...enough) : Math.min(...manifest.factors);
  const cheap = manifest.factors.filter(
    (factor) => factor >= wanted && level_bytes(manifest, statistic, factor, range) <= bytes,
  );
  return cheap.length ? Math.min(...cheap) : Math.max(...manifest.factors);
};

/** Return the tiles of the coarsest level that show the whole band, or none where they cost more than is allowed. */
export const base_tiles = (manifest, statistic, bytes) => {
  const factor = Math.max(...manifest.factors);
  const range = { start: 0, stop: manifest.n_channels };
  if (level_bytes(manifest, statistic, factor, range) > bytes) return [];
  return tiles_of(manifest, level_shape(manifest, statistic, factor), range);
};

/** True if the observation's own samples of the range are read: they can be, and cost no more than is allowed. */
const reads_samples = (manifest, range, bytes) => {
  if (!manifest.draws_samples) return false;
  const span = raw_channels(manifest);
  const tiles = Math.ceil(range.stop / span) - Math.floor(range.start / span);
  return tiles * span * manifest.n_spectra * 4 <= Math.max(bytes, LEAST_RAW_BYTES);
};

/**
 * Return what a view of one panel needs.
 * @param {Object} manifest
 * @param {{start: number, stop: number}} range Channels in view, start < stop.
 * @param {number} width_px
 * @param {string} statistic
 * @param {number} bytes Allowed for this panel.
 * @returns {{factor: number, strip_factor: number, raw: boolean, levels: Object[], fine: Object[]}} The level of the
 *   picture, that of the strip of integrated values, whether the observation's samples are read, and the tiles. `fine`
 *   are those of single channels, drawn over the levels.
 */
export const plan_of = (manifest, range, width_px, statistic, bytes) => {
  // The mean level has no integrated values, so the strip needs tiles of the max level too.
  const share = statistic === "max" ? bytes : bytes / 2;
  const factor = factor_for(manifest, statistic, range, width_px, share);
  const strip_factor = statistic === "max" ? factor : factor_for(manifest, "max", range, width_px, share);
  const finest = Math.min(...manifest.factors);
  const channels_per_px = (range.stop - range.start) / width_px;
  const zoomed_in = channels_per_px < finest;
  const raw = zoomed_in && reads_samples(manifest, range, bytes);
  const windows = zoomed_in && !raw && (range.stop - range.start) * manifest.rows <= bytes / 2;
  const fine = [
    ...(raw ? tiles_of(manifest, { kind: "raw", factor: 1, span: raw_channels(manifest) }, range) : []),
    ...(windows ? tiles_of(manifest, { kind: "windows", factor: 1, span: WINDOW_CHANNELS }, range) : []),
  ];
  const levels = raw
    ? []
    : [
        ...tiles_of(manifest, level_shape(manifest, statistic, factor), range),
        ...(statistic === "max" ? [] : tiles_of(manifest, level_shape(manifest, "max", strip_factor), range)),
      ];
  return { factor, strip_factor, raw, levels, fine };
};

/** Return the tiles in the order of their distance from a channel, so that what is looked at comes first. */
export const nearest_first = (tiles, channel) => {
  const distance = (tile) => Math.max(tile.start - channel, channel - tile.stop, 0);
  return [...tiles].sort((a, b) => distance(a) - distance(b));
};
