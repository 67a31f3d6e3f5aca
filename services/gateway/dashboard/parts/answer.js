// The answer of a request, for a component that shows it.
import { useEffect, useState } from "../vendor/preact_htm.js";

/**
 * Ask once, and again when what it depends on changes.
 * @param {(signal: AbortSignal) => Promise<any>} ask
 * @param {any[]} depends
 * @returns {{answer: any, error: Error | null, reload: () => void, set_answer: (answer: any) => void}} answer is null
 *   until it is there; it stays while it is asked for again
 */
export const use_answer = (ask, depends) => {
  const [state, set_state] = useState({ answer: null, error: null });
  const [count, set_count] = useState(0);
  useEffect(() => {
    const asking = new AbortController();
    ask(asking.signal).then(
      (answer) => !asking.signal.aborted && set_state({ answer, error: null }),
      (error) => !asking.signal.aborted && set_state((old) => ({ ...old, error })),
    );
    return () => asking.abort();
  }, [...depends, count]);
  return {
    ...state,
    reload: () => set_count((before) => before + 1),
    set_answer: (answer) => set_state({ answer, error: null }),
  };
};
