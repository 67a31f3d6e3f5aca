// Numbers and times as people read them. Pure: no document, no network.

const MINUS = "\u2212";
const EM_DASH = "\u2014";

const is_number = (value) => typeof value === "number" && Number.isFinite(value);

/**
 * How many decimals a number deserves: two significant digits of its error below 3, else one.
 * @param {number} error standard error, in the number's unit
 * @param {number} most the most decimals that are ever shown
 * @returns {number}
 */
export const decimals_of = (error, most = 9) => {
  if (!is_number(error) || error <= 0) return most;
  const exponent = Math.floor(Math.log10(error));
  const leading = error / 10 ** exponent;
  return Math.min(most, Math.max(0, (leading < 3 ? 1 : 0) - exponent));
};

/**
 * A number with so many decimals and a true minus sign.
 * @param {number} value
 * @param {number} decimals
 * @returns {string}
 */
export const fixed_text = (value, decimals) => {
  if (!is_number(value)) return EM_DASH;
  const text = value.toFixed(decimals);
  // A rounded zero has no sign.
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", MINUS);
};

/**
 * A number with the digits that its error deserves.
 * @param {number} value
 * @param {number | null} [error]
 * @param {number} [most] decimals where the error is not known
 * @returns {string}
 */
export const number_text = (value, error = null, most = 3) =>
  fixed_text(value, is_number(error) && error > 0 ? decimals_of(error) : most);

/**
 * A whole number with thousands apart.
 * @param {number} value
 * @returns {string}
 */
export const count_text = (value) => (is_number(value) ? Math.round(value).toLocaleString("en-GB") : EM_DASH);

/**
 * A frequency in MHz.
 * @param {number} frequency_hz
 * @param {number | null} [error_hz] standard error, Hz; without it, digits to 1 Hz
 * @returns {string}
 */
export const frequency_text = (frequency_hz, error_hz = null) => {
  const decimals = is_number(error_hz) && error_hz > 0 ? decimals_of(error_hz / 1e6, 8) : 6;
  return is_number(frequency_hz) ? `${fixed_text(frequency_hz / 1e6, decimals)} MHz` : EM_DASH;
};

/**
 * A drift rate in Hz/s.
 * @param {number} drift_rate_hz_s
 * @param {number | null} [error_hz_s] standard error, Hz/s; without it, three decimals
 * @returns {string}
 */
export const drift_text = (drift_rate_hz_s, error_hz_s = null) =>
  is_number(drift_rate_hz_s) ? `${number_text(drift_rate_hz_s, error_hz_s, 3)} Hz/s` : EM_DASH;

/**
 * A signal-to-noise ratio: its own standard error is about 1, so one decimal, and none from 100.
 * @param {number} snr
 * @returns {string}
 */
export const snr_text = (snr) => (is_number(snr) ? fixed_text(snr, Math.abs(snr) < 100 ? 1 : 0) : EM_DASH);

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

/**
 * A size. Units are powers of 1,024, as the limits of the tiers are.
 * @param {number} bytes
 * @returns {string}
 */
export const size_text = (bytes) => {
  if (!is_number(bytes)) return EM_DASH;
  let [value, unit] = [bytes, 0];
  while (value >= 1023.95 && unit < SIZES.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${SIZES[unit]}`;
};

/**
 * A time in UTC, to the second.
 * @param {number} time_s unix time, s
 * @returns {string} such as "2026-11-29 17:42:10 UTC"
 */
export const utc_text = (time_s) => {
  // Not every number is a time: a file's header may state any.
  const date = new Date(is_number(time_s) ? time_s * 1000 : NaN);
  return Number.isNaN(date.getTime()) ? EM_DASH : `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
};

const UNITS = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];

/**
 * A duration in its largest unit.
 * @param {number} seconds
 * @returns {string} such as "3 min"
 */
export const duration_text = (seconds) => {
  if (!is_number(seconds)) return EM_DASH;
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  const whole = Math.max(0, Math.round(seconds));
  const [size, name] = UNITS.find(([unit]) => whole >= unit) ?? [1, "s"];
  return `${Math.floor(whole / size)} ${name}`;
};

const DAY_S = 86_400;

/**
 * A time as its distance from now.
 * @param {number} time_s unix time, s
 * @param {number} now_s unix time, s
 * @returns {string} such as "3 min ago", "in 2 d" or "just now"
 */
export const relative_text = (time_s, now_s) => {
  if (!is_number(time_s)) return EM_DASH;
  const ago = now_s - time_s;
  // The server's clock and this machine's may differ by some seconds.
  if (Math.abs(ago) < 5) return "just now";
  // What lasts for 90 days is over "in 90 d" from the first second on.
  const distance = ago < -DAY_S ? Math.round(-ago / DAY_S) * DAY_S : Math.round(Math.abs(ago));
  const duration = duration_text(distance);
  return ago > 0 ? `${duration} ago` : `in ${duration}`;
};

/**
 * A time in UTC and relative.
 * @param {number} time_s unix time, s
 * @param {number} [now_s] unix time, s
 * @returns {string}
 */
export const when_text = (time_s, now_s = Date.now() / 1000) =>
  is_number(time_s) ? `${utc_text(time_s)} (${relative_text(time_s, now_s)})` : EM_DASH;

/**
 * A noun with its number.
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 * @returns {string} such as "1 job" or "2,000 jobs"
 */
export const counted_text = (count, one, many = `${one}s`) => `${count_text(count)} ${count === 1 ? one : many}`;
