// Uploads that were begun before a reload. A page can't open a file again by itself, so the user chooses it once more.
import { size_text } from "../format.js";
import { announce } from "../parts/announcer.js";
import { Notice } from "../parts/notice.js";
import { Time } from "../parts/time.js";
import { html, useState } from "../vendor/preact_htm.js";
import { give_up } from "./user_uploads.js";

const Unfinished = ({ stored, record, on_gone }) => {
  const [error, set_error] = useState(null);
  const remove = async () => {
    try {
      await give_up(stored, record);
      announce(`The upload of ${record.name} is removed.`);
      on_gone();
    } catch (caught) {
      set_error(caught);
    }
  };
  return html`
    <li><strong class="file-name">${record.name}</strong> <span class="size">${size_text(record.size)},</span>
      ${" "}${record.is_uploaded ? "uploaded, not searched yet" : "sent in part"}, begun
      ${" "}<${Time} time_s=${record.begun_ms / 1000} />
      ${" "}<button type="button" class="quiet" aria-label=${`Remove ${record.name}`} onClick=${remove}>Remove</button>
      ${error && html`<p class="field-error" role="alert">${error.message}</p>`}</li>`;
};

/**
 * @param {{stored: import("./stored_uploads.js").StoredUploads, here: Set<string>, on_gone: () => void}} props
 *   here: fingerprints of the files that this page has already
 */
export const UnfinishedList = ({ stored, here, on_gone }) => {
  const records = stored.list().filter((record) => !here.has(record.fingerprint));
  if (!records.length) return null;
  return html`
    <${Notice} title="Some uploads are not finished.">
      <p>Choose the same files again: what is there already is not sent once more.</p>
      <ul class="unfinished">${records.map((record) => html`<${Unfinished} key=${record.file_key} stored=${stored}
        record=${record} on_gone=${on_gone} />`)}</ul>
    <//>`;
};
