// A message that stays on the page. The kind is told by a word, not by colour alone.
import { html } from "../vendor/preact_htm.js";

const WORDS = { info: "Note", success: "Done", warning: "Warning", error: "Error" };

/**
 * @param {{kind?: "info" | "success" | "warning" | "error", title: any, children?: any}} props
 */
export const Notice = ({ kind = "info", title, children }) => html`
  <div class=${`notice notice-${kind}`} role=${kind === "error" ? "alert" : undefined}>
    <p class="notice-title"><span class="notice-kind">${WORDS[kind]}</span> ${title}</p>
    ${children}
  </div>`;

/**
 * An error of a request, with its id for the people who run the service.
 * @param {{error: Error, on_retry?: () => void, children?: any}} props
 */
export const ErrorNotice = ({ error, on_retry, children }) => html`
  <${Notice} kind="error" title=${error.message}>
    ${children}
    ${on_retry && html`<p><button type="button" onClick=${on_retry}>Try again</button></p>`}
    ${error.request_id && html`<p class="fine">Request ${error.request_id}</p>`}
  <//>`;
