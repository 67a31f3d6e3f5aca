// What an empty list says: what to do first.
import { Examples } from "../parts/examples.js";
import { html } from "../vendor/preact_htm.js";

/** @param {{kind: "job" | "cadence"}} props */
export const FirstSteps = ({ kind }) => {
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
      <${Examples} />
      <p class="fine"><a href="/app/help">What the labels and numbers mean</a></p>
    </section>`;
};
