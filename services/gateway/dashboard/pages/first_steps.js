// What an empty list says: what to do first.
import { navigate } from "../address.js";
import { request } from "../api.js";
import { size_text } from "../format.js";
import { ErrorNotice } from "../parts/notice.js";
import { html, useEffect, useState } from "../vendor/preact_htm.js";

const Example = ({ example }) => {
  const [state, set_state] = useState({ is_busy: false, error: null });
  const analyse = async () => {
    set_state({ is_busy: true, error: null });
    try {
      const copy = await request("POST", `/examples/${encodeURIComponent(example.name)}`);
      const job = await request("POST", "/analyze", { body: { file_key: copy.file_key, filename: copy.filename } });
      navigate(`/app/jobs/${job.job_id}`);
    } catch (error) {
      set_state({ is_busy: false, error });
    }
  };
  return html`
    <p>${example.description} <span class="second">${example.filename}, ${size_text(example.size)}</span></p>
    <p><button type="button" class="primary" disabled=${state.is_busy} onClick=${analyse}>
      ${state.is_busy ? "Starting…" : "Analyse the example observation"}</button></p>
    ${state.error && html`<${ErrorNotice} error=${state.error} />`}`;
};

/** @param {{kind: "job" | "cadence"}} props */
export const FirstSteps = ({ kind }) => {
  const [examples, set_examples] = useState([]);
  useEffect(() => {
    const reading = new AbortController();
    // Without examples the page says the rest. Where the server can't be reached, another notice says so.
    request("GET", "/examples", { signal: reading.signal }).then((answer) => set_examples(answer.examples), () => {});
    return () => reading.abort();
  }, []);
  if (kind === "cadence") {
    return html`
      <section class="panel first-steps">
        <h2>No cadences yet</h2>
        <p>A cadence compares scans of a target with scans of other places on the sky. A signal that is there only while
          the telescope points at the target stays; interference is seen everywhere.</p>
        <p><a class="button primary" href="/app/upload">Start a cadence</a></p>
      </section>`;
  }
  return html`
    <section class="panel first-steps">
      <h2>Search your first observation</h2>
      <ol>
        <li><a href="/app/upload">Upload a filterbank file</a> (.fil or .h5) from a radio telescope.</li>
        <li>Waterhole searches it for narrow signals that drift in frequency. A file of 50 MiB takes some seconds.</li>
        <li>Look at each signal in the waterfall, and keep your verdict: candidate or interference.</li>
      </ol>
      ${examples.length > 0 && html`
        <h3>Without a file of your own</h3>
        ${examples.map((example) => html`<${Example} key=${example.name} example=${example} />`)}`}
      <p class="fine"><a href="/app/help">What the labels and numbers mean</a></p>
    </section>`;
};
