// What a file is, by its name and its first bytes. The service itself goes by content; the API wants the name too.

/** Bytes of the head of a file that the page reads: most headers have a few hundred. */
export const HEAD_BYTES = 64 * 1024;

const HDF5_SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
// HDF5 content may begin after a block of the user's own, of a power of two bytes.
const HDF5_OFFSETS = [0, 512, 1024, 2048, 4096, 8192, 16384, 32768];
const SIGPROC_START = [12, 0, 0, 0, ...bytes_of("HEADER_START")];

const FOREIGN = [
  [[0x1f, 0x8b], "it is compressed with gzip. Unpack it and choose the unpacked file."],
  [bytes_of("PK\x03\x04"), "it is a ZIP archive. Unpack it and choose the unpacked file."],
  [bytes_of("SIMPLE  ="), "it is a FITS file. Convert it to .fil or .h5 first."],
  [
    bytes_of("BACKEND "),
    "it holds raw voltages (GUPPI). Channelise it to .fil or .h5 first, for instance with rawspec.",
  ],
  [[0, 0, 0, 12, ...bytes_of("HEADER_START")], "its SIGPROC header is big-endian. Write it little-endian."],
];
const UNKNOWN =
  "it begins neither as a SIGPROC filterbank file nor as HDF5. Choose the observation itself, or convert it to .fil " +
  "or .h5 first.";

function bytes_of(text) {
  return Array.from(text, (character) => character.charCodeAt(0));
}

const starts_with = (head, bytes, offset = 0) =>
  head.length >= offset + bytes.length && bytes.every((byte, index) => head[offset + index] === byte);

/**
 * Tell the format of a file from its first bytes.
 *
 * @param {Uint8Array} head the first bytes of the file
 * @returns {"fil"|"h5"|null} its format, null for any other
 */
export const format_of = (head) => {
  if (starts_with(head, SIGPROC_START)) return "fil";
  return HDF5_OFFSETS.some((offset) => starts_with(head, HDF5_SIGNATURE, offset)) ? "h5" : null;
};

/**
 * Say why a name can't be uploaded.
 *
 * @param {string} name file name
 * @returns {string|null} the rest of a sentence that begins with the file's name, null if the name is fine
 */
export const name_problem = (name) => {
  if (!/\.(fil|h5)$/i.test(name)) {
    return "its name must end in .fil or .h5. Choose a filterbank file; rename it if it is one.";
  }
  if (!/[^.]/.test(name.replace(/\.[^.]*$/, ""))) return "it has no name before the dot. Rename it.";
  return new TextEncoder().encode(name).length > 255 ? "its name is longer than 255 bytes. Shorten it." : null;
};

/**
 * Say why the content can't be searched.
 *
 * @param {Uint8Array} head the first bytes of the file
 * @returns {string|null} the rest of a sentence that begins with the file's name, null for a filterbank file
 */
export const content_problem = (head) => {
  if (head.length === 0) return "it is empty (0 bytes). Copy it again from where it came.";
  if (format_of(head) !== null) return null;
  const known = FOREIGN.find(([bytes]) => starts_with(head, bytes));
  return known ? known[1] : UNKNOWN;
};
