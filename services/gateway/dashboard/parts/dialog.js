// Dialogs on the browser's own <dialog>, which keeps the focus inside and gives it back at the end.
import { html, useEffect, useRef, useState } from "../vendor/preact_htm.js";

let count = 0;

/**
 * An open dialog.
 * @param {{title: string, on_close: () => void, children: any}} props `on_close` is called for Escape, too
 */
export const Dialog = ({ title, on_close, children }) => {
  const dialog = useRef(null);
  const [id] = useState(() => `dialog-${(count += 1)}`);
  useEffect(() => {
    const [opener, shown] = [document.activeElement, dialog.current];
    shown.showModal();
    return () => {
      // Nothing outside an open dialog takes the focus.
      shown.close();
      // The row with the button may be gone.
      (opener?.isConnected ? opener : document.getElementById("main"))?.focus();
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    on_close();
  };
  return html`
    <dialog ref=${dialog} aria-labelledby=${id} onCancel=${cancel}>
      <h2 id=${id}>${title}</h2>
      ${children}
    </dialog>`;
};

/**
 * Asks before something is done that can't be undone.
 * @param {{title: string, action: string, on_confirm: () => Promise<void>, on_close: () => void, children: any}} props
 *   action: the text of the button, a verb; on_confirm: what it does, whose error is shown in the dialog
 */
export const ConfirmDialog = ({ title, action, on_confirm, on_close, children }) => {
  const [state, set_state] = useState({ is_busy: false, error: null });
  const confirm = async (event) => {
    event.preventDefault();
    set_state({ is_busy: true, error: null });
    try {
      await on_confirm();
      on_close();
    } catch (error) {
      set_state({ is_busy: false, error });
    }
  };
  return html`
    <${Dialog} title=${title} on_close=${on_close}>
      <form onSubmit=${confirm}>
        ${children}
        ${state.error && html`<p class="field-error" role="alert">${state.error.message}</p>`}
        <p class="actions">
          <button type="button" onClick=${on_close}>Cancel</button>
          <button type="submit" class="danger" disabled=${state.is_busy}>${action}</button>
        </p>
      </form>
    <//>`;
};
