// How fast bytes go, and how long the rest takes.

const WINDOW_MS = 10_000;
// A speed measured over less time jumps about.
const LEAST_MS = 1_000;

/** Measures the speed over the last ten seconds. */
export class Speed {
  constructor() {
    this.marks = [];
  }

  /**
   * Note how many bytes are there.
   *
   * @param {number} bytes so far; fewer than before after a part was lost, which starts the measurement again
   * @param {number} now_ms any clock that runs steadily
   */
  note(bytes, now_ms) {
    const last = this.marks.at(-1);
    if (last && bytes < last.bytes) this.marks = [];
    this.marks.push({ bytes, now_ms });
    while (this.marks.length > 2 && now_ms - this.marks[1].now_ms > WINDOW_MS) this.marks.shift();
  }

  /** Forget all, as after a pause. */
  reset() {
    this.marks = [];
  }

  /**
   * @param {number} now_ms
   * @returns {number|null} bytes per second, null while it can't be told
   */
  bytes_per_s(now_ms) {
    const first = this.marks[0];
    if (!first || now_ms - first.now_ms < LEAST_MS) return null;
    return ((this.marks.at(-1).bytes - first.bytes) * 1000) / (now_ms - first.now_ms);
  }
}

/**
 * Write a time that is left, as exactly as it can be known.
 *
 * @param {number} bytes left
 * @param {number|null} bytes_per_s
 * @returns {string} empty if it can't be told
 */
export const time_left_text = (bytes, bytes_per_s) => {
  if (!bytes_per_s || bytes_per_s <= 0) return "";
  const seconds = bytes / bytes_per_s;
  if (seconds < 10) return "a few seconds left";
  if (seconds < 90) return `about ${Math.ceil(seconds / 10) * 10} s left`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${Math.round(seconds / 3600)} h left`;
};
