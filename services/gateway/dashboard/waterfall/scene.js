// The whole picture of a waterfall on one canvas: on the page, and in a saved file.

import { track_hz } from "./tracks.js";
import {
  draw_colour_bar, draw_frequency_axis, draw_panel_head, draw_strip, draw_text, draw_time_axis,
} from "./draw_axes.js";
import { draw_crosshair, draw_hits, draw_range, draw_ruler } from "./draw_marks.js";

/**
 * Return how far straightening moves a time to the left, in Hz.
 * @param {import("./tracks.js").Hit|null} along The track that becomes vertical; null moves nothing.
 * @param {number} seconds After the first panel's start.
 */
export const straightening_hz = (along, seconds) =>
  along === null ? 0 : track_hz(along, seconds) - track_hz(along, 0);

/**
 * Add the ways from values to places to what is drawn.
 * @param {Object} parts {layout, view, panels: [{panel, pooled, picture, start_s, length_s}], along, ...}
 * @returns {Object} The same with x_of(hz, seconds) and y_of(seconds, at) in CSS pixels. `seconds` null moves nothing.
 */
export const make_scene = (parts) => {
  const { layout, view, along } = parts;
  const low_hz = view.center_hz - view.width_hz / 2;
  const scale = (layout.right - layout.left) / view.width_hz;
  return {
    ...parts,
    straightened: along !== null,
    x_of: (hz, seconds) =>
      layout.left + (hz - low_hz - (seconds === null ? 0 : straightening_hz(along, seconds))) * scale,
    y_of: (seconds, at) => {
      const { image, image_height } = layout.panels[at];
      const { start_s, length_s } = parts.panels[at];
      return image + ((seconds - start_s) / length_s) * image_height;
    },
  };
};

/** Return the frequency and time at a place of the canvas. */
export const point_at = (scene, x, y, at) => {
  const { layout, view } = scene;
  const { image, image_height } = layout.panels[at];
  const { start_s, length_s } = scene.panels[at];
  const share = Math.min(1, Math.max(0, (y - image) / image_height));
  const seconds = start_s + share * length_s;
  const place = (Math.min(layout.right, Math.max(layout.left, x)) - layout.left) / (layout.right - layout.left);
  const hz = view.center_hz + (place - 0.5) * view.width_hz + straightening_hz(scene.along, seconds);
  return { hz, seconds, at };
};

/** Draw a panel's picture: one column of pixels stays one, and rows become as high as their time. */
const draw_picture = (context, scene, at) => {
  const { layout } = scene;
  const { image, image_height } = layout.panels[at];
  const { panel, picture } = scene.panels[at];
  const { rows, spectra_per_row, n_spectra } = panel.manifest;
  context.save();
  context.beginPath();
  context.rect(layout.left, image, layout.right - layout.left, image_height);
  context.fillStyle = scene.theme.soft;
  context.fill();
  context.clip();
  context.imageSmoothingEnabled = false;
  // The last row may have fewer spectra than the others; what it lacks is cut off.
  const height = (image_height * rows * spectra_per_row) / n_spectra;
  context.drawImage(picture, layout.left, image, layout.right - layout.left, height);
  context.restore();
};

/**
 * Draw a scene.
 * @param {CanvasRenderingContext2D} context Scaled so that its unit is a CSS pixel.
 * @param {Object} scene Of `make_scene`; `title` is a list of lines, or null.
 */
export const draw_scene = (context, scene) => {
  const { layout, theme } = scene;
  context.fillStyle = theme.ground;
  context.fillRect(0, 0, layout.width, layout.height);
  context.fillStyle = theme.text;
  scene.title?.forEach((line, at) =>
    draw_text(context, line, 10, 14 + 18 * at, "left", `${at === 0 ? "600 14px" : "12px"} system-ui, sans-serif`),
  );
  scene.panels.forEach((_, at) => {
    draw_panel_head(context, scene, at);
    draw_strip(context, scene, at);
    draw_picture(context, scene, at);
    draw_time_axis(context, scene, at);
  });
  draw_frequency_axis(context, scene);
  draw_colour_bar(context, scene);
  draw_hits(context, scene);
  draw_range(context, scene);
  draw_ruler(context, scene);
  draw_crosshair(context, scene);
};
