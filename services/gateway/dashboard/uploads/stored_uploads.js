// Uploads that were begun: kept in localStorage, so that they go on after a reload. No secret is kept: a key of a file
// and the id of its upload are of no use without the user's session.

const PREFIX = "waterhole.uploads.";
const ENDS_BYTES = 64 * 1024;
// The service removes uploads that no job uses after a day.
const KEPT_MS = 24 * 3600 * 1000;

/**
 * Return a number that tells files of one name and size apart, from their first and last bytes.
 *
 * FNV-1a with 32 bits, http://www.isthe.com/chongo/tech/comp/fnv/: the page may lack crypto.subtle without TLS, and
 * nobody has to be kept from making two files alike.
 *
 * @param {Blob} file
 * @returns {Promise<string>} in hexadecimal
 */
export const fingerprint = async (file) => {
  const ends = new Blob([file.slice(0, ENDS_BYTES), file.slice(Math.max(0, file.size - ENDS_BYTES))]);
  let hash = 0x811c9dc5;
  for (const byte of new Uint8Array(await ends.arrayBuffer())) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
};

/** The uploads that one user has begun in this browser. */
export class StoredUploads {
  /**
   * @param {string} user_id
   * @param {Storage} storage localStorage
   * @param {() => number} now_ms
   */
  constructor(user_id, storage, now_ms = Date.now) {
    this.key = PREFIX + user_id;
    this.storage = storage;
    this.now_ms = now_ms;
  }

  /** @returns {object[]} those less than a day old, the oldest first */
  list() {
    let records;
    try {
      records = JSON.parse(this.storage.getItem(this.key) || "[]");
    } catch {
      // Another program wrote there: nothing that could go on.
      records = [];
    }
    if (!Array.isArray(records)) return [];
    const oldest = this.now_ms() - KEPT_MS;
    return records.filter((record) => record && record.file_key && record.begun_ms > oldest);
  }

  /**
   * Add an upload, or replace the record of the same `file_key`.
   *
   * @param {{file_key: string, upload_id: string|null, name: string, size: number, last_modified: number,
   *   fingerprint: string, is_uploaded: boolean}} record
   */
  put(record) {
    const others = this.list().filter((one) => one.file_key !== record.file_key);
    this.write([...others, { begun_ms: this.now_ms(), ...record }]);
  }

  /** @param {string} file_key of an upload that is done with */
  remove(file_key) {
    this.write(this.list().filter((one) => one.file_key !== file_key));
  }

  /**
   * @param {{name: string, size: number, last_modified: number, fingerprint: string}} file
   * @returns {object|null} the upload of this very file
   */
  find(file) {
    const fields = ["name", "size", "last_modified", "fingerprint"];
    return this.list().find((record) => fields.every((field) => record[field] === file[field])) || null;
  }

  write(records) {
    try {
      if (records.length) this.storage.setItem(this.key, JSON.stringify(records));
      else this.storage.removeItem(this.key);
    } catch {
      // The browser's storage is full or turned off: uploads then begin again after a reload.
    }
  }
}
