// What a user may choose for a search: defaults, bounds and what each means. They are those of the API
// (POST /analyze and POST /cadences); a test compares them with its document.

/**
 * Numbers. `of` says for what: each search, or cadences alone.
 * @type {Record<string, {label: string, unit: string, by_default: number | null, least: number, most: number,
 *   step: string, of: "search" | "cadence", help: string}>}
 */
export const NUMBERS = {
  snr_threshold: {
    label: "Least SNR of a hit", unit: "", by_default: 10, least: 5, most: 1e6, step: "any", of: "search",
    help: "Noise alone rarely reaches 10. Near 5 it makes many hits, and the search takes longer.",
  },
  max_drift_rate_hz_s: {
    label: "Widest drift rate", unit: "Hz/s", by_default: 4, least: 0, most: 50, step: "any", of: "search",
    help: "How fast a signal may move in frequency, either way. 4 Hz/s covers the Earth's rotation and orbit at "
      + "most frequencies; wider takes longer.",
  },
  min_on_scans: {
    label: "ON scans that must show an event", unit: "", by_default: null, least: 1, most: 64, step: "1", of: "cadence",
    help: "All of them, if you leave it empty. Fewer find signals that were off for a while.",
  },
  off_snr: {
    label: "SNR in an OFF scan that rules an event out", unit: "", by_default: 3.5, least: 1, most: 1e6, step: "any",
    of: "cadence",
    help: "Each OFF scan is measured along the signal's track. At 3.5, noise rules one in 4300 real events out.",
  },
  max_drift_change_hz_s2: {
    label: "Fastest change of drift rate", unit: "Hz/s²", by_default: 1e-4, least: 0, most: 1, step: "any",
    of: "cadence",
    help: "How fast the drift of one signal may change from scan to scan. The default is above what the Earth's "
      + "rotation gives at 10 GHz.",
  },
};

/** The choices of IFs (polarisations), by the API's value. */
export const IF_CHOICES = {
  first: "The first only",
  all: "Each by itself",
  stokes_i: "The sum of the two powers (Stokes I)",
};

/** What a file's IFs may be, by the API's value. */
export const POL_TYPES = {
  "": "As the file has them: two IFs are two powers",
  AABB: "AABB: two powers",
  AABBCRCI: "AABBCRCI: two powers and their cross products",
  IQUV: "IQUV: the Stokes parameters",
};

/** What the form holds at first: texts as typed. */
export const DEFAULTS = {
  ...Object.fromEntries(Object.entries(NUMBERS).map(([name, one]) => [name, one.by_default?.toString() ?? ""])),
  ifs: "first", pol_type: "", chirps: false,
};

const is_used = (name, as_cadence) => as_cadence || NUMBERS[name].of === "search";

/**
 * Say what is wrong with a number that was typed.
 * @param {string} name one of `NUMBERS`
 * @param {string} text
 * @returns {string} a sentence; empty if it is right
 */
export const number_problem = (name, text) => {
  const { label, unit, by_default, least, most, step } = NUMBERS[name];
  if (text.trim() === "" && by_default === null) return "";
  const value = Number(text);
  const is_right = text.trim() !== "" && value >= least && value <= most && (step !== "1" || Number.isInteger(value));
  const kind = step === "1" ? "a whole number" : "a number";
  return is_right ? "" : `${label} must be ${kind} from ${least} to ${most}${unit && ` ${unit}`}.`;
};

/**
 * Say what is wrong with a form.
 * @param {typeof DEFAULTS} values
 * @param {boolean} as_cadence
 * @returns {string[]} sentences; empty if it can be sent
 */
export const problems_of = (values, as_cadence) => {
  const names = Object.keys(NUMBERS).filter((name) => is_used(name, as_cadence));
  return names.map((name) => number_problem(name, values[name])).filter(Boolean);
};

/**
 * Return the fields of the request: what differs from the defaults.
 * @param {typeof DEFAULTS} values a form without problems
 * @param {boolean} as_cadence
 * @returns {Record<string, number | string | boolean>}
 */
export const fields_of = (values, as_cadence) => {
  const fields = {};
  for (const [name, { by_default }] of Object.entries(NUMBERS)) {
    const text = values[name].trim();
    if (is_used(name, as_cadence) && text !== "" && Number(text) !== by_default) fields[name] = Number(text);
  }
  if (values.ifs !== "first") fields.ifs = values.ifs;
  if (values.pol_type) fields.pol_type = values.pol_type;
  if (values.chirps) fields.chirps = true;
  return fields;
};
