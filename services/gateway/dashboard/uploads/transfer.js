// One file on its way to S3: in one piece, or in parts of which four go at once. What S3 has is asked of the service,
// so a transfer goes on after a pause, a reload or a lost network with the parts that are missing.

import { put as put_to_storage } from "./put.js";
import { until_answered, wait } from "./retries.js";

const PARTS_AT_ONCE = 4;
// URLs work for an hour. One that was just signed and is refused again will not get better.
const MOST_RENEWALS = 3;
// The server has ended the session; the upload can go on once the user has signed in again.
const SESSION_CODES = new Set(["session_ended", "missing_api_key"]);

/** Why a transfer is paused without the user's doing. */
export const SIGNED_OUT = "You are signed out. The upload goes on once you have signed in again.";

/** What ends a transfer for good; the text is a sentence for the user. */
class TransferError extends Error {}

/**
 * One file on its way. `state` is "waiting", "sending", "offline" (it tries again by itself), "paused", "completing",
 * "uploaded", "failed" or "aborted"; `message` is a sentence about it.
 */
export class Transfer {
  /**
   * @param {{file: File, fingerprint: string}} chosen
   * @param {object} needs
   * @param {(path: string, body: object, signal?: AbortSignal) => Promise<object>} needs.ask POSTs to the API
   * @param {import("./stored_uploads.js").StoredUploads} needs.stored
   * @param {() => void} needs.on_change called after each change of state or progress
   * @param {typeof put_to_storage} [needs.put] sends one piece to storage
   * @param {(duration_ms: number, signal: AbortSignal) => Promise<void>} [needs.pause_for] between two tries
   */
  constructor({ file, fingerprint }, { ask, stored, on_change, put = put_to_storage, pause_for = wait }) {
    Object.assign(this, { file, fingerprint, ask, stored, on_change, put, pause_for });
    Object.assign(this, { state: "waiting", message: "", parts: [], file_key: null, upload_id: null, renewal: null });
    const known = stored.find(this.identity);
    if (known) Object.assign(this, { file_key: known.file_key, upload_id: known.upload_id });
    if (known?.is_uploaded) this.state = "uploaded";
  }

  /** Name and content, by which the file is known again after a reload. */
  get identity() {
    const { name, size, lastModified: last_modified } = this.file;
    return { name, size, last_modified, fingerprint: this.fingerprint };
  }

  /** Bytes that storage has or is getting. */
  get sent_bytes() {
    return this.state === "uploaded" ? this.file.size : this.parts.reduce((sum, part) => sum + part.sent_bytes, 0);
  }

  /** Whether it is at work. */
  get is_active() {
    return ["sending", "offline", "completing"].includes(this.state);
  }

  /** Send what is missing. Ends when all is sent, or the transfer is paused, aborted or has failed. */
  async run() {
    this.controller = new AbortController();
    const { signal } = this.controller;
    this.change("sending");
    try {
      await this.open(signal);
      await this.send_parts(signal);
      await this.complete(signal);
      signal.throwIfAborted();
      this.remember(true);
      this.change("uploaded");
    } catch (error) {
      // After a pause or an abort the state says so already.
      if (this.is_active) this.end_with(error);
      // Stops the other parts too.
      this.controller.abort();
      this.parts.filter((part) => !part.etag).forEach((part) => Object.assign(part, { sent_bytes: 0 }));
    }
  }

  end_with(error) {
    const is_signed_out = SESSION_CODES.has(error.code);
    if (is_signed_out) this.change("paused", SIGNED_OUT);
    else this.change("failed", error.message);
  }

  /** Stop sending; the parts that storage has stay there. */
  pause() {
    if (this.state === "waiting" || this.is_active) this.change("paused");
    this.controller?.abort();
  }

  /** Stop, and remove the parts that storage has. A whole file without a job is removed by the service after a day. */
  async abort() {
    const was_uploaded = this.state === "uploaded";
    this.change("aborted");
    this.controller?.abort();
    if (this.upload_id && !was_uploaded) await abort_upload(this.ask, this.file_key, this.upload_id);
    if (this.file_key) this.stored.remove(this.file_key);
  }

  /** Forget what was uploaded, because the service no longer has it. */
  forget() {
    if (this.file_key) this.stored.remove(this.file_key);
    Object.assign(this, { file_key: null, upload_id: null, parts: [] });
  }

  change(state, message = "") {
    Object.assign(this, { state, message });
    this.on_change();
  }

  remember(is_uploaded) {
    const { file_key, upload_id } = this;
    this.stored.put({ ...this.identity, file_key, upload_id, is_uploaded });
  }

  /** Get URLs: of the parts that are missing if the upload was begun before, else of a new upload. */
  async open(signal) {
    if (this.upload_id) {
      try {
        this.take_parts(await this.signed_again(signal));
        return;
      } catch (error) {
        // The upload is older than a day, or was removed or completed elsewhere.
        if (error.status !== 404) throw error;
      }
    }
    this.forget();
    const answer = await this.signed_new(signal);
    Object.assign(this, { file_key: answer.file_key, upload_id: answer.upload_id ?? null });
    if (!answer.multipart) this.parts = [new_part(1, 0, this.file.size, answer.upload_url)];
    else {
      this.take_parts(answer);
      this.remember(false);
    }
  }

  signed_new(signal) {
    const body = { filename: this.file.name, file_size: this.file.size };
    return this.persist(() => this.ask("/upload-url", body, signal), signal);
  }

  signed_again(signal) {
    const { file_key, upload_id } = this;
    return this.persist(() => this.ask("/upload-url", { file_key, upload_id }, signal), signal);
  }

  take_parts({ parts, part_size, uploaded = [] }) {
    const { size } = this.file;
    const urls = new Map(parts.map((part) => [part.partNumber, part.url]));
    const there = new Map(uploaded.map((part) => [part.partNumber, part.etag]));
    this.parts = Array.from({ length: Math.ceil(size / part_size) }, (_, index) => {
      const [start, stop] = [index * part_size, Math.min(size, (index + 1) * part_size)];
      return new_part(index + 1, start, stop, urls.get(index + 1), there.get(index + 1));
    });
  }

  async send_parts(signal) {
    const missing = this.parts.filter((part) => !part.etag);
    const lane = async () => {
      for (let part = missing.shift(); part; part = missing.shift()) await this.send_part(part, signal);
    };
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, lane));
  }

  async send_part(part, signal) {
    for (let renewals = 0; !part.etag; renewals += 1) {
      try {
        part.etag = await this.persist(() => this.send_once(part, signal), signal);
        if (!part.etag) {
          throw new TransferError("Storage sent no ETag. Ask the operator to let pages read it (CORS).");
        }
      } catch (error) {
        if (error.status !== 403) throw error;
        if (renewals === MOST_RENEWALS) {
          throw new TransferError("Storage refuses the upload (403). Check this computer's clock, then try again.");
        }
        await this.renew(signal);
      }
    }
    part.sent_bytes = part.stop - part.start;
    this.on_change();
  }

  send_once(part, signal) {
    const on_progress = (bytes) => {
      part.sent_bytes = Math.min(bytes, part.stop - part.start);
      if (this.state === "offline") this.change("sending");
      else this.on_change();
    };
    return this.put(part.url, this.file.slice(part.start, part.stop), { signal, on_progress });
  }

  /** Sign URLs again, once for all parts that found theirs expired at the same time. */
  renew(signal) {
    this.renewal ??= this.sign_again(signal).finally(() => {
      this.renewal = null;
    });
    return this.renewal;
  }

  async sign_again(signal) {
    if (!this.upload_id) {
      const answer = await this.signed_new(signal);
      this.file_key = answer.file_key;
      this.parts[0].url = answer.upload_url;
      return;
    }
    const { parts, uploaded = [] } = await this.signed_again(signal);
    const by_number = new Map(this.parts.map((part) => [part.number, part]));
    parts.forEach(({ partNumber: number, url }) => Object.assign(by_number.get(number), { url }));
    // Storage may have a part whose answer was lost.
    uploaded.forEach(({ partNumber: number, etag }) => Object.assign(by_number.get(number), { etag }));
  }

  async complete(signal) {
    if (!this.upload_id) return;
    this.change("completing");
    const { file_key, upload_id } = this;
    const parts = this.parts.map((part) => ({ partNumber: part.number, etag: part.etag }));
    await this.persist(() => this.ask("/complete-upload", { file_key, upload_id, parts }, signal), signal);
  }

  async persist(send, signal) {
    const before_wait = async (error) => {
      await this.check_file(error);
      this.change("offline", waiting_text(error));
    };
    const answer = await until_answered(send, { signal, before_wait, pause: this.pause_for });
    if (this.state === "offline") this.change("sending");
    return answer;
  }

  /** A file that was changed or moved can't be read any more; the browser reports that as a lost network. */
  async check_file(error) {
    if (error.status) return;
    try {
      await this.file.slice(0, 1).arrayBuffer();
    } catch {
      throw new TransferError(`${this.file.name} was changed or moved since you chose it. Choose it again.`);
    }
  }
}

const new_part = (number, start, stop, url, etag = null) => ({
  number, start, stop, url, etag, sent_bytes: etag ? stop - start : 0,
});

const waiting_text = (error) => {
  if (error.status === 429) return error.message;
  if (error.status) return "The service has a problem. The upload goes on by itself when it answers again.";
  return "No connection. The upload goes on by itself when it is back.";
};

/**
 * Remove the parts of an upload.
 * @param {(path: string, body: object) => Promise<object>} ask POSTs to the API
 * @param {string} file_key
 * @param {string} upload_id
 * @returns {Promise<void>}
 */
export const abort_upload = async (ask, file_key, upload_id) => {
  try {
    await ask("/abort-upload", { file_key, upload_id });
  } catch (error) {
    // What is gone already is as good; and without an answer the service removes the parts after a day.
    if (error.status && error.status !== 404) throw error;
  }
};
