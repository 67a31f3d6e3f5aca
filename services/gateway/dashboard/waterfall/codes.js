// Values of the waterfall travel as one byte each. Code 0: no sample. Code c: z = 2 sinh((c - 56) / 16) sigmas.
// The steps are 0.125 sigma in the noise and 0.27 dB in strong signals (shared/waterfall.py writes them).

const ZERO_CODE = 56;
const STEPS = 16;
const SCALE = 2;

/** Value in sigmas of each of the 256 codes; NaN for code 0, which stands for a sample that is missing. */
export const SIGMA_OF_CODE = Float32Array.from({ length: 256 }, (_, code) =>
  code === 0 ? NaN : SCALE * Math.sinh((code - ZERO_CODE) / STEPS),
);

/**
 * Return the code of a value.
 * @param {number} sigma Value in sigmas; NaN for a missing sample.
 * @returns {number} 0 to 255.
 */
export const code_of = (sigma) => {
  if (Number.isNaN(sigma)) return 0;
  return Math.min(255, Math.max(1, Math.round(ZERO_CODE + STEPS * Math.asinh(sigma / SCALE))));
};

/**
 * Return a value in dB against the bandpass.
 * @param {number} sigma Mean of some samples, in units of its own sigma.
 * @param {number} sigma_relative Sigma of a sample over the level of the bandpass.
 * @param {number} samples How many; the sigma of their mean is smaller by the root of that.
 * @returns {number} dB; -Infinity where the power is not above 0.
 */
export const decibels_of = (sigma, sigma_relative, samples) =>
  10 * Math.log10(Math.max(0, 1 + (sigma * sigma_relative) / Math.sqrt(samples)));
