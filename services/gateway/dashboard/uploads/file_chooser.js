// Where files are chosen: by a button, or by dropping them anywhere on the page.
import { html, useEffect, useState } from "../vendor/preact_htm.js";

const has_files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

// Files that are dropped beside a small area would make the browser leave the page and its uploads.
const use_drop = (on_files) => {
  const [is_over, set_over] = useState(false);
  useEffect(() => {
    const on_over = (event) => {
      if (!has_files(event)) return;
      event.preventDefault();
      set_over(true);
    };
    const on_leave = (event) => event.relatedTarget === null && set_over(false);
    const on_drop = (event) => {
      if (!has_files(event)) return;
      event.preventDefault();
      set_over(false);
      on_files([...event.dataTransfer.files]);
    };
    const listeners = [["dragover", on_over], ["dragleave", on_leave], ["drop", on_drop]];
    listeners.forEach(([name, listener]) => window.addEventListener(name, listener));
    return () => listeners.forEach(([name, listener]) => window.removeEventListener(name, listener));
  }, [on_files]);
  return is_over;
};

/** @param {{on_files: (files: File[]) => void, is_reading: boolean}} props */
export const FileChooser = ({ on_files, is_reading }) => {
  const is_over = use_drop(on_files);
  const on_change = (event) => {
    on_files([...event.target.files]);
    // The same file may be chosen again.
    event.target.value = "";
  };
  return html`
    <div class=${`drop-area ${is_over ? "drop-area-over" : ""}`}>
      <label for="files">Drop filterbank files anywhere on this page, or choose them:</label>
      <input type="file" id="files" multiple accept=".fil,.h5" aria-describedby="files-help" onChange=${on_change} />
      <p id="files-help" class="fine">SIGPROC (.fil) or HDF5 (.h5). Several files may be scans of one cadence.
        ${is_reading && html` <span role="status">Reading the files' headers…</span>`}</p>
    </div>`;
};
