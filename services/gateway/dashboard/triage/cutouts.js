// Small pictures of many hits, to scan a hundred at a glance. Each is read when it comes into view.
import { request, request_bytes } from "../api.js";
import { snr_text, frequency_text } from "../format.js";
import { Loading } from "../parts/loading.js";
import { Notice } from "../parts/notice.js";
import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact_htm.js";
import { SIGMA_OF_CODE } from "../waterfall/codes.js";
import { auto_range, pixels_of } from "../waterfall/colours.js";
import { VerdictMark, row_text } from "./columns.js";
import { codes_of, mirrored, span_of } from "./cutout_samples.js";
import { VERDICT_OF } from "./verdicts.js";

const AT_ONCE = 4;
const MAP = "viridis";
// Pictures just below the window's edge are read before they are seen.
const AHEAD = "200px";

// Runs at most some tasks at a time, the newest first: what one sees now matters more than what one scrolled past.
const make_queue = () => {
  const waiting = [];
  let running = 0;
  const next = () => {
    while (running < AT_ONCE && waiting.length > 0) {
      running += 1;
      waiting.pop()().finally(() => {
        running -= 1;
        next();
      });
    }
  };
  return (task) => new Promise((resolve, reject) => {
    waiting.push(() => task().then(resolve, reject));
    next();
  });
};

const read_cutout = async (job_id, grid, row) => {
  const span = span_of(row, grid.n_channels);
  const query = { start_channel: span.start, stop_channel: span.stop };
  const { bytes } = await request_bytes(`/jobs/${job_id}/waterfall/samples`, { query });
  const codes = codes_of(bytes, grid.rows, span);
  if (codes === null) return null;
  const width = span.stop - span.start;
  return { codes: grid.channel_width_hz < 0 ? mirrored(codes, width) : codes, width, height: grid.rows };
};

const draw_cutout = (canvas, { codes, width, height }) => {
  const sigmas = Float32Array.from(codes, (code) => SIGMA_OF_CODE[code]);
  const pixels = pixels_of(sigmas, { map: MAP, ...auto_range(sigmas) });
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
};

/**
 * Whether an element has come near the window.
 * @param {{current: Element | null}} ref
 * @returns {boolean}
 */
export const use_seen = (ref) => {
  const [is_seen, set_seen] = useState(false);
  useEffect(() => {
    if (is_seen) return undefined;
    const observer = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && set_seen(true),
      { rootMargin: AHEAD });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, [is_seen]);
  return is_seen;
};

const Picture = ({ row, load }) => {
  const canvas = useRef(null);
  const is_seen = use_seen(canvas);
  const [state, set_state] = useState("waiting");
  useEffect(() => {
    if (!is_seen) return undefined;
    let is_gone = false;
    load(row).then((cutout) => {
      if (is_gone) return;
      if (cutout !== null) draw_cutout(canvas.current, cutout);
      set_state(cutout === null ? "none" : "drawn");
    }, () => is_gone || set_state("failed"));
    return () => { is_gone = true; };
  }, [is_seen, row.id]);
  const words = { waiting: "…", none: "No picture is kept of this hit.", failed: "The picture could not be read." };
  // The button round it has the text alternative.
  return html`<span class="cutout-picture" data-state=${state}><canvas ref=${canvas} aria-hidden="true"></canvas>
    ${state !== "drawn" && html`<span class="fine">${words[state]}</span>`}</span>`;
};

/**
 * A picture with what it shows; a click selects its row.
 * @param {{row: import("./rows.js").Row, kind: "job" | "cadence", given: object | undefined, is_selected: boolean,
 *   on_select: (id: number) => void, children: any}} props
 */
export const Card = ({ row, kind, given, is_selected, on_select, children }) => html`
  <li>
    <button type="button" class="cutout" aria-current=${is_selected ? "true" : undefined}
      onClick=${() => on_select(row.id)}
      aria-label=${`${row_text(row, kind)}, ${given ? VERDICT_OF[given.verdict].word : "no verdict"}`}>
      ${children}
      <span class="cutout-text"><span>${frequency_text(row.frequency_hz)}</span>
        <span>SNR ${snr_text(row.snr)}</span></span>
      <span class="cutout-text"><${VerdictMark} given=${given} /></span>
    </button>
  </li>`;

/**
 * @param {{job_id: string, rows: import("./rows.js").Row[], selected: number | null, verdicts: Map<number, object>,
 *   on_select: (id: number) => void}} props
 */
export const Cutouts = ({ job_id, rows, selected, verdicts, on_select }) => {
  const [grid, set_grid] = useState(null);
  const [error, set_error] = useState(null);
  useEffect(() => {
    const asking = new AbortController();
    request("GET", `/jobs/${job_id}/waterfall`, { signal: asking.signal })
      .then(set_grid, (failed) => asking.signal.aborted || set_error(failed));
    return () => asking.abort();
  }, [job_id]);
  const load = useMemo(() => {
    const [queue, found] = [make_queue(), new Map()];
    return (row) => {
      if (!found.has(row.id)) found.set(row.id, queue(() => read_cutout(job_id, grid, row)));
      return found.get(row.id);
    };
  }, [job_id, grid]);
  if (error) return html`<${Notice} title=${error.message}><p>The table shows every hit without its picture.</p><//>`;
  if (!grid) return html`<${Loading} what="the pictures" />`;
  return html`<ul class="cutouts">
    ${rows.map((row) => html`<${Card} key=${row.id} row=${row} kind="job" given=${verdicts.get(row.id)}
      is_selected=${row.id === selected} on_select=${on_select}><${Picture} row=${row} load=${load} /><//>`)}
  </ul>`;
};
