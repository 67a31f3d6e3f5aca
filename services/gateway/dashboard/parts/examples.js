// The example observations of the service, each with the button that analyses it.
import { navigate } from "../address.js";
import { request } from "../api.js";
import { size_text } from "../format.js";
import { html, useEffect, useState } from "../vendor/preact_htm.js";
import { ErrorNotice } from "./notice.js";

const AGAIN_MS = 5000;
const MOST_TIMES = 12;

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

/** A heading and the examples, or nothing where the service has none. */
export const Examples = () => {
  const [examples, set_examples] = useState([]);
  useEffect(() => {
    const reading = new AbortController();
    let timer = null;
    // Without examples the page says the rest. Where the server can't be reached, another notice says so.
    const read = (times_left) => request("GET", "/examples", { signal: reading.signal }).then((answer) => {
      set_examples(answer.examples);
      // A local stack makes its example in the first minute after it has started.
      if (!answer.examples.length && times_left > 0) timer = setTimeout(read, AGAIN_MS, times_left - 1);
    }, () => {});
    read(MOST_TIMES);
    return () => {
      clearTimeout(timer);
      reading.abort();
    };
  }, []);
  return examples.length > 0 && html`
    <h2>Without a file of your own</h2>
    ${examples.map((example) => html`<${Example} key=${example.name} example=${example} />`)}`;
};
