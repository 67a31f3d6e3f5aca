// The verdicts of one job or cadence: shown at once, saved behind it, undone in order. Pure but for what it is given.

/**
 * @typedef {{verdict: "candidate" | "rfi" | "instrument" | "unsure", note: string}} Verdict
 * @typedef {{by_id: Map<number, Verdict>, saving: number, undo_count: number, error: Error | null,
 *   failed: {id: number, wanted: Verdict | null} | null, is_loaded: boolean}} State
 */

export const MOST_NOTE = 1000;
const MOST_UNDO = 200;

const is_same = (one, other) =>
  (one?.verdict ?? null) === (other?.verdict ?? null) && (one?.note ?? "") === (other?.note ?? "");

/** Keeps verdicts in step with the server. */
export class VerdictStore {
  #saved = new Map();
  #wanted = new Map();
  #history = [];
  #running = new Map();
  #listeners = new Set();
  #error = null;
  #failed = null;
  #is_loaded = false;

  /**
   * @param {{read: () => Promise<Map<number, Verdict>>, save: (id: number, verdict: Verdict | null) => Promise<void>,
   *   tell: (id: number, verdict: Verdict | null) => void}} server `tell`: lets other tabs know what was saved
   */
  constructor({ read, save, tell }) {
    this.read = read;
    this.save = save;
    this.tell = tell;
    this.state = this.#made();
  }

  /**
   * Call a function at each change, until the returned function is called.
   * @param {(state: State) => void} listener
   * @returns {() => void}
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Read the verdicts from the server. Those that are being saved stay as they are.
   * @returns {Promise<void>}
   */
  async load() {
    try {
      this.#saved = await this.read();
      this.#is_loaded = true;
      if (this.#failed === null) this.#error = null;
    } catch (error) {
      this.#error = error;
    }
    this.#publish();
  }

  /**
   * Return the verdict on a hit or event, or undefined.
   * @param {number} id
   * @returns {Verdict | undefined}
   */
  get(id) {
    return (this.#wanted.has(id) ? this.#wanted.get(id) : this.#saved.get(id)) ?? undefined;
  }

  /**
   * Give a verdict, or take it back with null. It can be undone.
   * @param {number} id
   * @param {Verdict | null} verdict
   */
  give(id, verdict) {
    const before = this.get(id) ?? null;
    if (is_same(before, verdict)) return;
    this.#history.push({ id, before, after: verdict });
    if (this.#history.length > MOST_UNDO) this.#history.shift();
    this.#want(id, verdict);
  }

  /**
   * Undo the last verdict that was given here.
   * @returns {{id: number, verdict: Verdict | null, is_undone: boolean} | null} null where there is nothing to undo;
   *   `is_undone` is false where the verdict has changed elsewhere since, which is not overwritten
   */
  undo() {
    const last = this.#history.pop();
    if (last === undefined) return null;
    const is_undone = is_same(this.get(last.id) ?? null, last.after);
    if (is_undone) this.#want(last.id, last.before);
    else this.#publish();
    return { id: last.id, verdict: last.before, is_undone };
  }

  /** Try once more to save what could not be saved. */
  retry() {
    const failed = this.#failed;
    this.dismiss();
    if (failed !== null) this.give(failed.id, failed.wanted);
    else this.load();
  }

  /** Forget the error. */
  dismiss() {
    this.#error = null;
    this.#failed = null;
    this.#publish();
  }

  /**
   * Take over what another tab has saved.
   * @param {number} id
   * @param {Verdict | null} verdict
   */
  heard(id, verdict) {
    this.#keep(id, verdict);
    this.#publish();
  }

  #keep(id, verdict) {
    // A new map, so that whoever holds the old one sees no change in it.
    this.#saved = new Map(this.#saved);
    if (verdict === null) this.#saved.delete(id);
    else this.#saved.set(id, verdict);
  }

  #want(id, verdict) {
    this.#wanted.set(id, verdict);
    // One request for each hit at a time, so that the last verdict is the last to arrive.
    if (!this.#running.has(id)) this.#running.set(id, this.#save_all(id));
    this.#publish();
  }

  async #save_all(id) {
    let verdict;
    try {
      do {
        verdict = this.#wanted.get(id);
        await this.save(id, verdict);
        this.#keep(id, verdict);
        this.tell(id, verdict);
      } while (!is_same(this.#wanted.get(id), verdict));
    } catch (error) {
      this.#error = error;
      this.#failed = { id, wanted: this.#wanted.get(id) };
      // What is shown goes back to what the server has; it can't be undone.
      this.#history = this.#history.filter((one) => one.id !== id);
    }
    this.#wanted.delete(id);
    this.#running.delete(id);
    this.#publish();
  }

  #made() {
    const by_id = new Map(this.#saved);
    this.#wanted.forEach((verdict, id) => (verdict === null ? by_id.delete(id) : by_id.set(id, verdict)));
    return {
      by_id, saving: this.#running.size, undo_count: this.#history.length, error: this.#error, failed: this.#failed,
      is_loaded: this.#is_loaded,
    };
  }

  #publish() {
    this.state = this.#made();
    this.#listeners.forEach((listener) => listener(this.state));
  }
}
