// Ticks and texts of the axes: as many digits as the zoom needs.

/** Units of frequency that a person may type, in Hz. */
export const UNITS_HZ = { Hz: 1, kHz: 1e3, MHz: 1e6, GHz: 1e9 };

const MINUS = "\u2212";

/** Return a number with a fixed count of decimals and a real minus sign. */
export const fixed = (value, decimals) => value.toFixed(decimals).replace("-", MINUS);

/** Return the smallest of 1, 2, 5 times a power of ten that is at least `least`. */
export const round_step = (least) => {
  const power = 10 ** Math.floor(Math.log10(least));
  const lead = least / power;
  // 1e-9: a step that is one of the round numbers must not become the next for its last bit.
  return power * [1, 2, 5, 10].find((step) => step >= lead - 1e-9);
};

/** Return how many decimals a number of this size needs so that its first digit shows. */
export const decimals_of = (step) => Math.max(0, -Math.floor(Math.log10(step) + 1e-9));

/**
 * Return the round values within a range.
 * @param {number} from
 * @param {number} to Above from.
 * @param {number} step Distance of two ticks.
 * @returns {number[]} Rising.
 */
export const ticks_between = (from, to, step) => {
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => (first + at) * step);
};

/**
 * Return the ticks of a frequency axis.
 * @param {number} from_hz
 * @param {number} to_hz
 * @param {number} width_px Width of the axis.
 * @param {number} character_px Width of a character of a label.
 * @returns {{hz: number, text: string}[]} Labels in MHz that differ from each other and don't collide.
 */
export const frequency_ticks = (from_hz, to_hz, width_px, character_px) => {
  const whole_digits = String(Math.floor(Math.abs(to_hz) / 1e6)).length;
  let step_hz = (to_hz - from_hz) / Math.max(2, width_px / 60);
  // Finer steps need longer labels, which need wider steps: the second turn settles it.
  for (let turn = 0; turn < 3; turn += 1) {
    const decimals = decimals_of(round_step(step_hz) / 1e6);
    const label_px = (whole_digits + decimals + 2) * character_px + 18;
    step_hz = ((to_hz - from_hz) * label_px) / width_px;
  }
  const step = round_step(step_hz);
  const decimals = decimals_of(step / 1e6);
  return ticks_between(from_hz, to_hz, step).map((hz) => ({ hz, text: fixed(hz / 1e6, decimals) }));
};

/** Return the ticks of a linear axis with about one tick in `apart_px`. */
export const linear_ticks = (from, to, length_px, apart_px) => {
  if (!(to > from)) return [];
  const step = round_step(((to - from) * apart_px) / Math.max(length_px, 1));
  const decimals = decimals_of(step);
  return ticks_between(from, to, step).map((value) => ({ value, text: fixed(value, decimals) }));
};

/** Return a frequency in MHz to 0.1 Hz. */
export const exact_text = (hz) => `${fixed(hz / 1e6, 7)} MHz`;

/** Return a width with the unit that leaves one to three digits before the point. */
export const width_text = (hz) => {
  const unit = hz >= 1e9 ? "GHz" : hz >= 1e6 ? "MHz" : hz >= 1e3 ? "kHz" : "Hz";
  return `${Number((hz / UNITS_HZ[unit]).toPrecision(4))} ${unit}`;
};

/** Return a drift rate in Hz/s; the sign is always there. */
export const drift_text = (hz_s) => `${hz_s < 0 ? MINUS : "+"}${Math.abs(hz_s).toFixed(4)} Hz/s`;

/** Return a time of day in UTC to 0.1 s, from a modified Julian date and seconds after it. */
export const utc_text = (mjd, seconds) => {
  // 40587 is the modified Julian date of 1970-01-01, where JavaScript's clock begins.
  const tenths = Math.round((mjd - 40587) * 864000 + seconds * 10);
  const date = new Date(tenths * 100);
  // A header may state any number, and no calendar goes that far.
  return Number.isNaN(date.getTime()) ? `MJD ${mjd}` : date.toISOString().replace("T", " ").slice(0, 21);
};

/** Return the start of an observation as a part of a sentence; headers don't always state it. */
export const start_text = ({ start_mjd }) =>
  start_mjd === null || start_mjd === undefined ? "start not stated" : `from ${utc_text(start_mjd, 0)} UTC`;

/**
 * Return the number that a person typed with or without a unit, in Hz.
 * @param {string} text Such as "1420.4", "1420.4 MHz", "1,420,400 kHz".
 * @param {string} unit The unit that holds where the text names none.
 * @returns {number} NaN where the text is no number.
 */
export const typed_hz = (text, unit) => {
  const plain = text.trim().replaceAll(",", "").replace(MINUS, "-");
  const match = /^([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([kmg]?hz)?$/i.exec(plain);
  if (!match) return NaN;
  const named = Object.keys(UNITS_HZ).find((name) => name.toLowerCase() === (match[2] ?? "").toLowerCase());
  return Number(match[1]) * UNITS_HZ[named ?? unit];
};
