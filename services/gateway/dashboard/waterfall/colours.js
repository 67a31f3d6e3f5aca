// Colours are made in the page from values in sigmas. The maps keep their order of brightness for every kind of colour
// vision. viridis and cividis: 17 points of the tables of Matplotlib, published as CC0, with straight lines between.

const POINTS = {
  viridis: [
    "440154", "48186a", "472d7b", "424086", "3b528b", "33638d", "2c728e", "26828e", "21918c",
    "1fa088", "28ae80", "3fbc73", "5ec962", "84d44b", "addc30", "d8e219", "fde725",
  ],
  cividis: [
    "00224e", "002e6a", "1a386f", "32436d", "434e6c", "535a6d", "61656f", "6f7073", "7d7c78",
    "8c8878", "9b9476", "aba072", "bcae6c", "cdbb63", "dec958", "f0d846", "fee838",
  ],
  grey: ["000000", "ffffff"],
};

/** Names of the colour maps. */
export const MAPS = Object.keys(POINTS);

const numbers_of = (hex) => [0, 2, 4].map((digit) => parseInt(hex.slice(digit, digit + 2), 16));

/** The points of each map as numbers: [red, green, blue], 0 to 255, equally far apart from dark to bright. */
export const COLOURS_OF = Object.fromEntries(MAPS.map((map) => [map, POINTS[map].map(numbers_of)]));

/** Colour of places without a sample: no map has it. */
export const NO_SAMPLE = [122, 92, 92];

/**
 * Return the colour at a place of a map.
 * @param {string} map
 * @param {number} share 0 to 1.
 * @returns {number[]} Red, green, blue, 0 to 255.
 */
export const colour_at = (map, share) => {
  const points = COLOURS_OF[map];
  const place = Math.min(1, Math.max(0, share)) * (points.length - 1);
  const left = Math.min(points.length - 2, Math.floor(place));
  const [a, b] = [points[left], points[left + 1]];
  return [0, 1, 2].map((part) => Math.round(a[part] + (b[part] - a[part]) * (place - left)));
};

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** Return an opaque pixel as ImageData holds it, of red, green and blue from 0 to 255. */
export const pixel_of = ([red, green, blue]) =>
  LITTLE_ENDIAN
    ? ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0
    : ((red << 24) | (green << 16) | (blue << 8) | 255) >>> 0;

/**
 * Return the pixels of values.
 * @param {Float32Array} sigmas Values in sigmas; NaN where there is no sample.
 * @param {{map: string, low: number, high: number}} scale Range of the map in sigmas.
 * @returns {Uint32Array} Pixels as ImageData holds them.
 */
export const pixels_of = (sigmas, { map, low, high }) =>
  Uint32Array.from(sigmas, (sigma) =>
    pixel_of(Number.isNaN(sigma) ? NO_SAMPLE : colour_at(map, (sigma - low) / (high - low))),
  );

// One strong carrier must not leave the weaker signals as dark as the noise.
const WIDEST_AUTO = 30;

/**
 * Return a range of colours that shows the noise dark and the strong values bright.
 * @param {Float32Array|number[]} sigmas Values in view.
 * @returns {{low: number, high: number}} In sigmas, rounded to 0.5; 4 to 30 apart.
 */
export const auto_range = (sigmas) => {
  const sorted = Float32Array.from(sigmas).filter((sigma) => !Number.isNaN(sigma)).sort();
  if (sorted.length === 0) return { low: 0, high: 10 };
  const quantile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const low = Math.floor(quantile(0.1) * 2) / 2;
  const high = Math.ceil(quantile(0.9995) * 2) / 2;
  return { low, high: Math.min(Math.max(high, low + 4), low + WIDEST_AUTO) };
};
