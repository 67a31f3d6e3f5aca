// Shown while something loads.
import { html } from "../vendor/preact_htm.js";

/** @param {{what?: string}} props what loads, such as "the jobs" */
export const Loading = ({ what = "the page" }) => html`<p class="loading" role="status">Loading ${what}…</p>`;
