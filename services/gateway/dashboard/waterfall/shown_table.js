// What the canvas shows, as tables and lists: for everybody who doesn't see it, or wants the numbers.

import { snr_text } from "../format.js";
import { label_text } from "../triage/rows.js";
import { html, useState } from "../vendor/preact_htm.js";
import { shown_columns } from "./save.js";
import { drift_text, exact_text, fixed } from "./ticks.js";
import { row_s } from "./panel.js";

const MOST_ROWS = 20;
const MOST_HITS = 100;

/**
 * Return the strongest columns of what is shown.
 * @param {Object} scene
 * @param {number} most How many.
 * @returns {Object[]} {panel, from_hz, to_hz, strip, sigma, seconds}: the integrated value, the largest value and its
 *   time; the strongest integrated value first.
 */
export const strongest_columns = (scene, most) => {
  const rows = scene.panels.flatMap(({ panel, pooled }, at) =>
    shown_columns(scene, at).map(({ x, from_hz, to_hz }) => {
      let best = 0;
      for (let row = 1; row < pooled.rows; row += 1) {
        if (!(pooled.sigma_at(x, row) <= pooled.sigma_at(x, best))) best = row;
      }
      const [strip, sigma] = [pooled.strip_at(x), pooled.sigma_at(x, best)];
      return { panel, from_hz, to_hz, strip, sigma, seconds: row_s(panel, best) };
    }),
  );
  return rows.filter(({ strip }) => !Number.isNaN(strip)).sort((a, b) => b.strip - a.strip).slice(0, most);
};

/**
 * A table of the strongest columns in view. It is made when it is opened, and again on demand.
 * @param {{stage: Object, on_show: (hz: number) => void}} props
 */
export const ShownTable = ({ stage, on_show }) => {
  const [rows, set_rows] = useState(null);
  const fill = () => stage.scene() !== null && set_rows(strongest_columns(stage.scene(), MOST_ROWS));
  const several = stage.panels.length > 1;
  return html`
    <details class="waterfall-table" onToggle=${(event) => event.target.open && fill()}>
      <summary>Table of the strongest columns in view</summary>
      <button type="button" onClick=${fill}>Take the view of now</button>
      ${rows !== null && html`
      <div class="waterfall-scroll" tabindex="0" role="region" aria-label="Strongest columns in view">
        <table>
          <caption>The ${rows.length} columns with the largest integrated value, strongest first</caption>
          <thead><tr>
            ${several && html`<th scope="col">Scan</th>`}
            <th scope="col">From</th><th scope="col">To</th><th scope="col">Integrated</th>
            <th scope="col">Largest value</th><th scope="col">At time</th><th scope="col">Show</th>
          </tr></thead>
          <tbody>${rows.map((row) => html`<tr>
            ${several && html`<td>${row.panel.label}</td>`}
            <td>${exact_text(row.from_hz)}</td><td>${exact_text(row.to_hz)}</td>
            <td>${fixed(row.strip, 1)} σ</td><td>${fixed(row.sigma, 1)} σ</td><td>${row.seconds.toFixed(1)} s</td>
            <td><button type="button" aria-label=${`Zoom to ${exact_text((row.from_hz + row.to_hz) / 2)}`}
              onClick=${() => on_show(row)}>Zoom</button></td>
          </tr>`)}</tbody>
        </table>
      </div>`}
    </details>`;
};

/**
 * A button for each hit in view.
 * @param {{hits: Object[], selected: *, on_select: (id: *) => void}} props Hits in view.
 */
export const HitList = ({ hits, selected, on_select }) => html`
  <details class="waterfall-hits">
    <summary>Hits in view: ${hits.length}</summary>
    <ul>${hits.slice(0, MOST_HITS).map((hit) => html`<li key=${hit.id}>
      <button type="button" aria-pressed=${hit.id === selected} onClick=${() => on_select(hit.id)}>
        ${label_text(hit.label)}, ${exact_text(hit.frequency_hz)}, ${drift_text(hit.drift_rate_hz_s)}
        ${hit.snr > 0 && `, SNR ${snr_text(hit.snr)}`}
      </button></li>`)}</ul>
    ${hits.length > MOST_HITS && html`<p>The first ${MOST_HITS} by frequency. Zoom in for the others.</p>`}
  </details>`;

