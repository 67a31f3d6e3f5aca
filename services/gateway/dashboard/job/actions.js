// What can be done with a job besides looking at it: report, cancel, delete, and follow it by the API.
import { request } from "../api.js";
import { announce } from "../parts/announcer.js";
import { CopyButton } from "../parts/copy_button.js";
import { ConfirmDialog, Dialog } from "../parts/dialog.js";
import { html, useState } from "../vendor/preact_htm.js";

const MOST_CHARACTERS = 5000;

const report = (job, description) =>
  request("POST", "/reports", {
    body: {
      job_id: job.job_id, description,
      error_type: job.status === "failed" ? "pipeline_failure" : "user_report",
      metadata: { page: location.pathname, browser: navigator.userAgent, screen: `${innerWidth} x ${innerHeight}` },
    },
  });

const Reported = ({ report_id, on_close }) => html`
  <p>The report is sent. Its number is <code>${report_id}</code>.</p>
  <p class="actions"><button type="button" onClick=${on_close}>Close</button></p>`;

const ReportDialog = ({ job, on_close }) => {
  const [state, set_state] = useState({ is_busy: false, error: null, report_id: null });
  const [text, set_text] = useState("");
  const send = async (event) => {
    event.preventDefault();
    set_state({ is_busy: true, error: null, report_id: null });
    try {
      const { report_id } = await report(job, text);
      set_state({ is_busy: false, error: null, report_id });
      announce("The report is sent.");
    } catch (error) {
      set_state({ is_busy: false, error, report_id: null });
    }
  };
  const form = html`
    <form onSubmit=${send}>
      <p class="field"><label for="report-text">What is wrong, and what did you expect?</label>
        <textarea id="report-text" rows="6" maxlength=${MOST_CHARACTERS} required value=${text}
          onInput=${(event) => set_text(event.target.value)}></textarea></p>
      <p class="fine">The operator gets the text, the job's id, and your browser's name and window size.</p>
      ${state.error && html`<p class="field-error" role="alert">${state.error.message}</p>`}
      <p class="actions"><button type="button" onClick=${on_close}>Cancel</button>
        <button type="submit" class="primary" disabled=${state.is_busy}>Send the report</button></p>
    </form>`;
  return html`<${Dialog} title="Report a problem with this job" on_close=${on_close}>
    ${state.report_id ? html`<${Reported} report_id=${state.report_id} on_close=${on_close} />` : form}<//>`;
};

const DeleteDialog = ({ job, is_open, on_deleted, on_close }) => html`
  <${ConfirmDialog} title=${is_open ? "Cancel this job?" : "Delete this job?"} on_close=${on_close}
    action=${is_open ? "Cancel the job" : "Delete the job"}
    on_confirm=${() => request("DELETE", `/jobs/${job.job_id}`).then(on_deleted)}>
    <p>${job.source_name}: ${is_open ? "the search stops, and the uploaded file is removed."
      : "its results, verdicts and the uploaded file are removed."} This can't be undone.</p>
    <p class="fine">It still counts in this month's jobs.</p>
  <//>`;

/** @param {{job: object}} props */
export const Curl = ({ job }) => {
  const line = `curl -s ${location.origin}/jobs/${job.job_id} -H "x-api-key: $WATERHOLE_API_KEY"`;
  return html`<div class="curl"><p>This job by the API, with a key of yours (<a href="/docs">all of the API</a>):</p>
    <pre tabindex="0" aria-label="Command">${line}</pre>
    <p class="actions"><${CopyButton} text=${line} what="the command" /></p></div>`;
};

/** @param {{job: object, is_open: boolean, on_deleted: () => void}} props is_open: whether it still runs */
export const Actions = ({ job, is_open, on_deleted }) => {
  const [dialog, set_dialog] = useState(null);
  const close = () => set_dialog(null);
  return html`
    <p class="actions">
      <button type="button" onClick=${() => set_dialog("report")}>Report a problem</button>
      <button type="button" class="danger" onClick=${() => set_dialog("delete")}>
        ${is_open ? "Cancel the job" : "Delete the job"}</button>
    </p>
    ${dialog === "report" && html`<${ReportDialog} job=${job} on_close=${close} />`}
    ${dialog === "delete" && html`<${DeleteDialog} job=${job} is_open=${is_open} on_deleted=${on_deleted}
      on_close=${close} />`}`;
};
