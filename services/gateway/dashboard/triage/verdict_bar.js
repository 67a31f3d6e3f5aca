// What is selected, and the buttons that judge it: everything that the keys do, for the pointer and for touch.
import { count_text } from "../format.js";
import { Dialog } from "../parts/dialog.js";
import { html, useState } from "../vendor/preact_htm.js";
import { VerdictMark, measured_text, row_text } from "./columns.js";
import { SHORTCUTS } from "./shortcuts.js";
import { MOST_NOTE } from "./verdict_store.js";
import { VERDICTS } from "./verdicts.js";

/**
 * @param {{row: import("./rows.js").Row | null, at: number, count: number, kind: "job" | "cadence",
 *   given: object | undefined, undo_count: number, on_command: (command: object) => void}} props `at`: place among the
 *   rows that are shown, from 0; -1 where it is not among them
 */
export const VerdictBar = ({ row, at, count, kind, given, undo_count, on_command }) => html`
  <div class="verdict-bar">
    <p class="verdict-of">
      ${row
        ? html`<span class="fine">${at < 0 ? "Not in the list" : `${count_text(at + 1)} of ${count_text(count)}`}</span>
          <strong>${row_text(row, kind)}</strong> <${VerdictMark} given=${given} />
          <span class="fine">${measured_text(row)}</span>`
        : html`<span class="fine">Select ${kind === "job" ? "a hit" : "an event"} to judge it.</span>`}
    </p>
    <div class="verdict-buttons" role="group" aria-label="Verdict">
      <button type="button" disabled=${count === 0}
        onClick=${() => on_command({ name: "step", by: -1 })}>Previous</button>
      <button type="button" disabled=${count === 0} onClick=${() => on_command({ name: "step", by: 1 })}>Next</button>
      ${VERDICTS.map(({ name, word, sign, help }) => html`
        <button type="button" key=${name} title=${help} disabled=${!row}
          aria-pressed=${given?.verdict === name ? "true" : "false"}
          onClick=${() => on_command({ name: "verdict", verdict: name })}>
          <span aria-hidden="true">${sign}</span> ${word}</button>`)}
      <button type="button" disabled=${!row} onClick=${() => on_command({ name: "note" })}>Note…</button>
      <button type="button" disabled=${!given} onClick=${() => on_command({ name: "clear" })}>No verdict</button>
      <button type="button" disabled=${undo_count === 0} onClick=${() => on_command({ name: "undo" })}>Undo</button>
    </div>
  </div>`;

/**
 * The keys, whether they are on, and whether a verdict moves on to the next row.
 * @param {{keys_on: boolean, on_keys: (is_on: boolean) => void, moves_on: boolean,
 *   on_moves: (moves: boolean) => void}} props
 */
export const KeyChoices = ({ keys_on, on_keys, moves_on, on_moves }) => html`
  <div class="key-choices">
    <label><input type="checkbox" checked=${keys_on}
      onChange=${(event) => on_keys(event.target.checked)} /> Keys</label>
    <ul class="keys" aria-label="What each key does" hidden=${!keys_on}>
      ${SHORTCUTS.map(({ keys, text }) => html`
        <li key=${text}>${keys.map((key) => html`<kbd>${key}</kbd> `)}${text}</li>`)}
    </ul>
    <label><input type="checkbox" checked=${moves_on} onChange=${(event) => on_moves(event.target.checked)} />
      ${" "}A verdict moves on to the next</label>
  </div>`;

/**
 * Asks for a note, and for a verdict where there is none yet.
 * @param {{row: import("./rows.js").Row, kind: "job" | "cadence", given: object | undefined,
 *   on_save: (verdict: {verdict: string, note: string}) => void, on_close: () => void}} props
 */
export const NoteDialog = ({ row, kind, given, on_save, on_close }) => {
  const [note, set_note] = useState(given?.note ?? "");
  const [verdict, set_verdict] = useState(given?.verdict ?? "unsure");
  const save = (event) => {
    event.preventDefault();
    // A note is one line: in a table it is one cell.
    on_save({ verdict, note: note.replace(/\s+/g, " ").trim() });
    on_close();
  };
  return html`
    <${Dialog} title="Note" on_close=${on_close}>
      <form onSubmit=${save}>
        <p class="fine">${row_text(row, kind)}</p>
        <label class="stacked">Verdict
          <select value=${verdict} onChange=${(event) => set_verdict(event.target.value)}>
            ${VERDICTS.map(({ name, word }) => html`<option key=${name} value=${name}>${word}</option>`)}
          </select></label>
        <label class="stacked">Note
          <textarea maxlength=${MOST_NOTE} value=${note} autofocus
            onInput=${(event) => set_note(event.target.value)}></textarea>
        </label>
        <p class="actions">
          <button type="button" onClick=${on_close}>Cancel</button>
          <button type="submit" class="primary">Save</button>
        </p>
      </form>
    <//>`;
};
