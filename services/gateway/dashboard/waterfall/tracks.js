// Hits as tracks: where they lie in time and frequency, which of them are in view, and where labels fit.

/** Least distance of two labels. */
const APART_PX = 8;

/**
 * @typedef {Object} Hit
 * @property {string|number} id
 * @property {number} frequency_hz At the time reference_s.
 * @property {number} drift_rate_hz_s
 * @property {number} [drift_change_hz_s2] Change of the drift rate.
 * @property {number} [chord_s] Time over which drift_rate_hz_s is the mean; without it, it is that at reference_s.
 * @property {number} bandwidth_hz
 * @property {number} snr
 * @property {string} label
 * @property {number} [start_s] Where the track begins, in seconds after the first panel's start.
 * @property {number} [stop_s]
 * @property {number} [reference_s]
 * @property {string} [job_id] The only panel that has the hit; all panels without it.
 */

/**
 * Return the frequency of a hit's track.
 * @param {Hit} hit
 * @param {number} seconds After the first panel's start.
 * @returns {number} Hz.
 */
export const track_hz = (hit, seconds) => {
  const after = seconds - (hit.reference_s ?? 0);
  const bend_hz = ((hit.drift_change_hz_s2 ?? 0) * after * (after - (hit.chord_s ?? 0))) / 2;
  return hit.frequency_hz + hit.drift_rate_hz_s * after + bend_hz;
};

/** Return the drift rate of a hit's track at a time. */
export const track_drift_hz_s = (hit, seconds) =>
  hit.drift_rate_hz_s + (hit.drift_change_hz_s2 ?? 0) * (seconds - (hit.reference_s ?? 0) - (hit.chord_s ?? 0) / 2);

/**
 * Return the part of a panel's time in which a hit has a track, or null.
 * @param {Hit} hit
 * @param {{job_id: string}} panel
 * @param {{start_s: number, stop_s: number}} span The panel's time, in seconds after the first panel's start.
 * @returns {{start_s: number, stop_s: number}|null}
 */
export const span_in = (hit, panel, span) => {
  if (hit.job_id !== undefined && hit.job_id !== panel.job_id) return null;
  const start_s = Math.max(span.start_s, hit.start_s ?? span.start_s);
  const stop_s = Math.min(span.stop_s, hit.stop_s ?? span.stop_s);
  return start_s < stop_s ? { start_s, stop_s } : null;
};

/** Return the lowest and highest frequency of a hit's track over a time. */
export const reach_hz = (hit, span) => {
  const ends = [track_hz(hit, span.start_s), track_hz(hit, span.stop_s)];
  return { low_hz: Math.min(...ends) - hit.bandwidth_hz / 2, high_hz: Math.max(...ends) + hit.bandwidth_hz / 2 };
};

/** Return the hits whose tracks touch the view, the lowest frequency first. */
export const hits_in_view = (hits, view, span) => {
  const [low, high] = [view.center_hz - view.width_hz / 2, view.center_hz + view.width_hz / 2];
  return hits
    .filter((hit) => {
      const reach = reach_hz(hit, span);
      return reach.high_hz >= low && reach.low_hz <= high;
    })
    .sort((a, b) => a.frequency_hz - b.frequency_hz);
};

/**
 * Return the labels that fit beside each other: the selected one first, then the strongest.
 * @param {{x: number, width_px: number, snr: number, selected: boolean}[]} labels `x` is where a centre would be best.
 * @param {number} from_px Left edge of the place for labels.
 * @param {number} to_px Right edge.
 * @returns {Object[]} Those that fit, each with `left` added.
 */
export const labels_that_fit = (labels, from_px, to_px) => {
  const placed = [];
  const ranked = [...labels].sort((a, b) => Number(b.selected) - Number(a.selected) || b.snr - a.snr);
  for (const label of ranked) {
    if (label.width_px > to_px - from_px) continue;
    const left = Math.min(to_px - label.width_px, Math.max(from_px, label.x - label.width_px / 2));
    const right = left + label.width_px;
    const clear_of = (other) => left >= other.left + other.width_px + APART_PX || right + APART_PX <= other.left;
    const free = placed.every(clear_of);
    if (free) placed.push({ ...label, left });
  }
  return placed;
};

/** Return the hit before (-1) or after (1) the selected one by frequency; the nearest to the centre if none is. */
export const neighbour = (hits, selected, step, center_hz) => {
  if (!hits.length) return null;
  const sorted = [...hits].sort((a, b) => a.frequency_hz - b.frequency_hz);
  const at = sorted.findIndex((hit) => hit.id === selected);
  if (at >= 0) return sorted[(at + step + sorted.length) % sorted.length];
  return sorted.reduce((best, hit) =>
    Math.abs(hit.frequency_hz - center_hz) < Math.abs(best.frequency_hz - center_hz) ? hit : best,
  );
};
