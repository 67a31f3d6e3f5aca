// The waterfall on its canvas: it holds the view, asks for the tiles, and draws a frame when something has changed.

import { band_of, channel_at, clamped, whole_view } from "./axes.js";
import { auto_range } from "./colours.js";
import { decibels_of } from "./codes.js";
import { layout_of } from "./layout.js";
import { length_s, row_s } from "./panel.js";
import { colour_image, pool_panel, wants_of } from "./picture.js";
import { SCREEN_BYTES, nearest_first } from "./plan.js";
import { draw_scene, make_scene, straightening_hz } from "./scene.js";
import { hits_in_view } from "./tracks.js";

/** Colours adapt to what is shown when it has stood still for this long, so that they don't flicker while panning. */
const STILL_MS = 180;
const MOST_SAMPLES = 20_000;
const SECONDS_OF_DAY = 86_400;

const DEFAULTS = {
  view: null, statistic: "max", map: "viridis", low: null, high: null, decibels: false, hits: [], selected: null,
  straighten: false, ruler: null, range: null, cursor: null,
};

/** Return the colours of the page at the canvas, so that light and dark themes hold. */
const theme_of = (canvas) => {
  const style = getComputedStyle(canvas);
  const token = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  return {
    text: style.color,
    ground: token("--waterfall-ground", "#ffffff"),
    soft: token("--waterfall-soft", "#e4e7eb"),
    accent: token("--waterfall-accent", "#1f6fb2"),
  };
};

/** Return values spread over a picture, not all of them: enough to choose colours from. */
const some_sigmas = (pooled) => {
  const count = pooled.width_px * pooled.rows;
  const step = Math.max(1, Math.floor(count / MOST_SAMPLES));
  const sigmas = [];
  for (let at = 0; at < count; at += step) {
    const x = Math.floor(at / pooled.rows);
    if (pooled.factors[x] !== 0) sigmas.push(pooled.sigma_at(x, at % pooled.rows));
  }
  return sigmas;
};

/**
 * Make the stage of a waterfall.
 * @param {HTMLCanvasElement} canvas
 * @param {Object[]} panels Of `make_panel`; the first one's start is time 0.
 * @param {(stage: Object) => void} on_frame Called after each frame.
 * @returns {Object} The stage: `state`, `set(changes)`, `redraw()`, `scene()`, `close()`.
 */
export const make_stage = (canvas, panels, on_frame) => {
  const band = band_of(panels.map((panel) => panel.grid));
  const state = { ...DEFAULTS, view: whole_view(band) };
  const views = panels.map((panel) => ({
    panel, pooled: null, picture: document.createElement("canvas"),
    strip_picture: document.createElement("canvas"), pooled_key: "", colour_key: "", wants: null,
    start_s: ((panel.manifest.start_mjd ?? 0) - (panels[0].manifest.start_mjd ?? 0)) * SECONDS_OF_DAY,
    length_s: length_s(panel),
  }));
  let size = { width: 0, ratio: 1 };
  let revision = 0;
  let auto = null;
  let moved_at = 0;
  let frame = 0;
  let still_timer = 0;
  let drawn = null;

  const selected_hit = () => state.hits.find((hit) => hit.id === state.selected) ?? null;
  const along = () => (state.straighten ? selected_hit() : null);

  const ask_of = (view_of, layout) => {
    const track = along();
    const shifts_hz =
      track === null
        ? null
        : Array.from({ length: view_of.panel.manifest.rows }, (_, row) =>
            straightening_hz(track, view_of.start_s + row_s(view_of.panel, row)),
          );
    const width_px = Math.max(1, Math.round((layout.right - layout.left) * size.ratio));
    return { view: state.view, width_px, statistic: state.statistic, bytes: SCREEN_BYTES / panels.length, shifts_hz };
  };

  const want_tiles = (layout) => {
    for (const view_of of views) {
      const ask = ask_of(view_of, layout);
      const centre = channel_at(view_of.panel.grid, state.view.center_hz);
      view_of.ask = ask;
      view_of.wants = wants_of(view_of.panel, ask);
      const { plan, base } = view_of.wants;
      view_of.panel.store.want([...base, ...nearest_first([...plan.fine, ...plan.levels], centre)]);
    }
  };

  const pool_all = () => {
    for (const view_of of views) {
      const { ask, wants } = view_of;
      const { plan } = wants;
      const key = JSON.stringify([ask, plan.factor, plan.raw, revision]);
      if (key === view_of.pooled_key) continue;
      view_of.pooled = pool_panel(view_of.panel, { ...ask, plan });
      view_of.pooled_key = key;
      view_of.colour_key = "";
    }
  };

  const loading = () => views.reduce((sum, { panel }) => sum + panel.store.state().loading, 0);

  const scale_of = () => {
    const still = performance.now() - moved_at >= STILL_MS && loading() === 0;
    const key = views.map(({ pooled_key }) => pooled_key).join();
    if (auto === null || auto.statistic !== state.statistic || (still && auto.key !== key)) {
      auto = { ...auto_range(views.flatMap(({ pooled }) => some_sigmas(pooled))), statistic: state.statistic, key };
    }
    const low = state.low ?? auto.low;
    const high = state.high ?? auto.high;
    return { map: state.map, low, high: high > low ? high : low + 1 };
  };

  const colour_all = (scale) => {
    for (const view_of of views) {
      const key = JSON.stringify(scale);
      if (key === view_of.colour_key) continue;
      const { pooled, picture } = view_of;
      if (picture.width !== pooled.width_px || picture.height !== pooled.rows) {
        [picture.width, picture.height] = [pooled.width_px, pooled.rows];
      }
      const context = picture.getContext("2d");
      const image = context.createImageData(pooled.width_px, pooled.rows);
      colour_image(image, pooled, scale);
      context.putImageData(image, 0, 0);
      view_of.colour_key = key;
    }
  };

  const decibels = () => {
    const { sigma_relative, spectra_per_row } = panels[0].manifest;
    if (!state.decibels || !sigma_relative) return null;
    return (sigma, channels) => decibels_of(sigma, sigma_relative, spectra_per_row * channels);
  };

  const span = () => ({
    start_s: Math.min(...views.map(({ start_s }) => start_s)),
    stop_s: Math.max(...views.map((view_of) => view_of.start_s + view_of.length_s)),
  });

  const scene_of = (layout, scale, title) => make_scene({
    layout, scale, title, view: state.view, panels: views, along: along(), theme: theme_of(canvas),
    hits: hits_in_view(state.hits, state.view, span()), selected: state.selected, decibels: decibels(),
    ruler: state.ruler, range: state.range, cursor: state.cursor,
  });

  const measure = () => {
    const width = Math.max(280, canvas.parentElement.clientWidth);
    const ratio = Math.min(3, globalThis.devicePixelRatio || 1);
    const layout = layout_of(width, panels.length, false);
    if (width !== size.width || ratio !== size.ratio || canvas.height !== Math.round(layout.height * ratio)) {
      size = { width, ratio };
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(layout.height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${layout.height}px`;
    }
    return layout;
  };

  const draw = () => {
    frame = 0;
    const layout = measure();
    want_tiles(layout);
    pool_all();
    const scale = scale_of();
    colour_all(scale);
    drawn = scene_of(layout, scale, null);
    const context = canvas.getContext("2d");
    context.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    draw_scene(context, drawn);
    // For tests, and for those who script the page: what is drawn, and whether all of it has come.
    canvas.dataset.view = JSON.stringify(state.view);
    canvas.dataset.panels = String(panels.length);
    canvas.dataset.straightened = String(along() !== null);
    canvas.dataset.state = loading() === 0 ? "settled" : "loading";
    on_frame(stage);
  };

  const redraw = () => {
    if (frame === 0) frame = requestAnimationFrame(draw);
  };

  const moved = () => {
    moved_at = performance.now();
    clearTimeout(still_timer);
    still_timer = setTimeout(redraw, STILL_MS + 10);
  };

  const stage = {
    band,
    panels,
    state,
    /** Take changes of the state and draw them. */
    set(changes) {
      if (changes.view) moved();
      Object.assign(state, changes);
      state.view = clamped(state.view, band);
      redraw();
    },
    redraw,
    /** Tiles have come or failed. */
    tiles_changed() {
      revision += 1;
      redraw();
    },
    /** Return the scene that was drawn last, or null before the first. */
    scene: () => drawn,
    selected_hit,
    /** Return the time from the first panel's start to the last one's end, in seconds after the first panel's start. */
    span,
    /** Return the scene for a saved picture of the same size, with title lines above. */
    titled_scene: (title) => scene_of(layout_of(size.width, panels.length, true), drawn.scale, title),
    /** Return how loading stands over all panels. */
    loading_state: () => {
      const states = panels.map((panel) => panel.store.state());
      return {
        loading: states.reduce((sum, { loading: open }) => sum + open, 0),
        bytes_received: states.reduce((sum, { bytes_received }) => sum + bytes_received, 0),
        error: states.find(({ error }) => error !== null)?.error ?? null,
      };
    },
    /** Ask again for what could not be loaded. */
    retry() {
      for (const { store } of panels) store.retry();
      redraw();
    },
    close() {
      cancelAnimationFrame(frame);
      clearTimeout(still_timer);
      for (const { store } of panels) store.close();
    },
  };
  return stage;
};
