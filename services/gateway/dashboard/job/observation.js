// The grid and the origin of an observation, as terms with their texts: of a file that was just chosen, and of a job.

import { count_text, duration_text, fixed_text, utc_text } from "../format.js";

// Modified Julian Date 40587 is 1970-01-01.
const UNIX_EPOCH_MJD = 40_587;
const DAY_S = 86_400;

/**
 * Return the unix time of a Modified Julian Date.
 * @param {number} mjd days, UTC
 * @returns {number} s
 */
export const unix_of_mjd = (mjd) => Math.round((mjd - UNIX_EPOCH_MJD) * DAY_S * 1000) / 1000;

// So many digits that neighbouring channels differ.
const digits = (value, significant) => String(Number(value.toPrecision(significant)));

const UNITS = [["MHz", 1e6], ["kHz", 1e3], ["Hz", 1]];

/**
 * A width in the unit that keeps it short.
 * @param {number} width_hz
 * @returns {string}
 */
export const width_text = (width_hz) => {
  const [unit, size] = UNITS.find(([, one]) => Math.abs(width_hz) >= one) ?? ["Hz", 1];
  return `${digits(width_hz / size, 4)} ${unit}`;
};

const long_duration_text = (seconds) => {
  if (seconds < 60) return `${digits(seconds, 4)} s`;
  const minutes = Math.floor(seconds / 60);
  const rest_s = Math.round(seconds - 60 * minutes);
  return seconds < 3600 ? `${minutes} min ${rest_s} s` : duration_text(seconds);
};

/**
 * Return the lower and the upper end of the band.
 * @param {{first_channel_hz: number, channel_width_hz: number, n_channels: number}} observation
 * @returns {[number, number]} Hz
 */
export const band_hz = ({ first_channel_hz, channel_width_hz, n_channels }) => {
  const ends = [-0.5, n_channels - 0.5].map((channel) => first_channel_hz + channel * channel_width_hz);
  return ends.sort((a, b) => a - b);
};

const band_text = (observation) => {
  const [low, high] = band_hz(observation);
  return `${fixed_text(low / 1e6, 6)} to ${fixed_text(high / 1e6, 6)} MHz (${width_text(high - low)})`;
};

const spectra_text = ({ n_spectra, spectrum_s }) =>
  `${count_text(n_spectra)} of ${digits(spectrum_s, 4)} s, ${long_duration_text(n_spectra * spectrum_s)} in all`;

const samples_text = ({ n_bits, n_ifs }) => {
  const ifs = n_ifs === 1 ? "1 IF (polarisation)" : `${n_ifs} IFs (polarisations)`;
  return `${n_bits} ${n_bits === 1 ? "bit" : "bits"}, ${ifs}`;
};

// The drift rate of a path that moves one channel from the first spectrum to the last.
const drift_resolution_text = ({ channel_width_hz, n_spectra, spectrum_s }) =>
  `${digits(Math.abs(channel_width_hz) / ((n_spectra - 1) * spectrum_s), 3)} Hz/s`;

/**
 * Return what is known of an observation.
 * @param {object} observation as in the API's jobs; `source_name` and `telescope` may be missing
 * @returns {[string, string][]} terms and texts
 */
export const observation_rows = (observation) => {
  const { channel_width_hz, n_channels, start_mjd, source_name, telescope } = observation;
  const direction = channel_width_hz < 0 ? "highest first" : "lowest first";
  const rows = [
    ["Band", band_text(observation)],
    ["Channels", `${count_text(n_channels)} of ${width_text(Math.abs(channel_width_hz))}, ${direction}`],
    ["Spectra", spectra_text(observation)],
    ["Start", start_mjd ? utc_text(unix_of_mjd(start_mjd)) : "not stated"],
    ["Samples", samples_text(observation)],
    ["Drift resolution", drift_resolution_text(observation)],
  ];
  if (telescope) rows.unshift(["Telescope", telescope]);
  if (source_name) rows.unshift(["Source in the header", source_name]);
  return rows;
};
