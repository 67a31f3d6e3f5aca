// Saves a catalogue with the verdicts. The server makes it on request, so the page asks until it is there.
import { request_response } from "../api.js";
import { announce } from "../parts/announcer.js";
import { html, useEffect, useRef, useState } from "../vendor/preact_htm.js";

const FORMATS = {
  job: [
    ["csv", "CSV"], ["fits", "FITS"], ["votable", "VOTable"], ["parquet", "Parquet"], ["catalog_json", "JSON"],
    ["classified", "Labels"],
  ],
  cadence: [["csv", "CSV"], ["fits", "FITS"], ["votable", "VOTable"], ["parquet", "Parquet"]],
};
const MOST_TRIES = 120;
const FIRST_WAIT_S = 1;

const wait = (seconds, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, 1000 * seconds);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    reject(signal.reason);
  });
});

const save_as = (href, filename) => {
  const link = Object.assign(document.createElement("a"), { href, download: filename, rel: "noopener" });
  if (!href.startsWith("blob:")) link.target = "_blank";
  link.click();
};

const save = async (path, format, signal) => {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const response = await request_response("GET", `${path}/download`, { query: { format, verdicts: true }, signal });
    if (response.status !== 202) {
      if (format !== "csv") {
        const { download_url, filename } = await response.json();
        return save_as(download_url, filename);
      }
      const url = URL.createObjectURL(await response.blob());
      save_as(url, "reviewed_catalog.csv");
      return setTimeout(() => URL.revokeObjectURL(url), 60_000);
    }
    await wait(Number(response.headers.get("Retry-After")) || FIRST_WAIT_S, signal);
  }
  throw new Error("The catalogue is not ready yet. Try again in a while.");
};

/**
 * @param {{kind: "job" | "cadence", id: string, is_saving: boolean}} props `is_saving`: verdicts are on their way, and
 *   would be missing
 */
export const ReviewedDownload = ({ kind, id, is_saving }) => {
  const path = `/${kind === "job" ? "jobs" : "cadences"}/${encodeURIComponent(id)}`;
  const [format, set_format] = useState("csv");
  const [state, set_state] = useState({ is_busy: false, error: null });
  const asking = useRef(null);
  useEffect(() => () => asking.current?.abort(), []);
  const click = async () => {
    asking.current = new AbortController();
    set_state({ is_busy: true, error: null });
    announce("The catalogue with verdicts is being made.");
    try {
      await save(path, format, asking.current.signal);
      announce("The catalogue with verdicts is ready.");
      set_state({ is_busy: false, error: null });
    } catch (error) {
      if (error.name !== "AbortError") set_state({ is_busy: false, error });
    }
  };
  return html`
    <div class="inline reviewed-download">
      <label>Catalogue with verdicts
        <select value=${format} onChange=${(event) => set_format(event.target.value)}>
          ${FORMATS[kind].map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}
        </select></label>
      <button type="button" disabled=${state.is_busy || is_saving} onClick=${click}>
        ${state.is_busy ? "Being made…" : "Save"}</button>
      ${state.error && html`<span class="field-error" role="alert">${state.error.message}</span>`}
    </div>`;
};
