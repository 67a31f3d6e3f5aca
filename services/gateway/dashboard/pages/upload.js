// What can be analysed: the formats, and what the tier allows.
import { request } from "../api.js";
import { count_text, size_text } from "../format.js";
import { use_answer } from "../parts/answer.js";
import { Heading } from "../parts/heading.js";
import { Loading } from "../parts/loading.js";
import { ErrorNotice } from "../parts/notice.js";
import { html } from "../vendor/preact_htm.js";

/** The page. */
export const Page = () => {
  const { answer, error } = use_answer((signal) => request("GET", "/usage", { signal }), []);
  return html`
    <${Heading} title="New analysis" />
    <p>Waterhole searches filterbank files: SIGPROC (.fil) and HDF5 (.h5).</p>
    ${error && html`<${ErrorNotice} error=${error} />`}
    ${!answer && !error && html`<${Loading} what="your limits" />`}
    ${answer && html`<dl class="facts">
      <dt>Largest file, unpacked</dt><dd>${size_text(answer.tier_details.max_file_mb * 1024 ** 2)}</dd>
      <dt>Jobs left this month</dt><dd>${count_text(answer.remaining)}</dd>
    </dl>`}`;
};
