// What the tier allows, and how much of it is used.
import { request } from "../api.js";
import { count_text, size_text } from "../format.js";
import { Heading } from "../parts/heading.js";
import { Loading } from "../parts/loading.js";
import { ErrorNotice } from "../parts/notice.js";
import { Progress } from "../parts/progress.js";
import { use_answer } from "../parts/answer.js";
import { html } from "../vendor/preact_htm.js";

const MEBIBYTE = 1024 ** 2;

// The month of the quota is the calendar month in UTC.
const next_month_text = () => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)).toISOString().slice(0, 10);
};

const Bars = ({ usage }) => html`
  <dl class="bars">
    <dt>Jobs this month</dt>
    <dd><${Progress} label="Jobs this month" value=${usage.usage_this_month} max=${usage.limit}
      text=${`${count_text(usage.usage_this_month)} of ${count_text(usage.limit)}; ${count_text(usage.remaining)} left`}
      is_full=${usage.remaining === 0} />
      <p class="fine">Jobs of cadences count, and deleted jobs too.
        The count starts again on ${next_month_text()}, 00:00 UTC.</p></dd>
    <dt>Open uploads</dt>
    <dd><${Progress} label="Open uploads" value=${usage.uploads.open} max=${usage.uploads.open_limit}
      text=${`${count_text(usage.uploads.open)} of ${count_text(usage.uploads.open_limit)}`}
      is_full=${usage.uploads.open >= usage.uploads.open_limit} />
      <p class="fine">Files that no job has searched yet. They are removed after a day.</p></dd>
    <dt>Stored files</dt>
    <dd><${Progress} label="Stored files" value=${usage.uploads.stored_bytes} max=${usage.uploads.stored_bytes_limit}
      text=${`${size_text(usage.uploads.stored_bytes)} of ${size_text(usage.uploads.stored_bytes_limit)}`}
      is_full=${usage.uploads.stored_bytes >= usage.uploads.stored_bytes_limit} />
      <p class="fine">Delete jobs that you do not need any more to free space.</p></dd>
  </dl>`;

const TierFacts = ({ usage }) => html`
  <dl class="facts">
    <dt>Tier</dt><dd>${usage.tier}</dd>
    <dt>Price</dt><dd>${usage.tier_details.price}</dd>
    <dt>Largest file, unpacked</dt><dd>${size_text(usage.tier_details.max_file_mb * MEBIBYTE)}</dd>
    <dt>Jobs a month</dt><dd>${count_text(usage.tier_details.files_per_month)}</dd>
    <dt>Jobs and results are kept for</dt><dd>${count_text(usage.tier_details.retention_days)} days</dd>
    <dt>API keys for programs</dt><dd>${usage.tier_details.api_keys ? "Yes" : "No"}</dd>
  </dl>`;

/** The page. */
export const Page = () => {
  const { answer, error, reload } = use_answer(() => request("GET", "/usage"), []);
  return html`
    <${Heading} title="Usage" />
    ${error && html`<${ErrorNotice} error=${error} on_retry=${reload} />`}
    ${!answer && !error && html`<${Loading} what="your usage" />`}
    ${answer && html`
      <section class="panel"><h2>Used</h2><${Bars} usage=${answer} /></section>
      <section class="panel"><h2>What your tier includes</h2><${TierFacts} usage=${answer} /></section>`}`;
};
