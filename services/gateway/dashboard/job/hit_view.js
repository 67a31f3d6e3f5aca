// Which part of the band shows a hit. Pure.

/** A view at most this wide stays as wide when one steps from hit to hit. */
const WIDEST_KEPT_HZ = 50_000;
const USUAL_WIDTH_HZ = 2_000;
/** Where the length of the observation is not known: that of most. */
const USUAL_DURATION_S = 300;
/** A track takes at most this part of the width. */
const TRACK_PART = 1 / 3;

/**
 * Return the view that shows a hit's whole track, with its middle in the middle.
 * @param {{frequency_hz: number, drift_rate_hz_s: number}} hit
 * @param {number | undefined} duration_s of the observation
 * @param {number | null | undefined} present_hz width of the present view
 * @returns {{center_hz: number, width_hz: number}}
 */
export const around_hit = ({ frequency_hz, drift_rate_hz_s }, duration_s, present_hz) => {
  const moved_hz = drift_rate_hz_s * (duration_s ?? USUAL_DURATION_S);
  const kept_hz = present_hz && present_hz <= WIDEST_KEPT_HZ ? present_hz : USUAL_WIDTH_HZ;
  const width_hz = Math.max(kept_hz, Math.abs(moved_hz) / TRACK_PART);
  // As exact as the waterfall writes them.
  return { center_hz: Number((frequency_hz + moved_hz / 2).toFixed(3)), width_hz: Number(width_hz.toFixed(3)) };
};
