// The data of one observation in the waterfall: its manifest, and its tiles as they come.

import { grid_of } from "./axes.js";
import { level_pieces } from "./columns.js";
import { layout_of, sample_pieces, window_pieces } from "./full_resolution.js";
import { make_tile_store } from "./tile_store.js";

/** Observations of this many spectra may be searched as averages, and how many were averaged the page isn't told. */
const AVERAGED_SPECTRA = 512;
/** The noise is asked for in ranges of this many channels, a multiple of all tiles of samples. */
const NOISE_CHANNELS = 65_536;

const range_of = ({ start, stop }) => ({ start_channel: start, stop_channel: stop });

const load_level = async (panel, tile, get_bytes, signal) => {
  const query = { statistic: tile.statistic, ...range_of(tile) };
  const { bytes } = await get_bytes(`${panel.path}/waterfall/levels/${tile.factor}`, { query, signal });
  const stride = tile.statistic === "max" ? panel.manifest.rows + 1 : panel.manifest.rows;
  return { pieces: level_pieces(new Uint8Array(bytes), panel.manifest, tile, stride), bytes: bytes.byteLength };
};

const load_windows = async (panel, tile, get_bytes, signal) => {
  const { bytes } = await get_bytes(`${panel.path}/waterfall/samples`, { query: range_of(tile), signal });
  return { pieces: window_pieces(bytes, panel.manifest.rows), bytes: bytes.byteLength };
};

/** Return the noise round a tile. Many tiles share an answer, which is small, so it stays. */
const noise_for = (panel, tile, get_bytes) => {
  const start = Math.floor(tile.start / NOISE_CHANNELS) * NOISE_CHANNELS;
  const range = { start, stop: Math.min(panel.manifest.n_channels, start + NOISE_CHANNELS) };
  if (!panel.noise.has(start)) {
    const asked = get_bytes(`${panel.path}/waterfall/noise`, { query: range_of(range) });
    panel.noise.set(start, asked.then(({ bytes }) => ({ ...range, pairs: new Float32Array(bytes) })));
    asked.catch(() => panel.noise.delete(start));
  }
  return panel.noise.get(start);
};

const load_samples = async (panel, tile, get_bytes, signal) => {
  const query = range_of(tile);
  const [samples, noise] = await Promise.all([
    get_bytes(`${panel.path}/spectra`, { query: { ...query, format: "raw" }, signal }),
    noise_for(panel, tile, get_bytes),
  ]);
  const bytes = samples.bytes.byteLength;
  const layout = layout_of(samples.headers);
  if (layout === null) {
    panel.manifest = { ...panel.manifest, draws_samples: false };
    return { pieces: [], bytes };
  }
  return { pieces: sample_pieces(samples.bytes, layout, noise, panel.manifest, tile), bytes };
};

const LOADERS = { level: load_level, windows: load_windows, raw: load_samples };

/**
 * Make the data of one panel.
 * @param {{job_id: string, label: string, role?: string}} given
 * @param {Object} manifest Answer of GET /jobs/{id}/waterfall.
 * @param {Object} ways
 * @param {(path: string, options: Object) => Promise<{bytes: ArrayBuffer, headers: Headers}>} ways.get_bytes
 * @param {() => void} ways.on_change Called when tiles have come or failed.
 * @param {number} ways.capacity_bytes Most bytes of tiles that are kept.
 * @returns {Object} {job_id, label, role, manifest, grid, noise, store, path}
 */
export const make_panel = (given, manifest, { get_bytes, on_change, capacity_bytes }) => {
  const panel = {
    ...given,
    manifest: { ...manifest, draws_samples: manifest.spectra_readable && manifest.n_spectra < AVERAGED_SPECTRA },
    grid: grid_of(manifest),
    noise: new Map(),
    path: `/jobs/${encodeURIComponent(given.job_id)}`,
  };
  const load = async (tile, signal) => {
    try {
      return await LOADERS[tile.kind](panel, tile, get_bytes, signal);
    } catch (error) {
      // An upload that is gone or can't be cut leaves the levels, which show the same band more coarsely.
      if (tile.kind === "raw" && error.status >= 400 && error.status < 500) {
        panel.manifest = { ...panel.manifest, draws_samples: false };
      }
      throw error;
    }
  };
  panel.store = make_tile_store({ load, on_change, capacity_bytes });
  return panel;
};

/** Return how long a panel's observation lasts, in seconds. */
export const length_s = (panel) => panel.manifest.n_spectra * panel.manifest.spectrum_s;

/** Return the time of a row's middle in seconds from the panel's start. */
export const row_s = (panel, row) => {
  const { spectra_per_row, n_spectra, spectrum_s } = panel.manifest;
  const stop = Math.min(n_spectra, (row + 1) * spectra_per_row);
  return ((row * spectra_per_row + stop) / 2) * spectrum_s;
};
