// A path without a page.
import { Heading } from "../parts/heading.js";
import { html } from "../vendor/preact_htm.js";

/** @param {{path: string}} props */
export const Page = ({ path }) => html`
  <${Heading} title="Page not found" />
  <p>There is no page <code>${path}</code>. Check the address, or go to <a href="/app/">the jobs</a>.</p>`;
