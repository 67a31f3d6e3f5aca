// What is on its way in this tab: the progress of each file, and the searches that were started.
import { on } from "../events.js";
import { counted_text, size_text } from "../format.js";
import { announce } from "../parts/announcer.js";
import { StatusBadge } from "../parts/badge.js";
import { Progress } from "../parts/progress.js";
import { html, useEffect, useRef, useState } from "../vendor/preact_htm.js";
import { time_left_text } from "./speed.js";

const WORDS = {
  waiting: "Waits for its turn", sending: "Sending", offline: "Waiting", paused: "Paused",
  completing: "Putting the parts together",
  uploaded: "Uploaded", failed: "Failed", aborted: "Removed",
};
const SEARCH_WORDS = { starting: "Starting the search", waiting: "The search waits", refused: "Not searched" };

// The jobs that were started here, as the event stream tells of them.
const use_jobs = () => {
  const [jobs, set_jobs] = useState({});
  useEffect(() => on("job", (job) => set_jobs((known) => ({ ...known, [job.job_id]: job }))), []);
  return jobs;
};

const State = ({ item }) => {
  const { transfer, search_state, search_message } = item;
  const word = SEARCH_WORDS[search_state] ?? WORDS[transfer.state];
  const message = search_message || transfer.message;
  const is_bad = transfer.state === "failed" || search_state === "refused";
  return html`<p class=${is_bad ? "field-error" : "fine"}><strong>${word}.</strong>${message && ` ${message}`}</p>`;
};

const Buttons = ({ queue, batch, item }) => {
  const { transfer, search_state } = item;
  const name = transfer.file.name;
  const is_paused = transfer.state === "paused";
  const has_failed = transfer.state === "failed" || search_state === "refused";
  const button = (text, action) =>
    html`<button type="button" aria-label=${`${text} ${name}`} onClick=${action}>${text}</button>`;
  return html`<p class="actions">
    ${(transfer.is_active || transfer.state === "waiting") && button("Pause", () => queue.pause(item))}
    ${is_paused && button("Resume", () => queue.resume(batch, item))}
    ${has_failed && button("Try again", () => queue.resume(batch, item))}
    ${search_state !== "starting" && button("Remove", () => queue.remove(batch, item))}
  </p>`;
};

const Started = ({ item, job }) => html`
  <p class="started"><a href=${`/app/jobs/${item.job_id}`}>Job of ${item.source_name || item.transfer.file.name}</a>
    ${" "}<${StatusBadge} status=${job?.status ?? "submitted"} /></p>`;

const Upload = ({ queue, batch, item, jobs }) => {
  const { file, sent_bytes } = item.transfer;
  return html`
    <li class="upload">
      <div class="chosen-head"><strong class="file-name">${file.name}</strong>
        <span class="size">${size_text(file.size)}</span></div>
      ${item.search_state !== "started" && html`
        <${Progress} label=${`Upload of ${file.name}`} value=${sent_bytes} max=${file.size}
          text=${`${Math.floor((100 * sent_bytes) / file.size)} %`} />
        <${State} item=${item} />
        <${Buttons} queue=${queue} batch=${batch} item=${item} />`}
      ${item.job_id && html`<${Started} item=${item} job=${jobs[item.job_id]} />`}
    </li>`;
};

const CadenceState = ({ queue, batch }) => {
  if (batch.cadence_id) {
    const address = `/app/cadences/${batch.cadence_id}`;
    return html`<p class="started"><a href=${address}>Cadence ${batch.name}</a> has started.</p>`;
  }
  if (!batch.state) return html`<p class="fine">The cadence starts once all its scans are uploaded.</p>`;
  const is_bad = batch.state === "refused";
  return html`
    <p class=${is_bad ? "field-error" : "fine"}><strong>${SEARCH_WORDS[batch.state]}.</strong> ${batch.message}</p>
    ${is_bad && html`<p class="actions"><button type="button" onClick=${() => queue.search_cadence(batch)}>Try the
      cadence again</button></p>`}`;
};

const Overall = ({ queue }) => {
  const moving = queue.items.filter(({ transfer }) => transfer.is_active || transfer.state === "waiting");
  if (!moving.length) return null;
  const total = moving.reduce((sum, { transfer }) => sum + transfer.file.size, 0);
  const sent = moving.reduce((sum, { transfer }) => sum + transfer.sent_bytes, 0);
  const speed = queue.speed.bytes_per_s(performance.now());
  const texts = [`${size_text(sent)} of ${size_text(total)}`];
  if (speed) texts.push(`${size_text(speed)}/s`, time_left_text(total - sent, speed));
  return html`
    <div class="overall">
      <${Progress} label="All uploads" value=${sent} max=${total} text=${texts.filter(Boolean).join(", ")} />
    </div>`;
};

// Screen readers hear of each upload that ended and of each search that started, not of each per cent.
const use_announcements = (items) => {
  const known = useRef(new Map());
  useEffect(() => {
    items.forEach((item) => {
      const now = `${item.transfer.state} ${item.search_state}`;
      const before = known.current.get(item.id);
      known.current.set(item.id, now);
      const { name } = item.transfer.file;
      if (before === undefined || before === now) return;
      if (item.search_state === "started") announce(`The search of ${name} has started.`);
      else if (item.transfer.state === "uploaded" && before.startsWith("completing")) announce(`${name} is uploaded.`);
      else if (item.transfer.state === "failed") announce(`The upload of ${name} failed. ${item.transfer.message}`);
      else if (item.transfer.state === "offline") announce(`The upload of ${name} waits. ${item.transfer.message}`);
    });
  });
};

/** @param {{queue: import("./queue.js").UploadQueue}} props */
export const UploadList = ({ queue }) => {
  const jobs = use_jobs();
  use_announcements(queue.items);
  if (!queue.batches.length) return null;
  const started = queue.items.filter((item) => item.search_state === "started").length;
  return html`
    <section class="panel" aria-labelledby="uploads-title">
      <h2 id="uploads-title" tabindex="-1">Uploads</h2>
      <p class="fine">They go on while you look at other pages of the dashboard. Keep this tab open until they are
        sent.</p>
      <${Overall} queue=${queue} />
      ${queue.batches.map((batch) => html`
        <div key=${batch.id} class="batch">
          ${batch.is_cadence && html`<h3>${batch.name || "Cadence"}: ${counted_text(batch.items.length, "scan")}</h3>
            <${CadenceState} queue=${queue} batch=${batch} />`}
          <ul class="upload-list">
            ${batch.items.map((item) => html`<${Upload} key=${item.id} queue=${queue} batch=${batch} item=${item}
              jobs=${jobs} />`)}
          </ul>
        </div>`)}
      ${started > 0 && html`<p class="actions"><button type="button" class="quiet"
        onClick=${() => queue.clear_started()}>Clear what has started</button></p>`}
    </section>`;
};
