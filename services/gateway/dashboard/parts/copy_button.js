// Copies a text.
import { html, useState } from "../vendor/preact_htm.js";
import { announce } from "./announcer.js";

/** @param {{text: string, what: string}} props what: names the text, such as "the key" */
export const CopyButton = ({ text, what }) => {
  const [shown, set_shown] = useState("Copy");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      set_shown("Copied");
      announce(`Copied ${what}.`);
    } catch {
      // Browsers offer no clipboard to pages without TLS on other machines.
      set_shown("Select the text and copy it");
    }
  };
  return html`<button type="button" onClick=${copy} aria-label=${shown === "Copy" ? `Copy ${what}` : undefined}>
    ${shown}</button>`;
};
