// What the numbers and labels mean, how to use the pages, and how far the results can be trusted.
import { Heading } from "../parts/heading.js";
import { Table } from "../parts/table.js";
import { label_text } from "../triage/rows.js";
import { html } from "../vendor/preact_htm.js";

const LABELS = [
  ["CANDIDATE_ET", "Narrow, drifting, strong, steady, in no service's band, unlike the other hits. Look at it first."],
  ["NARROWBAND_DRIFTING", "Up to 500 Hz wide, present most of the time, with a drift."],
  ["NARROWBAND_STATIONARY", "Up to 500 Hz wide and without a drift: most often a transmitter near the telescope."],
  ["PULSED", "Narrow, with its power in less than half of the time."],
  ["CHIRP", "Narrow, with a drift rate that changes."],
  ["BROADBAND", "Wider than 500 Hz."],
  ["RFI_TERRESTRIAL", "In the band of a service on the ground, and shaped like it; or a comb that does not drift."],
  ["RFI_SATELLITE", "In the band of a service of satellites, and shaped like it."],
  ["NOISE", "A glitch in one spectrum, or nothing."],
].map(([label, meaning]) => ({ label, meaning }));

const NUMBERS = [
  ["Frequency", "The centre of the signal in the middle of the first spectrum, MHz, as the telescope received it."],
  ["Drift rate", "How fast the frequency changes, Hz/s. A transmitter at rest beside the telescope has 0."],
  ["SNR", "The power along the track, in units of the scatter of the noise. Its own error is about 1."],
  ["False alarms", "How many hits as strong as this one noise alone would make in this observation."],
  ["Hits", "Every signal above the threshold."],
  ["Filtered hits", "Hits that are neither interference nor noise; all hits of one emitter count once."],
  ["Candidates", "Filtered hits that drift, pulse or chirp, with at most 0.01 false alarms."],
  ["Interest", "How much a hit deserves a look, 0 to 1. Compare jobs of equal thresholds only."],
  ["Novelty", "The share of known signals that are less unusual. Above 0.99 the label is a guess."],
].map(([label, meaning]) => ({ label, meaning }));

const columns_of = (title, cell) => [
  { key: "label", title, is_head: true, cell },
  { key: "meaning", title: "Means", cell: (row) => row.meaning },
];

const KEYS = [
  [["Tab"], "to the next link, button or field; the first one on each page skips to the content"],
  [["Enter"], "follow a link, press a button"],
  [["Esc"], "close a dialog without doing what it asks"],
  [["j", "k"], "in a table of hits: the next one, the one before"],
  [["c", "r", "i", "u"], "in a table of hits: candidate, RFI, instrument, unsure; then the next one"],
  [["n", "x", "z"], "in a table of hits: write a note, remove the verdict, undo"],
  [["\u2190", "\u2192"], "in the waterfall: pan, further with Shift"],
  [["+", "\u2212", "0"], "in the waterfall: zoom in, zoom out, show the whole band"],
  [["[", "]"], "in the waterfall: the hit before, the next one"],
];

const Keyboard = () => html`
  <dl class="facts">
    ${KEYS.map(([keys, meaning]) => html`
      <dt>${keys.map((key, at) => html`${at > 0 && " "}<kbd>${key}</kbd>`)}</dt><dd>${meaning}</dd>`)}
  </dl>`;

/** The page. */
export const Page = () => html`
  <${Heading} title="Help" />
  <nav aria-label="On this page"><ul class="contents">
    <li><a href="#labels">Labels</a></li>
    <li><a href="#numbers">Numbers</a></li>
    <li><a href="#keyboard">Keyboard</a></li>
    <li><a href="#trust">How far to trust a result</a></li>
    <li><a href="#publish">Publish a result</a></li>
  </ul></nav>
  <section class="panel" id="labels" tabindex="-1">
    <h2>Labels</h2>
    <p>A label is a shape, found by a model that was trained on simulated signals, together with what the frequency band
      and the other hits say. Each hit states the reasons for its label.</p>
    <${Table} caption="What each label means" rows=${LABELS} row_key=${(row) => row.label}
      columns=${columns_of("Label", (row) => html`${label_text(row.label)}
        ${" "}<code class="second">${row.label}</code>`)} />
  </section>
  <section class="panel" id="numbers" tabindex="-1">
    <h2>Numbers</h2>
    <p>Numbers are shown with the digits that their errors deserve. Downloads have all digits, and the errors.</p>
    <${Table} caption="What each number means" rows=${NUMBERS} row_key=${(row) => row.label}
      columns=${columns_of("Number", (row) => row.label)} />
  </section>
  <section class="panel" id="keyboard" tabindex="-1">
    <h2>Keyboard</h2>
    <p>Everything works without a mouse. Lists change by themselves; <q>Pause updates</q> stops that. The letters of a
      table of hits can be switched off beside it.</p>
    <${Keyboard} />
  </section>
  <section class="panel" id="trust" tabindex="-1">
    <h2>How far to trust a result</h2>
    <ul>
      <li>A candidate is not a detection. Interference can drift, and one observation can't tell where a signal comes
        from: compare scans of the target with scans of other places (a cadence).</li>
      <li>The labels come from simulated signals. A label with a low confidence or a high novelty is a guess.</li>
      <li>A job lists its warnings: lost samples, changes of gain, products that do not suit. Read them first.</li>
      <li>A job without candidates says that nothing above its threshold drifts as slowly as its range: state both.</li>
    </ul>
  </section>
  <section class="panel" id="publish" tabindex="-1">
    <h2>Publish a result</h2>
    <p>State the version of Waterhole, the threshold, the range of drift rates and the SHA-256 of the file: the
      catalogues in FITS, VOTable, Parquet and JSON hold them. A limit on transmitters holds above the threshold, for
      drifts within the range, and for the part of the band that the warnings do not exclude.</p>
    <p><a href="/docs">The API's documentation</a></p>
  </section>`;
