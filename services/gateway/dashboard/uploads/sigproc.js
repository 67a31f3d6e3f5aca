// The header of a SIGPROC filterbank file, read from its first bytes, to show what will be searched.
// The service reads it again and is the judge; here a header that can't be read is no error, but shown as unknown.

const MAX_KEYWORDS = 1000;
const MAX_KEYWORD_BYTES = 80;
const MAX_TEXT_BYTES = 16 * 1024;
const START_BYTES = 16;
const INTEGERS = new Set(
  ("telescope_id machine_id data_type barycentric pulsarcentric nbits nsamples nchans nifs nbeams ibeam nbins " +
    "nfpc").split(" "),
);
const DOUBLES = new Set(
  "az_start za_start tstart tsamp fch1 foff refdm period src_raj src_dej".split(" "),
);
const TEXTS = new Set(["rawdatafile", "source_name"]);
const FLAGS = new Set(["signed"]);
const REQUIRED = ["nchans", "nbits", "fch1", "foff", "tsamp"];

/** Why a header can't be read here. */
class HeaderError extends Error {}

class Reader {
  constructor(head) {
    this.head = head;
    this.view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    this.at = START_BYTES;
  }

  take(length) {
    const start = this.at;
    if (start + length > this.head.length) throw new HeaderError("its header ends too early");
    this.at += length;
    return start;
  }

  text(most) {
    const length = this.view.getUint32(this.take(4), true);
    if (length > most) throw new HeaderError("its header is damaged");
    const start = this.take(length);
    return decoded(this.head.subarray(start, start + length));
  }

  value(keyword) {
    if (INTEGERS.has(keyword)) return this.view.getInt32(this.take(4), true);
    if (DOUBLES.has(keyword)) return this.view.getFloat64(this.take(8), true);
    if (FLAGS.has(keyword)) return this.view.getInt8(this.take(1));
    if (TEXTS.has(keyword)) return this.text(MAX_TEXT_BYTES);
    throw new HeaderError(`its header has the keyword ${JSON.stringify(keyword)}, which SIGPROC does not know`);
  }
}

/** Decode text as the service does: up to the first NUL, UTF-8 if it is valid, else Latin-1. */
const decoded = (bytes) => {
  const end = bytes.indexOf(0);
  const used = end < 0 ? bytes : bytes.subarray(0, end);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(used);
  } catch {
    return new TextDecoder("latin1").decode(used);
  }
};

const keywords = (reader) => {
  const values = {};
  for (let count = 0; count < MAX_KEYWORDS; count += 1) {
    const keyword = reader.text(MAX_KEYWORD_BYTES);
    if (keyword === "") throw new HeaderError("its header is damaged");
    if (keyword === "HEADER_END") return values;
    values[keyword] = reader.value(keyword);
  }
  throw new HeaderError("its header has no end");
};

/**
 * Read what will be searched from the head of a SIGPROC file.
 *
 * @param {Uint8Array} head the first bytes of the file
 * @param {number} size_bytes size of the whole file
 * @returns {{header: object | null, problem: string | null}} the header with the fields of `observation` in the API's
 *   jobs; or the rest of a sentence that says why it can't be read
 */
export const read_sigproc = (head, size_bytes) => {
  try {
    const reader = new Reader(head);
    const values = keywords(reader);
    const missing = REQUIRED.find((name) => !Number.isFinite(values[name]) || values[name] === 0);
    if (missing) throw new HeaderError(`its header does not state ${missing}`);
    return { header: described(values, size_bytes - reader.at), problem: null };
  } catch (error) {
    if (!(error instanceof HeaderError)) throw error;
    return { header: null, problem: error.message };
  }
};

const described = (values, data_bytes) => {
  const n_ifs = values.nifs || 1;
  const row_bytes = (n_ifs * values.nchans * values.nbits) / 8;
  const n_spectra = Math.floor(data_bytes / row_bytes);
  if (!(n_spectra >= 2)) throw new HeaderError("it holds fewer than two whole spectra");
  return {
    source_name: (values.source_name || "").trim(),
    n_channels: values.nchans,
    n_ifs,
    n_bits: values.nbits,
    n_spectra,
    first_channel_hz: values.fch1 * 1e6,
    channel_width_hz: values.foff * 1e6,
    spectrum_s: values.tsamp,
    // Writers that do not know it write 0.
    start_mjd: values.tstart || null,
  };
};
