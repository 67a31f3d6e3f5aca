// What the user uploads in this tab: two files at a time, then the search of each, or of all as one cadence. It belongs
// to the tab, not to a page, so it goes on while the user looks at other pages.

import { Speed } from "./speed.js";
import { until_answered, wait } from "./retries.js";
import { SIGNED_OUT } from "./transfer.js";

const FILES_AT_ONCE = 2;
// Progress arrives many times a second; nobody can read that fast.
const TELL_MS = 200;

/**
 * A batch: files that were chosen together. `search_state` of a file and `state` of a cadence are "" (not yet),
 * "starting", "waiting", "started" or "refused"; `search_message` and `message` are sentences about them.
 * @typedef {{id: number, is_cadence: boolean, name: string, fields: object, items: Item[], state: string,
 *   message: string, cadence_id: string | null}} Batch
 * @typedef {{id: number, transfer: import("./transfer.js").Transfer, source_name: string, role: "on" | "off" | null,
 *   search_state: string, search_message: string, job_id: string | null}} Item
 */

/** The uploads of one user in this tab. */
export class UploadQueue {
  /**
   * @param {object} needs
   * @param {(path: string, body: object, signal?: AbortSignal, key?: string) => Promise<object>} needs.ask POSTs to the
   *   API; `key` makes a repeat of the request safe
   * @param {(chosen: object, on_change: () => void) => import("./transfer.js").Transfer} needs.make_transfer
   * @param {(duration_ms: number, signal: AbortSignal) => Promise<void>} [needs.pause_for] between two tries
   */
  constructor({ ask, make_transfer, pause_for }) {
    /** @type {Batch[]} */
    this.batches = [];
    this.speed = new Speed();
    this.listeners = new Set();
    this.place_free = new EventTarget();
    const wakers = [[window, "online"], [this.place_free, "free"]];
    Object.assign(this, { ask, make_transfer, pause_for: pause_for ?? ((ms, signal) => wait(ms, signal, wakers)) });
    Object.assign(this, { last_id: 0, tell_timer: 0 });
  }

  /** All files, in order. */
  get items() {
    return this.batches.flatMap((batch) => batch.items);
  }

  /** Whether something would be lost if the page were left now. */
  get is_busy() {
    return this.items.some(({ transfer, search_state }) => {
      const must_search = transfer.state === "uploaded" && ["", "starting", "waiting"].includes(search_state);
      return transfer.is_active || transfer.state === "waiting" || must_search;
    });
  }

  /**
   * Call a function after changes, a few times a second at most, until the returned function is called.
   * @param {() => void} listener
   * @returns {() => void}
   */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Upload files and search them.
   * @param {{is_cadence: boolean, name: string, fields: object,
   *   files: {file: File, fingerprint: string, source_name: string, role: "on" | "off" | null}[]}} plan
   */
  add({ is_cadence, name, fields, files }) {
    const batch = { id: this.next_id(), is_cadence, name, fields, state: "", message: "", cadence_id: null, items: [] };
    batch.items = files.map((one) => ({
      id: this.next_id(), source_name: one.source_name, role: one.role, search_state: "", search_message: "",
      job_id: null, transfer: this.make_transfer(one, () => this.changed()),
    }));
    this.batches.push(batch);
    batch.items.filter((item) => item.transfer.state === "uploaded").forEach((item) => this.search(batch, item));
    this.go_on();
  }

  /** Start as many waiting transfers as may run. */
  go_on() {
    this.changed();
    const running = this.items.filter(({ transfer }) => transfer.is_active).length;
    const waiting = this.batches.flatMap((batch) => batch.items.map((item) => ({ batch, item })));
    waiting
      .filter(({ item }) => item.transfer.state === "waiting")
      .slice(0, Math.max(0, FILES_AT_ONCE - running))
      .forEach(({ batch, item }) => this.send(batch, item));
  }

  async send(batch, item) {
    await item.transfer.run();
    if (item.transfer.state === "uploaded") this.search(batch, item);
    this.go_on();
  }

  /** @param {Item} item one that is waiting or sent */
  pause(item) {
    item.transfer.pause();
    this.speed.reset();
    this.go_on();
  }

  /**
   * Go on with a file that was paused, or that failed.
   * @param {Batch} batch
   * @param {Item} item
   */
  resume(batch, item) {
    this.speed.reset();
    if (item.transfer.state === "uploaded") this.search(batch, item);
    else {
      this.tell(item, { search_state: "", search_message: "" });
      item.transfer.change("waiting");
      this.go_on();
    }
  }

  /**
   * Stop an upload, remove what is there, and take it off the list.
   * @param {Batch} batch
   * @param {Item} item
   */
  async remove(batch, item) {
    try {
      if (item.search_state !== "started") await item.transfer.abort();
    } catch (error) {
      item.transfer.change("aborted", `What was sent is not deleted yet: ${error.message} Remove it once more.`);
      return;
    }
    batch.items = batch.items.filter((one) => one !== item);
    if (!batch.items.length) this.batches = this.batches.filter((one) => one !== batch);
    if (batch.is_cadence && batch.items.length) this.search_cadence(batch);
    this.go_on();
  }

  /** Take off the list what is done with. */
  clear_started() {
    this.batches.forEach((batch) => {
      const is_done = (item) => item.search_state === "started" || batch.state === "started";
      batch.items = batch.items.filter((item) => !is_done(item));
    });
    this.batches = this.batches.filter((batch) => batch.items.length);
    this.changed();
  }

  /** Pause what is on its way, because its user is no longer signed in. */
  pause_signed_out() {
    this.items.filter(({ transfer }) => transfer.is_active || transfer.state === "waiting").forEach(({ transfer }) => {
      transfer.pause();
      transfer.change("paused", SIGNED_OUT);
    });
  }

  /** Go on with what was paused so. */
  resume_signed_out() {
    const is_paused = ({ transfer }) => transfer.state === "paused" && transfer.message === SIGNED_OUT;
    this.batches.forEach((batch) => batch.items.filter(is_paused).forEach((item) => this.resume(batch, item)));
  }

  /** A job has ended: one that waits for a place may start. */
  a_place_is_free() {
    this.place_free.dispatchEvent(new Event("free"));
  }

  /**
   * Start the search of a file, or of its cadence once all files are there.
   * @param {Batch} batch
   * @param {Item} item one that is uploaded
   */
  async search(batch, item) {
    if (batch.is_cadence) {
      await this.search_cadence(batch);
      return;
    }
    const { transfer, source_name } = item;
    const body = { file_key: transfer.file_key, filename: transfer.file.name, ...batch.fields };
    if (source_name) body.source_name = source_name;
    const tell = (search_state, search_message = "") => this.tell(item, { search_state, search_message });
    const { answer, error } = await this.start("/analyze", body, transfer.file_key, tell);
    if (answer) this.started(item, answer.job_id);
    else if (error.code === "file_not_found") lost(item);
  }

  /** @param {Batch} batch a cadence */
  async search_cadence(batch) {
    const is_there = batch.items.every(({ transfer }) => transfer.state === "uploaded");
    if (!is_there || ["starting", "waiting", "started"].includes(batch.state)) return;
    const scans = batch.items.map(({ transfer, source_name, role }) => ({
      file_key: transfer.file_key, filename: transfer.file.name, ...(source_name && { source_name }),
      ...(role && { role }),
    }));
    const body = { scans, parameters: batch.fields, ...(batch.name && { name: batch.name }) };
    const tell = (state, message = "") => this.tell(batch, { state, message });
    const key = scans.map((scan) => scan.file_key).join();
    const { answer, error } = await this.start("/cadences", body, key, tell);
    if (error?.code === "file_not_found") batch.items.forEach(lost);
    if (!answer) return;
    batch.cadence_id = answer.cadence_id;
    batch.items.forEach((item) => this.started(item, null));
  }

  started(item, job_id) {
    item.transfer.stored.remove(item.transfer.file_key);
    this.tell(item, { job_id, search_state: "started", search_message: "" });
  }

  /** Send a request that starts a search until it is answered. Return its `answer`, or the `error` of a refusal. */
  async start(path, body, key, tell) {
    const { signal } = new AbortController();
    const before_wait = (error) => tell("waiting", error.message);
    tell("starting");
    try {
      const send = () => this.ask(path, body, signal, idempotency_key(path, key, body));
      const answer = await until_answered(send, { signal, before_wait, pause: this.pause_for });
      tell("started");
      return { answer };
    } catch (error) {
      tell("refused", error.message);
      return { error };
    }
  }

  tell(what, changes) {
    Object.assign(what, changes);
    this.changed();
  }

  changed() {
    const sent = this.items.filter(({ transfer }) => transfer.state !== "uploaded" || transfer.controller);
    this.speed.note(sent.reduce((sum, { transfer }) => sum + transfer.sent_bytes, 0), performance.now());
    if (this.tell_timer) return;
    this.tell_timer = setTimeout(() => {
      this.tell_timer = 0;
      this.listeners.forEach((listener) => listener());
    }, TELL_MS);
  }

  next_id() {
    this.last_id += 1;
    return this.last_id;
  }
}

/** Note that the service no longer has a file, as after a day without a job. */
const lost = ({ transfer }) => {
  transfer.forget();
  transfer.change("failed", "The service no longer has this file. Try again, and it is uploaded once more.");
};

/**
 * Return a key that is the same for a repeat of a request, and another one for another request: a lost answer then
 * leads to the job that was started, not to a second one.
 */
const idempotency_key = (path, key, body) => {
  let hash = 0x811c9dc5;
  for (const character of `${path} ${key} ${JSON.stringify(body)}`) {
    hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193) >>> 0;
  }
  return `dashboard-${hash.toString(16)}-${key.slice(0, 150).replace(/[^\x20-\x7e]/g, "_")}`;
};
