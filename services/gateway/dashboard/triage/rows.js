// Hits of a job and events of a cadence as the triage shows them: one form for both. Pure.
import { csv_rows } from "./csv.js";

/**
 * `group`: the emitter; `known`: the service that it is put down to; `text`: what a search looks in.
 * @typedef {{id: number, frequency_hz: number, frequency_error_hz: number | null, drift_rate_hz_s: number,
 *   drift_rate_error_hz_s: number | null, drift_change_hz_s2: number, snr: number | null,
 *   bandwidth_hz: number | null, label: string, interestingness: number, group: number | null, known: string,
 *   protected_band: string, channel: number | null, steps: number | null, width: number | null,
 *   on_scans: number | null, on_scans_present: number | null, text: string}} Row
 */

const SHARED = {
  id: "number", frequency_hz: "number", frequency_error_hz: "number", drift_rate: "number", drift_rate_error: "number",
  snr: "number", bandwidth_hz: "number", classification: "text", interestingness: "number", rfi_source: "text",
  protected_band: "text",
};
const COLUMNS = {
  job: { ...SHARED, group: "number", channel: "number", steps: "number", width: "number", if_index: "number",
    curvature_hz_s2: "number" },
  cadence: {
    ...SHARED, family: "number", on_scans: "number", on_scans_present: "number", bands: "text", reasons: "text",
    drift_change_hz_s2: "number",
  },
};

const text_of = (...parts) => parts.filter(Boolean).join(" ").toLowerCase();

const row_of = (cells) => ({
  id: cells.id,
  frequency_hz: cells.frequency_hz,
  frequency_error_hz: cells.frequency_error_hz,
  drift_rate_hz_s: cells.drift_rate,
  drift_rate_error_hz_s: cells.drift_rate_error,
  drift_change_hz_s2: cells.curvature_hz_s2 ?? cells.drift_change_hz_s2 ?? 0,
  snr: cells.snr,
  bandwidth_hz: cells.bandwidth_hz,
  label: cells.classification,
  interestingness: cells.interestingness,
  group: cells.group ?? cells.family ?? null,
  known: cells.rfi_source,
  protected_band: cells.protected_band,
  channel: cells.channel ?? null,
  steps: cells.steps ?? null,
  width: cells.width ?? null,
  on_scans: cells.on_scans ?? null,
  on_scans_present: cells.on_scans_present ?? null,
  text: text_of(
    label_text(cells.classification), cells.classification, cells.rfi_source, cells.protected_band, cells.bands,
    cells.reasons,
  ),
});

/**
 * Return the rows of a catalogue, in its order: the most interesting first.
 * @param {"job" | "cadence"} kind
 * @param {string} text the CSV
 * @returns {Row[]}
 */
export const rows_of = (kind, text) => csv_rows(text, COLUMNS[kind]).map(row_of);

/**
 * Return a label in words.
 * @param {string} label such as "NARROWBAND_DRIFTING"
 * @returns {string} such as "Narrowband drifting"
 */
export const label_text = (label) => {
  const words = label
    .split("_")
    .map((word) => (["RFI", "ET", "TV", "GPS", "FM"].includes(word) ? word : word.toLowerCase()))
    .join(" ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/**
 * Return a row as the waterfall draws it.
 * @param {Row} row
 * @returns {{id: number, frequency_hz: number, drift_rate_hz_s: number, drift_change_hz_s2: number,
 *   bandwidth_hz: number, snr: number, label: string}}
 */
export const track_of = (row) => ({
  id: row.id,
  frequency_hz: row.frequency_hz,
  drift_rate_hz_s: row.drift_rate_hz_s,
  drift_change_hz_s2: row.drift_change_hz_s2,
  bandwidth_hz: row.bandwidth_hz,
  snr: row.snr,
  label: row.label,
});
