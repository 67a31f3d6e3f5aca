// New analyses: choose files, see what they hold, say how they are searched, and watch them go.
import { request } from "../api.js";
import { announce } from "../parts/announcer.js";
import { Examples } from "../parts/examples.js";
import { Heading } from "../parts/heading.js";
import { ErrorNotice, Notice } from "../parts/notice.js";
import { counted_text } from "../format.js";
import { ChosenList } from "../uploads/chosen_list.js";
import { accepted, judged, new_draft, plan_of, read_chosen } from "../uploads/draft.js";
import { FileChooser } from "../uploads/file_chooser.js";
import { plan_refusal } from "../uploads/limits.js";
import { SearchForm } from "../uploads/search_form.js";
import { fields_of, problems_of } from "../uploads/search_parameters.js";
import { UnfinishedList } from "../uploads/unfinished_list.js";
import { UploadList } from "../uploads/upload_list.js";
import { uploads_of } from "../uploads/user_uploads.js";
import { html, useCallback, useEffect, useState } from "../vendor/preact_htm.js";

// What the tier allows; null until it is known, or where the server can't tell: then the server refuses later.
const use_usage = (count) => {
  const [state, set_state] = useState({ usage: null, error: null });
  useEffect(() => {
    request("GET", "/usage").then(
      (usage) => set_state({ usage, error: null }),
      (error) => set_state({ usage: null, error }),
    );
  }, [count]);
  return state;
};

// The state of the tab's uploads, as a reason to draw again.
const use_uploads = (user_id) => {
  const uploads = uploads_of(user_id);
  const [, set_count] = useState(0);
  const draw = useCallback(() => set_count((count) => count + 1), []);
  useEffect(() => uploads.queue.subscribe(draw), [uploads]);
  const set_draft = (changes) => {
    Object.assign(uploads.draft, typeof changes === "function" ? changes(uploads.draft) : changes);
    draw();
  };
  return { ...uploads, set_draft, draw };
};

const said_of = (read) => {
  const refused = read.filter((one) => one.refusal).length;
  return `${counted_text(read.length, "file")} chosen${refused ? `, ${refused} refused` : ""}.`;
};

const Send = ({ draft, usage, is_known }) => {
  const files = accepted(draft.files);
  const is_cadence = draft.is_cadence && files.length > 1;
  const anew = files.filter((one) => !is_known(one)).map(({ file }) => file);
  const refusal = plan_refusal(anew, usage, is_cadence);
  const problems = problems_of(draft.values, is_cadence);
  const what = files.length === 1 ? "the file" : `${files.length} files`;
  return html`
    ${refusal && html`<${Notice} kind="error" title=${refusal} />`}
    <p class="actions">
      <button type="submit" class="primary" disabled=${refusal !== null || problems.length > 0}>
        Upload and search ${what}</button>
    </p>`;
};

const Draft = ({ draft, set_draft, usage, stored, on_send }) => {
  const count = accepted(draft.files).length;
  const is_known = ({ file, fingerprint }) =>
    stored.find({ name: file.name, size: file.size, last_modified: file.lastModified, fingerprint }) !== null;
  return html`
    <form class="new-analysis" onSubmit=${(event) => { event.preventDefault(); on_send(); }}>
      <section class="panel" aria-labelledby="chosen-title">
        <h2 id="chosen-title">Chosen files</h2>
        <${ChosenList} draft=${draft} on_draft=${set_draft} is_known=${is_known} />
      </section>
      ${count > 0 && html`
        <section class="panel" aria-labelledby="search-title">
          <h2 id="search-title">How to search</h2>
          <${SearchForm} draft=${draft} on_draft=${set_draft} has_several=${count > 1} />
        </section>
        <${Send} draft=${draft} usage=${usage} is_known=${is_known} />`}
    </form>`;
};

/** The page. */
export const Page = ({ session }) => {
  const { queue, draft, stored, set_draft, draw } = use_uploads(session.user_id);
  const [reading, set_reading] = useState(0);
  const started = queue.items.filter((item) => item.search_state === "started").length;
  const { usage, error } = use_usage(started);
  // Files may be chosen before it is known what the tier allows.
  useEffect(() => set_draft(({ files }) => ({ files: files.map((one) => judged(one, usage)) })), [usage]);
  const on_files = useCallback(async (files) => {
    set_reading((count) => count + 1);
    const read = (await Promise.all(files.map(read_chosen))).map((one) => judged(one, usage));
    set_draft(({ files: before }) => {
      const known = new Set(before.map((one) => one.id));
      return { files: [...before, ...read.filter((one) => !known.has(one.id))] };
    });
    set_reading((count) => count - 1);
    announce(said_of(read));
  }, [usage]);
  const [sendings, set_sendings] = useState(0);
  // The button that was pressed is gone.
  useEffect(() => { sendings > 0 && document.getElementById("uploads-title").focus(); }, [sendings]);
  const on_send = () => {
    const is_cadence = draft.is_cadence && accepted(draft.files).length > 1;
    queue.add(plan_of(draft, fields_of(draft.values, is_cadence)));
    set_draft({ ...new_draft(), values: draft.values });
    set_sendings((count) => count + 1);
    announce("The uploads have begun.");
  };
  const here = new Set([...draft.files, ...queue.items.map(({ transfer }) => transfer)].map((one) => one.fingerprint));
  return html`
    <${Heading} title="New analysis" />
    ${error && html`<${ErrorNotice} error=${error} />`}
    <${UnfinishedList} stored=${stored} here=${here} on_gone=${draw} />
    <${FileChooser} on_files=${on_files} is_reading=${reading > 0} />
    ${draft.files.length > 0 && html`<${Draft} draft=${draft} set_draft=${set_draft} usage=${usage} stored=${stored}
      on_send=${on_send} />`}
    <${UploadList} queue=${queue} />
    ${draft.files.length === 0 && queue.batches.length === 0 && html`<div class="first-steps"><${Examples} /></div>`}`;
};
