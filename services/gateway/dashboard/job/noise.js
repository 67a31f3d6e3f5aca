// The noise of the parts of the band, as rows of a table.

import { count_text, counted_text, fixed_text } from "../format.js";

const EM_DASH = "\u2014";

const measured_text = (value) =>
  typeof value === "number" ? value.toLocaleString("en-GB", { maximumSignificantDigits: 4 }) : EM_DASH;

/**
 * A share as a percentage, with digits that show that it is not quite none or all.
 * @param {number | null | undefined} share from 0 to 1
 * @returns {string}
 */
export const share_text = (share) => {
  if (typeof share !== "number") return EM_DASH;
  if (share === 0) return "none";
  return share < 1e-4 ? "under 0.01 %" : `${fixed_text(100 * share, share < 0.01 ? 2 : 1)} %`;
};

const notes_of = (record) => {
  const { dead_channels = 0, gaps = [], gain_changes = [] } = record;
  const notes = [];
  if (dead_channels) notes.push(counted_text(dead_channels, "dead channel"));
  if (gaps.length) notes.push(counted_text(gaps.length, "gap"));
  if (gain_changes.length) notes.push(counted_text(gain_changes.length, "change of gain", "changes of gain"));
  return notes.join(", ");
};

const channels_of = ({ chunk, start_channel: start, stop_channel: stop }) =>
  typeof start === "number" ? `${count_text(start)} to ${count_text(stop - 1)}` : `part ${chunk + 1}`;

/**
 * Return a row for each part of the band.
 * @param {object[]} noise `noise` of results.json
 * @returns {{key: number, channels: string, level: string, sigma: string, lost: string, notes: string}[]}
 */
export const noise_rows = (noise) =>
  noise.map((record) => ({
    key: record.chunk,
    channels: channels_of(record),
    level: measured_text(record.level),
    sigma: measured_text(record.sigma),
    lost: share_text(record.lost_fraction),
    notes: notes_of(record),
  }));
