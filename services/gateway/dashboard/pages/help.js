// What the numbers and labels mean, and how to use the pages.
import { Heading } from "../parts/heading.js";
import { html } from "../vendor/preact_htm.js";

/** The page. */
export const Page = () => html`
  <${Heading} title="Help" />
  <p><a href="/docs">The API's documentation</a></p>`;
