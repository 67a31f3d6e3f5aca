// events.json of a cadence: what its table of events does not say - each scan's measures, sentences, rejected tracks.
import { request } from "../api.js";
import { useEffect, useState } from "../vendor/preact_htm.js";

const read_document = async (cadence_id, signal) => {
  const query = { format: "json" };
  const { download_url } = await request("GET", `/cadences/${cadence_id}/download`, { query, signal });
  const response = await fetch(download_url, { signal });
  if (!response.ok) throw new Error(`Storage answered ${response.status}.`);
  return response.json();
};

/**
 * The document, for components; null until it is there.
 * @param {string} cadence_id of a complete cadence
 * @returns {{document: object | null, error: Error | null}}
 */
export const use_document = (cadence_id) => {
  const [state, set_state] = useState({ document: null, error: null });
  useEffect(() => {
    const asking = new AbortController();
    read_document(cadence_id, asking.signal).then(
      (document) => set_state({ document, error: null }),
      (error) => asking.signal.aborted || set_state({ document: null, error }),
    );
    return () => asking.abort();
  }, [cadence_id]);
  return state;
};

/**
 * Return how long a cadence lasts, from the start of its first scan to the end of its last.
 * @param {object | null} document
 * @returns {number | undefined} s
 */
export const span_s = (document) => {
  const end_of = ({ start_s, duration_s }) => (start_s === null ? 0 : start_s + (duration_s ?? 0));
  const ends = (document?.scans ?? []).map(end_of);
  const last = Math.max(0, ...ends);
  return last > 0 ? last : undefined;
};
