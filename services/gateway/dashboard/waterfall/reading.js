// What the waterfall holds at a place, as values and as text.

import { channel_at } from "./axes.js";
import { drift_text, exact_text, fixed, utc_text } from "./ticks.js";
import { track_drift_hz_s } from "./tracks.js";

/**
 * Return what is drawn at a point.
 * @param {Object} scene
 * @param {{hz: number, seconds: number, at: number}} point Of `point_at`.
 * @returns {{hz: number, seconds: number, utc: string, channel: number, sigma: number, strip: number, factor: number,
 *   decibels: number|null, panel: Object}} `sigma` is NaN where there is no sample; `factor` counts its channels.
 */
export const reading_at = (scene, point) => {
  const { panel, pooled, start_s, length_s } = scene.panels[point.at];
  const { layout } = scene;
  const { rows, spectra_per_row, n_spectra } = panel.manifest;
  const share = (scene.x_of(point.hz, point.seconds) - layout.left) / (layout.right - layout.left);
  const x = Math.min(pooled.width_px - 1, Math.max(0, Math.floor(share * pooled.width_px)));
  const spectrum = ((point.seconds - start_s) / length_s) * n_spectra;
  const row = Math.min(rows - 1, Math.max(0, Math.floor(spectrum / spectra_per_row)));
  const sigma = pooled.factors[x] === 0 ? NaN : pooled.sigma_at(x, row);
  return {
    hz: point.hz, seconds: point.seconds - start_s, panel, sigma,
    utc: panel.manifest.start_mjd ? utc_text(panel.manifest.start_mjd, point.seconds - start_s) : "not stated",
    channel: channel_at(panel.grid, point.hz),
    strip: pooled.strip_at(x),
    factor: pooled.factors[x],
    decibels: scene.decibels === null ? null : scene.decibels(sigma, pooled.channels_at(x, row)),
  };
};

const value_text = ({ sigma, decibels }) => {
  if (Number.isNaN(sigma)) return "no sample";
  return decibels === null ? `${fixed(sigma, 1)} σ` : `${fixed(sigma, 1)} σ (${fixed(decibels, 2)} dB)`;
};

/**
 * Return a reading as parts of text, in the order in which they are shown.
 * @param {Object} reading Of `reading_at`.
 * @param {Object} scene
 * @returns {{name: string, text: string}[]}
 */
export const reading_parts = (reading, scene) => {
  const panel = scene.panels.length > 1 ? [{ name: "Scan", text: reading.panel.label }] : [];
  const hit = scene.hits.find((each) => each.id === scene.selected);
  const start_s = scene.panels.find((each) => each.panel === reading.panel).start_s;
  const drift = hit
    ? [{ name: "Drift of the selected hit", text: drift_text(track_drift_hz_s(hit, start_s + reading.seconds)) }]
    : [];
  return [
    ...panel,
    { name: "Frequency", text: exact_text(reading.hz) },
    { name: "Channel", text: String(reading.channel) },
    { name: "Time", text: `${reading.seconds.toFixed(1)} s` },
    { name: "UTC", text: reading.utc.slice(-10) },
    { name: "Value", text: value_text(reading) },
    { name: "Integrated", text: Number.isNaN(reading.strip) ? "not known" : `${fixed(reading.strip, 1)} σ` },
    ...drift,
  ];
};

/** Return a sentence about what the pixels of the first panel are. */
export const resolution_text = (scene) => {
  const { pooled, panel } = scene.panels[0];
  const shown = [...new Set(pooled.factors)].filter((factor) => factor > 0).sort((a, b) => a - b);
  const channels_per_px = scene.view.width_hz / pooled.width_px / panel.grid.width_hz;
  if (!shown.length) return "Nothing is loaded here yet.";
  const name_of = (factor) => (factor === 1 ? "single channels" : `columns of ${factor} channels`);
  const columns = shown.map(name_of).join(" and ");
  const kind = pooled.codes === null ? "mean" : "maximum";
  if (channels_per_px > 1) {
    const count = Math.max(1, Math.round(channels_per_px)).toLocaleString("en");
    return `A pixel is the ${kind} over ${count} channels, from ${columns}.`;
  }
  return `Drawn from ${columns}; nothing is interpolated.`;
};

/** Return the drift rate between two points of the ruler; null where they have the same time. */
export const ruler_drift = (a, b) => (a.seconds === b.seconds ? null : (b.hz - a.hz) / (b.seconds - a.seconds));

/**
 * Return the ruler of a typed drift rate through a point, over the whole time of the point's panel.
 * @returns {Object} {a, b, drift_hz_s}
 */
export const ruler_through = (scene, point, drift_hz_s) => {
  const { start_s, length_s } = scene.panels[point.at];
  const end = (seconds) => ({ hz: point.hz + drift_hz_s * (seconds - point.seconds), seconds, at: point.at });
  return { a: end(start_s), b: end(start_s + length_s), drift_hz_s };
};

