// Pointer and wheel on the canvas. Everything here has another way by buttons, keys and typed values.

import { panned, zoomed } from "./axes.js";
import { panel_at } from "./layout.js";
import { track_points } from "./draw_marks.js";
import { ruler_drift } from "./reading.js";
import { point_at } from "./scene.js";

const CLICK_PX = 5;
const REACH_PX = 18;
/** A wheel's notch is 100 or 120 units of deltaY; one notch zooms by a third. */
const WHEEL_UNITS = 350;
const LINE_PX = 16;

const place_of = (canvas, event) => {
  const box = canvas.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
};

/** Return the distance of a point from a line through points. */
const distance_to = (points, x, y) => {
  let least = Infinity;
  for (let at = 0; at + 1 < points.length; at += 1) {
    const [[x0, y0], [x1, y1]] = [points[at], points[at + 1]];
    const length = (x1 - x0) ** 2 + (y1 - y0) ** 2 || 1;
    const share = Math.min(1, Math.max(0, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length));
    least = Math.min(least, Math.hypot(x - x0 - share * (x1 - x0), y - y0 - share * (y1 - y0)));
  }
  return least;
};

/** Return the hit whose track or mark is nearest to a place of the canvas, or null if none is near. */
export const hit_near = (scene, x, y) => {
  const at = panel_at(scene.layout, y);
  const half = scene.layout.right - scene.layout.left;
  let best = null;
  for (const hit of scene.hits) {
    const points = track_points(scene, hit, at);
    if (!points.length) continue;
    const reach = REACH_PX + Math.min(half, (hit.bandwidth_hz / 2 / scene.view.width_hz) * half);
    const above = y < scene.layout.panels[0].image;
    const distance = above ? Math.abs(x - points[0][0]) : distance_to(points, x, y);
    if (distance <= reach && (best === null || distance < best.distance)) best = { hit, distance };
  }
  return best?.hit ?? null;
};

/** Return the frequencies and time of two fingers' middle, and their distance. */
const pinch_of = (places) => ({
  x: (places[0].x + places[1].x) / 2,
  apart: Math.max(10, Math.hypot(places[0].x - places[1].x, places[0].y - places[1].y)),
});

/**
 * Let a canvas be dragged, zoomed, pinched, ruled and clicked.
 * @param {HTMLCanvasElement} canvas
 * @param {Object} stage Of `make_stage`.
 * @param {Object} handlers
 * @param {() => string} handlers.tool "move", "ruler" or "range".
 * @param {(hit: Object|null) => void} handlers.on_pick A click on a hit's track.
 * @param {() => void} handlers.on_pointer The pointer has moved over the canvas.
 * @returns {() => void} Ends all of it.
 */
export const listen = (canvas, stage, { tool, on_pick, on_pointer }) => {
  const places = new Map();
  let drag = null;
  let pinch = null;

  const point = ({ x, y }) => {
    const scene = stage.scene();
    return point_at(scene, x, y, panel_at(scene.layout, y));
  };
  const plot_px = () => stage.scene().layout.right - stage.scene().layout.left;
  const move_to = (view) => stage.set({ view });
  const hz_at = (x) => {
    const { layout } = stage.scene();
    return stage.state.view.center_hz + ((x - layout.left) / plot_px() - 0.5) * stage.state.view.width_hz;
  };

  const ruler_to = (place) => {
    const { a } = stage.state.ruler;
    const b = point(place);
    stage.set({ ruler: { a, b, drift_hz_s: ruler_drift(a, b) } });
  };

  const down = (event) => {
    if (stage.scene() === null || event.button > 0) return;
    const place = place_of(canvas, event);
    places.set(event.pointerId, place);
    canvas.setPointerCapture(event.pointerId);
    if (places.size === 2) {
      pinch = { ...pinch_of([...places.values()]), view: stage.state.view };
      drag = null;
      return;
    }
    const kind = event.shiftKey ? "range" : tool();
    drag = { kind, place, view: stage.state.view, moved: false };
    if (kind !== "ruler") return;
    // The second of two clicks ends a ruler that the first began.
    drag.open = stage.state.ruler?.open === true;
    if (!drag.open) stage.set({ ruler: { a: point(place), b: point(place), drift_hz_s: null } });
  };

  const pinched = () => {
    const now = pinch_of([...places.values()]);
    const share = (pinch.x - stage.scene().layout.left) / plot_px();
    const anchor_hz = pinch.view.center_hz + (share - 0.5) * pinch.view.width_hz;
    const wide = zoomed(pinch.view, now.apart / pinch.apart, anchor_hz, stage.band);
    move_to(panned(wide, ((pinch.x - now.x) / plot_px()) * wide.width_hz, stage.band));
  };

  const dragged = (place) => {
    if (drag.kind === "move") {
      const by_hz = ((drag.place.x - place.x) / plot_px()) * drag.view.width_hz;
      move_to(panned(drag.view, by_hz, stage.band));
    } else if (drag.kind === "ruler") {
      ruler_to(place);
    } else {
      const [a, b] = [hz_at(drag.place.x), hz_at(place.x)];
      stage.set({ range: { from_hz: Math.min(a, b), to_hz: Math.max(a, b) } });
    }
  };

  const move = (event) => {
    if (stage.scene() === null) return;
    const place = place_of(canvas, event);
    if (places.has(event.pointerId)) places.set(event.pointerId, place);
    stage.set({ cursor: point(place) });
    on_pointer();
    if (pinch !== null && places.size === 2) {
      pinched();
    } else if (drag !== null) {
      drag.moved ||= Math.abs(place.x - drag.place.x) + Math.abs(place.y - drag.place.y) > CLICK_PX;
      if (drag.moved) dragged(place);
    } else if (stage.state.ruler?.open) {
      const { a } = stage.state.ruler;
      const b = point(place);
      stage.set({ ruler: { a, b, drift_hz_s: ruler_drift(a, b), open: true } });
    }
  };

  const clicked = (place) => {
    if (drag.kind === "move") on_pick(hit_near(stage.scene(), place.x, place.y));
    if (drag.kind !== "ruler") return;
    if (drag.open) ruler_to(place);
    else stage.set({ ruler: { ...stage.state.ruler, open: true } });
  };

  const up = (event) => {
    places.delete(event.pointerId);
    if (places.size < 2) pinch = null;
    if (drag === null) return;
    if (!drag.moved && event.type === "pointerup") clicked(place_of(canvas, event));
    drag = null;
  };

  const leave = () => {
    if (drag === null && places.size === 0) stage.set({ cursor: null });
  };

  const wheel = (event) => {
    if (stage.scene() === null) return;
    const unit = event.deltaMode === 1 ? LINE_PX : event.deltaMode === 2 ? LINE_PX * 20 : 1;
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    const { view } = stage.state;
    const amount = (sideways && event.deltaX !== 0 ? event.deltaX : event.deltaY) * unit;
    const next = sideways
      ? panned(view, (amount / plot_px()) * view.width_hz, stage.band)
      : zoomed(view, Math.exp(-amount / WHEEL_UNITS), hz_at(place_of(canvas, event).x), stage.band);
    // At the end of the zoom the page scrolls on, so that the canvas is no trap.
    if (next.width_hz === view.width_hz && next.center_hz === view.center_hz) return;
    event.preventDefault();
    move_to(next);
  };

  const double = (event) => {
    if (tool() === "move") move_to(zoomed(stage.state.view, 4, hz_at(place_of(canvas, event).x), stage.band));
  };

  const listeners = {
    pointerdown: down, pointermove: move, pointerup: up, pointercancel: up, pointerleave: leave,
    wheel, dblclick: double,
  };
  for (const [name, listener] of Object.entries(listeners)) canvas.addEventListener(name, listener, { passive: false });
  return () => {
    for (const [name, listener] of Object.entries(listeners)) canvas.removeEventListener(name, listener);
  };
};
