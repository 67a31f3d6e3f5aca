// The canvas of a waterfall with its controls, read-out, lists and tables.

import { request_bytes } from "../api.js";
import { html, useEffect, useRef, useState } from "../vendor/preact_htm.js";
import { query_of_view } from "./address_view.js";
import { clamped, view_between, whole_view } from "./axes.js";
import { ColourControls, KeyHelp, MoveControls, RangeForm, RulerForm, SaveControls } from "./controls.js";
import { hit_near, listen } from "./gestures.js";
import { change_of, middle } from "./keys.js";
import { make_panel } from "./panel.js";
import { reading_at, reading_parts, resolution_text, ruler_through } from "./reading.js";
import { save_picture, save_samples, save_shown, selection_of } from "./save.js";
import { HitList, ShownTable } from "./shown_table.js";
import { make_stage } from "./stage.js";
import { drift_text, exact_text, width_text } from "./ticks.js";
import { neighbour, reach_hz } from "./tracks.js";

/** The page is told of a view that has stood still for this long. */
const ADDRESS_MS = 250;
/** Controls follow the canvas at most this often. */
const CONTROLS_MS = 80;
const SPOKEN_MS = 400;
/** Tiles kept in memory, of all panels. */
const MEMORY_BYTES = 96e6;
/** Channels shown around a hit when it is zoomed to. */
const HIT_CHANNELS = 400;
/** Columns shown on either side of one that is zoomed to. */
const COLUMNS_AROUND = 100;

/** Return the view of a hit: its track and what surrounds it. */
const view_of_hit = (hit, stage) => {
  const reach = reach_hz(hit, stage.span());
  const width_hz = Math.max(HIT_CHANNELS * stage.panels[0].grid.width_hz, 3 * (reach.high_hz - reach.low_hz));
  return clamped({ center_hz: (reach.low_hz + reach.high_hz) / 2, width_hz }, stage.band);
};

/**
 * Return the hits with what their numbers refer to. Of a job, the frequency is that in the middle of the first
 * spectrum, and the drift rate the mean until the middle of the last one; of a cadence, both are those at its start.
 */
const with_reference = (hits, manifests) => {
  const [{ spectrum_s, n_spectra }] = manifests;
  const [reference_s, chord_s] = manifests.length > 1 ? [0, 0] : [spectrum_s / 2, (n_spectra - 1) * spectrum_s];
  return hits.map((hit) => ({ reference_s, chord_s, ...hit, bandwidth_hz: hit.bandwidth_hz ?? 0, snr: hit.snr ?? 0 }));
};

const KEPT = ["center_hz", "width_hz", "statistic", "low", "high", "map"];

/** Return what the page keeps of the state; null stands for what is chosen here. */
const kept_view = ({ view, statistic, low, high, map }) => ({ ...view, statistic, low, high, map });

/** True if two views are the same as far as an address tells. */
const same_view = (a, b) => {
  const [one, other] = [query_of_view(a), query_of_view(b)];
  return Object.keys(one).every((name) => one[name] === other[name]);
};

/** Return the changes of the state that a view from outside asks for. */
const changes_of = (view, band) => {
  const whole = whole_view(band);
  return {
    view: { center_hz: view.center_hz ?? whole.center_hz, width_hz: view.width_hz ?? whole.width_hz },
    statistic: view.statistic === "mean" ? "mean" : "max",
    low: view.low ?? null, high: view.high ?? null, map: view.map ?? "viridis",
  };
};

/** Call `action` again at most once in `every_ms`, and once more at the end. */
const throttled = (action, every_ms) => {
  let timer = 0;
  const run = () => {
    if (timer !== 0) return;
    timer = setTimeout(() => {
      timer = 0;
      action();
    }, every_ms);
  };
  return { run, stop: () => clearTimeout(timer) };
};

/** Redraw when the canvas's width or the page's colours change; return how to stop it. */
const watch_page = (canvas, stage) => {
  const sizes = new ResizeObserver(() => stage.redraw());
  sizes.observe(canvas.parentElement);
  const themes = new MutationObserver(() => stage.redraw());
  themes.observe(document.documentElement, { attributes: true });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", stage.redraw);
  return () => {
    sizes.disconnect();
    themes.disconnect();
    scheme.removeEventListener("change", stage.redraw);
  };
};

/** Make the stage when the canvas is there, tell the page of its views, and redraw the controls as it moves. */
const use_stage = (canvas_ref, { panels, manifests, latest }) => {
  const [stage, set_stage] = useState(null);
  const [, set_turn] = useState(0);
  const sent = useRef(null);
  useEffect(() => {
    let address = 0;
    const controls = throttled(() => set_turn((turn) => turn + 1), CONTROLS_MS);
    const tell = () => {
      sent.current = kept_view(made.state);
      latest.current.on_view?.(sent.current);
    };
    const on_frame = () => {
      controls.run();
      const now = kept_view(made.state);
      if (sent.current === null) sent.current = now;
      clearTimeout(address);
      if (!same_view(now, sent.current)) address = setTimeout(tell, ADDRESS_MS);
    };
    const ways = {
      get_bytes: request_bytes, on_change: () => made.tiles_changed(), capacity_bytes: MEMORY_BYTES / panels.length,
    };
    const data = panels.map((panel, at) => make_panel(panel, manifests[at], ways));
    const made = make_stage(canvas_ref.current, data, on_frame);
    const stop_gestures = listen(canvas_ref.current, made, {
      tool: () => latest.current.tool,
      on_pick: (hit) => hit !== null && latest.current.on_select?.(hit.id),
      on_pointer: () => latest.current.end_crosshair(),
    });
    const stop_watching = watch_page(canvas_ref.current, made);
    set_stage(made);
    return () => {
      clearTimeout(address);
      controls.stop();
      stop_gestures();
      stop_watching();
      made.close();
    };
  }, []);
  return { stage, sent };
};

/** Do what a control or a key asks for; return true if it was something. */
const pressed = (stage, event, { crosshair, set_crosshair, hits, selected, on_select }) => {
  if (event.key === "[" || event.key === "]") {
    const hit = neighbour(hits, selected, event.key === "]" ? 1 : -1, stage.state.view.center_hz);
    if (hit !== null) on_select?.(hit.id);
    return hit !== null;
  }
  if (event.key.toLowerCase() === "v" && !event.ctrlKey && !event.metaKey && !event.altKey) {
    stage.set({ cursor: crosshair ? null : middle(stage) });
    set_crosshair(!crosshair);
    return true;
  }
  if (event.key === "Enter" && stage.state.cursor !== null) {
    const scene = stage.scene();
    const { hz, seconds, at } = stage.state.cursor;
    const hit = hit_near(scene, scene.x_of(hz, seconds), scene.y_of(seconds, at));
    if (hit !== null) on_select?.(hit.id);
    return true;
  }
  if (event.key === "Escape") set_crosshair(false);
  const change = change_of(event, stage, crosshair);
  if (change !== null) stage.set(change);
  return change !== null;
};

/** The values at the pointer or the crosshair, the drift of the ruler, and what the pixels are. */
const ReadOut = ({ stage, spoken }) => {
  const scene = stage.scene();
  if (scene === null) return null;
  const { cursor, ruler, view } = stage.state;
  const parts = cursor === null ? [] : reading_parts(reading_at(scene, cursor), scene);
  const { loading, error } = stage.loading_state();
  return html`
    <div class="waterfall-reading">
      <dl>
        ${parts.map(({ name, text }) => html`<div key=${name}><dt>${name}</dt><dd>${text}</dd></div>`)}
        ${ruler?.drift_hz_s != null && html`<div><dt>Drift ruler</dt><dd>${drift_text(ruler.drift_hz_s)}</dd></div>`}
        ${parts.length === 0 && html`
          <div><dt>Centre</dt><dd>${exact_text(view.center_hz)}</dd></div>
          <div><dt>Width</dt><dd>${width_text(view.width_hz)}</dd></div>`}
      </dl>
      <p class="waterfall-note">${loading > 0 ? "Loading…" : resolution_text(scene)}
        ${error !== null && html` <span>Some of it can't be loaded: ${error.message}</span>
        <button type="button" onClick=${() => stage.retry()}>Try again</button>`}</p>
      <p class="waterfall-spoken" role="status">${spoken}</p>
    </div>`;
};

/** Return the text that is read out after a key has moved the crosshair. */
const spoken_text = (stage) => {
  const { cursor, ruler } = stage.state;
  if (cursor === null || stage.scene() === null) return "";
  const reading = reading_at(stage.scene(), cursor);
  const parts = reading_parts(reading, stage.scene()).map(({ name, text }) => `${name} ${text}`);
  const drift = ruler?.drift_hz_s != null ? [`Drift ruler ${drift_text(ruler.drift_hz_s)}`] : [];
  return [...parts, ...drift].join(", ");
};

/** Save what a button asks for; return what went wrong as a sentence, or "". */
const saved = async (stage, kind) => {
  try {
    if (kind === "png") await save_picture(stage, Math.max(2, globalThis.devicePixelRatio || 1));
    else if (kind === "shown") stage.panels.forEach((_, at) => save_shown(stage, at));
    else for (const panel of stage.panels) await save_samples(stage, panel, kind);
    return "";
  } catch (error) {
    return `Nothing is saved: ${error.message}`;
  }
};

/** Follow the page: its view, its selection and its hits. */
const use_page = (stage, sent, { view, hits, selected }) => {
  useEffect(() => {
    if (stage === null) return;
    const changes = changes_of(view ?? {}, stage.band);
    if (sent.current !== null && same_view(kept_view(changes), sent.current)) return;
    stage.set(changes);
    sent.current = kept_view(stage.state);
  }, [stage, ...KEPT.map((key) => view?.[key])]);
  useEffect(() => {
    stage?.set({ hits, selected, straighten: stage.state.straighten && selected !== null });
  }, [stage, hits, selected]);
  useEffect(() => {
    const hit = hits.find(({ id }) => id === selected);
    if (stage === null || hit === undefined) return;
    const reach = reach_hz(hit, stage.span());
    const { center_hz, width_hz } = stage.state.view;
    const outside = reach.high_hz < center_hz - width_hz / 2 || reach.low_hz > center_hz + width_hz / 2;
    if (outside) stage.set({ view: { center_hz: (reach.low_hz + reach.high_hz) / 2, width_hz } });
  }, [stage, selected]);
};

/** The controls below the canvas. */
const Below = ({ stage, scale, hits, selected, on_select, save, problem }) => {
  const set = (changes) => stage.set(changes);
  const around = ({ from_hz, to_hz }) => {
    const margin = COLUMNS_AROUND * (to_hz - from_hz);
    set({ view: view_between(from_hz - margin, to_hz + margin, stage.band) });
  };
  const draw_ruler = (hz_s) => {
    const point = stage.state.cursor ?? middle(stage);
    set({ ruler: ruler_through(stage.scene(), point, hz_s) });
  };
  const selection = selection_of(stage);
  const what = `${exact_text(selection.from_hz)} to ${exact_text(selection.to_hz)}:`;
  return html`
    <div class="waterfall-controls">
      <${RangeForm} view=${stage.state.view} band=${stage.band} on_view=${(view) => set({ view })} />
      <${RulerForm} on_rate=${draw_ruler} on_clear=${() => set({ ruler: null, range: null })}
        has_marks=${stage.state.ruler !== null || stage.state.range !== null} />
      <${ColourControls} state=${stage.state} scale=${scale} on_change=${set} can_straighten=${selected !== null}
        has_decibels=${Boolean(stage.panels[0].manifest.sigma_relative)} />
      <${SaveControls} readable=${stage.panels.some(({ manifest }) => manifest.spectra_readable)} what=${what}
        on_save=${save} problem=${problem} />
    </div>
    <div class="waterfall-more">
      <${HitList} hits=${hits} selected=${selected} on_select=${(id) => on_select?.(id)} />
      <${ShownTable} stage=${stage} on_show=${around} />
      <${KeyHelp} id="waterfall-help" />
    </div>`;
};

/** The waterfall of observations whose manifests are there; the properties are those of `Waterfall`. */
export const Viewer = ({ panels, manifests, hits: given, selected, on_select, view, on_view }) => {
  const canvas_ref = useRef(null);
  const [tool, set_tool] = useState("move");
  const [crosshair, set_crosshair] = useState(false);
  const [spoken, set_spoken] = useState("");
  const [problem, set_problem] = useState("");
  const latest = useRef({});
  const referred = useRef({ given: null, hits: [] });
  if (referred.current.given !== given) referred.current = { given, hits: with_reference(given, manifests) };
  const { hits } = referred.current;
  latest.current = { on_view, on_select, tool, end_crosshair: () => crosshair && set_crosshair(false) };
  const { stage, sent } = use_stage(canvas_ref, { panels, manifests, latest });
  use_page(stage, sent, { view, hits, selected });
  const speaking = useRef(0);

  const press = (event) => {
    if (stage === null || !pressed(stage, event, { crosshair, set_crosshair, hits, selected, on_select })) return;
    event.preventDefault?.();
    clearTimeout(speaking.current);
    speaking.current = setTimeout(() => set_spoken(spoken_text(stage)), SPOKEN_MS);
  };
  useEffect(() => () => clearTimeout(speaking.current), []);
  const save = async (kind) => {
    set_problem("");
    set_problem(await saved(stage, kind));
  };
  const hit = hits.find(({ id }) => id === selected);
  const scene = stage?.scene() ?? null;
  const name = `Waterfall of ${panels.map(({ label }) => label).join(", ")}`;
  return html`
    <section class="waterfall" aria-label="Waterfall">
      <${MoveControls} press=${(key, shiftKey = false) => press({ key, shiftKey })} tool=${tool} on_tool=${set_tool}
        has_hits=${hits.length > 0} has_selected=${hit !== undefined}
        on_selected=${() => stage.set({ view: view_of_hit(hit, stage) })} />
      <div class="waterfall-stage">
        <canvas ref=${canvas_ref} tabindex="0" role="application" aria-label=${name} aria-describedby="waterfall-help"
          onKeyDown=${press}></canvas>
      </div>
      ${scene !== null && html`
        <${ReadOut} stage=${stage} spoken=${spoken} />
        <${Below} stage=${stage} scale=${scene.scale} hits=${scene.hits} selected=${selected} on_select=${on_select}
          save=${save} problem=${problem} />`}
    </section>`;
};
