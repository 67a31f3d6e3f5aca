// Axes, strips and the colour bar.

import { COLOURS_OF, pixel_of } from "./colours.js";
import { fixed, frequency_ticks, linear_ticks, start_text } from "./ticks.js";

const FONT = "11px system-ui, sans-serif";
const BOLD = "600 11px system-ui, sans-serif";
const CHARACTER_PX = 6.5;

/** Draw a text with the context's colour; `align` is left, center or right. */
export const draw_text = (context, text, x, y, align = "left", font = FONT) => {
  context.font = font;
  context.textAlign = align;
  context.textBaseline = "middle";
  context.fillText(text, x, y);
};

const line = (context, x0, y0, x1, y1) => {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
};

/** Draw the frequency axis below the pictures. */
export const draw_frequency_axis = (context, scene) => {
  const { layout, view, theme } = scene;
  const { left, right, axis } = layout;
  const [from_hz, to_hz] = [view.center_hz - view.width_hz / 2, view.center_hz + view.width_hz / 2];
  context.fillStyle = theme.text;
  context.strokeStyle = theme.text;
  context.lineWidth = 1;
  line(context, left, axis + 0.5, right, axis + 0.5);
  for (const { hz, text } of frequency_ticks(from_hz, to_hz, right - left, CHARACTER_PX)) {
    const x = left + ((hz - from_hz) / view.width_hz) * (right - left);
    line(context, x, axis, x, axis + 5);
    const half = (text.length * CHARACTER_PX) / 2;
    if (x - half >= 0 && x + half <= layout.width - 6) draw_text(context, text, x, axis + 13, "center");
  }
  const what = scene.straightened ? "Frequency along the track (MHz)" : "Frequency (MHz)";
  draw_text(context, what, (left + right) / 2, axis + 29, "center");
};

/** Draw a panel's time axis: seconds since its start, downwards. */
export const draw_time_axis = (context, scene, at) => {
  const { layout, theme } = scene;
  const { image, image_height } = layout.panels[at];
  const { length_s, panel } = scene.panels[at];
  context.fillStyle = theme.text;
  context.strokeStyle = theme.text;
  context.lineWidth = 1;
  line(context, layout.left - 0.5, image, layout.left - 0.5, image + image_height);
  for (const { value, text } of linear_ticks(0, length_s, image_height, 44)) {
    const y = image + (value / length_s) * image_height;
    line(context, layout.left - 5, y, layout.left, y);
    draw_text(context, text, layout.left - 8, Math.min(image + image_height - 5, Math.max(image + 5, y)), "right");
  }
  if (scene.panels.length === 1) {
    context.save();
    context.translate(9, image + image_height / 2);
    context.rotate(-Math.PI / 2);
    draw_text(context, layout.narrow ? "Time (s)" : `Time (s), ${start_text(panel.manifest)}`, 0, 0, "center");
    context.restore();
  }
};

/** Draw a panel's role, name and start above it, where there are several. */
export const draw_panel_head = (context, scene, at) => {
  if (scene.panels.length === 1) return;
  const { layout, theme } = scene;
  const { panel } = scene.panels[at];
  const y = layout.panels[at].head + 12;
  context.fillStyle = theme.text;
  const [role, label] = [(panel.role ?? "").toUpperCase(), panel.label ?? ""];
  // Labels of a cadence begin with the role.
  if (!label.startsWith(role)) draw_text(context, role, 6, y, "left", BOLD);
  const from = layout.left - 8;
  context.save();
  context.beginPath();
  context.rect(from, y - 10, layout.right - from, 20);
  context.clip();
  draw_text(context, label, from, y, "left", BOLD);
  const name_px = context.measureText(label).width;
  if (!layout.narrow) draw_text(context, start_text(panel.manifest), from + name_px + 14, y);
  context.restore();
};

/** Draw the strip of integrated values: the maximum over the channels of each pixel column, with its scale. */
export const draw_strip = (context, scene, at) => {
  const { layout, theme } = scene;
  const { strip, strip_height } = layout.panels[at];
  const { pooled, strip_picture } = scene.panels[at];
  const top = strip_top(pooled);
  const bottom = strip + strip_height;
  context.fillStyle = theme.soft;
  context.fillRect(layout.left, strip, layout.right - layout.left, strip_height);
  paint_strip(strip_picture, pooled, top, theme.accent);
  context.imageSmoothingEnabled = false;
  context.drawImage(strip_picture, layout.left, strip, layout.right - layout.left, strip_height);
  context.fillStyle = theme.text;
  context.strokeStyle = theme.text;
  const ticks = linear_ticks(0, top, strip_height, layout.narrow || strip_height > 30 ? 20 : 12);
  for (const { value, text } of ticks) {
    const y = bottom - (value / top) * strip_height;
    // In a low strip there is no place for the zero beside another label.
    if (y < strip + 4 || (value === 0 && strip_height < 30)) continue;
    line(context, layout.left - 4, y, layout.left, y);
    draw_text(context, `${text}σ`, layout.left - 7, Math.min(bottom - 4, y), "right");
  }
};

const STRIP_ROWS = 96;

/** Paint the columns of a strip, one pixel wide each. An image is drawn faster than as many rectangles. */
const paint_strip = (picture, pooled, top, colour) => {
  if (picture.width !== pooled.width_px) [picture.width, picture.height] = [pooled.width_px, STRIP_ROWS];
  const context = picture.getContext("2d");
  context.fillStyle = colour;
  // The canvas states every opaque colour as #rrggbb.
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(context.fillStyle.slice(at, at + 2), 16));
  const pixel = pixel_of([red, green, blue]);
  const image = context.createImageData(pooled.width_px, STRIP_ROWS);
  const pixels = new Uint32Array(image.data.buffer);
  for (let x = 0; x < pooled.width_px; x += 1) {
    const value = pooled.strip_at(x);
    if (!(value > 0) || pooled.factors[x] === 0) continue;
    const first = STRIP_ROWS - Math.round(Math.min(1, value / top) * STRIP_ROWS);
    for (let row = first; row < STRIP_ROWS; row += 1) pixels[row * pooled.width_px + x] = pixel;
  }
  context.putImageData(image, 0, 0);
};

/** Return the value at the top of a strip: above all that it shows, and at least 10 sigmas. */
const strip_top = (pooled) => {
  let most = 10;
  for (let x = 0; x < pooled.width_px; x += 1) {
    const value = pooled.strip_at(x);
    if (value > most) most = value;
  }
  return most * 1.08;
};

/** Draw the colour bar with its range, in the unit that is chosen. */
export const draw_colour_bar = (context, scene) => {
  const { layout, scale, theme } = scene;
  const [x0, width] = [layout.left, Math.min(260, (layout.right - layout.left) * 0.6)];
  const [{ pooled }] = scene.panels;
  // In the mean view a sigma is smaller where more channels fall on a pixel; that of the middle stands for all.
  const channels = Math.max(1, pooled.channels_at(Math.floor(pooled.width_px / 2), 0));
  const colours = context.createLinearGradient(x0, 0, x0 + width, 0);
  COLOURS_OF[scale.map].forEach(([red, green, blue], at, all) =>
    colours.addColorStop(at / (all.length - 1), `rgb(${red} ${green} ${blue})`),
  );
  context.fillStyle = colours;
  context.fillRect(x0, layout.bar, width, 10);
  context.fillStyle = theme.text;
  context.strokeStyle = theme.text;
  context.lineWidth = 1;
  for (const { value, text } of linear_ticks(scale.low, scale.high, width, 44)) {
    const x = x0 + ((value - scale.low) / (scale.high - scale.low)) * width;
    line(context, x, layout.bar + 10, x, layout.bar + 14);
    const shown = scene.decibels === null ? text : fixed(scene.decibels(value, channels), 2);
    draw_text(context, shown, x, layout.bar + 21, "center");
  }
  draw_text(context, scene.decibels === null ? "σ" : "dB", x0 + width + 10, layout.bar + 6);
};
