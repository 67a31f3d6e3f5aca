// Where things are: channels, frequencies and the view. Frequency grows to the right whatever the sign of the channel
// width is. A position counts channels from the lower edge of the band, so it grows with the frequency.

/** Fewest channels that a view is wide. */
export const MIN_CHANNELS = 2;

/**
 * @typedef {Object} Grid The channels of an observation.
 * @property {number} n_channels
 * @property {number} width_hz Width of a channel, above 0.
 * @property {boolean} rising True if the frequency grows with the channel number.
 * @property {number} low_hz Lower edge of the band.
 * @property {number} high_hz Upper edge of the band.
 */

/**
 * @typedef {Object} View What the waterfall shows.
 * @property {number} center_hz
 * @property {number} width_hz
 */

/**
 * Return the grid of an observation.
 * @param {{n_channels: number, first_channel_hz: number, channel_width_hz: number}} manifest The centre of channel 0
 *   and the width with its sign.
 * @returns {Grid}
 */
export const grid_of = (manifest) => {
  const width_hz = Math.abs(manifest.channel_width_hz);
  const rising = manifest.channel_width_hz > 0;
  const last_hz = manifest.first_channel_hz + (manifest.n_channels - 1) * manifest.channel_width_hz;
  const low_hz = Math.min(manifest.first_channel_hz, last_hz) - width_hz / 2;
  const { n_channels } = manifest;
  return { n_channels, width_hz, rising, low_hz, high_hz: low_hz + n_channels * width_hz };
};

/** Return the position of a frequency: channels above the lower edge of the band. */
export const position_of = (grid, hz) => (hz - grid.low_hz) / grid.width_hz;

/** Return the frequency at a position. */
export const hz_of = (grid, position) => grid.low_hz + position * grid.width_hz;

/** Return the number of the channel that holds a frequency; below 0 or beyond the last one outside the band. */
export const channel_at = (grid, hz) => {
  const position = Math.floor(position_of(grid, hz));
  return grid.rising ? position : grid.n_channels - 1 - position;
};

/** Return the lower and upper edge of the channels from start to stop, in Hz. */
export const edges_hz = (grid, { start, stop }) =>
  grid.rising
    ? { from_hz: hz_of(grid, start), to_hz: hz_of(grid, stop) }
    : { from_hz: hz_of(grid, grid.n_channels - stop), to_hz: hz_of(grid, grid.n_channels - start) };

/**
 * Return the channels that overlap a range of frequencies.
 * @param {Grid} grid
 * @param {number} from_hz
 * @param {number} to_hz Above from_hz.
 * @returns {{start: number, stop: number}} Channel numbers within the band; start = stop where none overlaps.
 */
export const channels_between = (grid, from_hz, to_hz) => {
  const inside = (position) => Math.min(grid.n_channels, Math.max(0, position));
  const low = inside(Math.floor(position_of(grid, from_hz)));
  const high = inside(Math.ceil(position_of(grid, to_hz)));
  if (high <= low) return { start: 0, stop: 0 };
  return grid.rising ? { start: low, stop: high } : { start: grid.n_channels - high, stop: grid.n_channels - low };
};

/**
 * Return the band that holds several grids, and the narrowest view of it.
 * @param {Grid[]} grids At least one.
 * @returns {{low_hz: number, high_hz: number, least_hz: number}}
 */
export const band_of = (grids) => ({
  low_hz: Math.min(...grids.map((grid) => grid.low_hz)),
  high_hz: Math.max(...grids.map((grid) => grid.high_hz)),
  least_hz: MIN_CHANNELS * Math.min(...grids.map((grid) => grid.width_hz)),
});

/** Return the view of the whole band. */
export const whole_view = (band) => ({
  center_hz: (band.low_hz + band.high_hz) / 2,
  width_hz: band.high_hz - band.low_hz,
});

/** Return the view moved and resized so that it lies in the band. */
export const clamped = (view, band) => {
  const band_hz = band.high_hz - band.low_hz;
  const width_hz = Math.min(band_hz, Math.max(Math.min(band.least_hz, band_hz), view.width_hz));
  const half = width_hz / 2;
  const center_hz = Math.min(band.high_hz - half, Math.max(band.low_hz + half, view.center_hz));
  return { ...view, center_hz, width_hz };
};

/**
 * Return the view zoomed about a frequency, which stays where it is on the screen.
 * @param {View} view
 * @param {number} factor Above 1 zooms in.
 * @param {number} anchor_hz
 * @param {{low_hz: number, high_hz: number, least_hz: number}} band
 * @returns {View}
 */
export const zoomed = (view, factor, anchor_hz, band) => {
  const { width_hz } = clamped({ ...view, width_hz: view.width_hz / factor }, band);
  const center_hz = anchor_hz + (view.center_hz - anchor_hz) * (width_hz / view.width_hz);
  return clamped({ ...view, center_hz, width_hz }, band);
};

/** Return the view moved by a number of Hz; positive shows higher frequencies. */
export const panned = (view, by_hz, band) => clamped({ ...view, center_hz: view.center_hz + by_hz }, band);

/** Return the view of a typed range, or null where the range is no range. */
export const view_between = (from_hz, to_hz, band) => {
  if (!Number.isFinite(from_hz) || !Number.isFinite(to_hz) || to_hz <= from_hz) return null;
  if (to_hz < band.low_hz || from_hz > band.high_hz) return null;
  return clamped({ center_hz: (from_hz + to_hz) / 2, width_hz: to_hz - from_hz }, band);
};
