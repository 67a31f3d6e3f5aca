// Where the parts of the waterfall lie on its canvas, in CSS pixels.

const NARROW_PX = 480;
const AXIS_PX = 40;
const BAR_PX = 36;
const TITLE_PX = 44;

/**
 * @typedef {Object} Layout
 * @property {number} width
 * @property {number} height
 * @property {number} left Left edge of the pictures.
 * @property {number} right Right edge of the pictures.
 * @property {boolean} narrow
 * @property {Object[]} panels Upper edges and heights of each panel's parts: {head, strip, strip_height, labels, image,
 *   image_height}.
 * @property {number} axis Upper edge of the frequency axis.
 * @property {number} bar Upper edge of the colour bar.
 */

/**
 * Return the layout of a canvas.
 * @param {number} width
 * @param {number} count Panels.
 * @param {boolean} titled True where a title stands above, as in a saved picture.
 * @returns {Layout}
 */
export const layout_of = (width, count, titled) => {
  const narrow = width < NARROW_PX;
  const single = count === 1;
  const heights = {
    head: single ? 0 : 20,
    strip: single ? 48 : 24,
    labels: 24,
    image: single ? between(240, 0.26 * width, 560) : between(72, 0.075 * width, 150),
  };
  const panels = [];
  let top = titled ? TITLE_PX : 6;
  for (let at = 0; at < count; at += 1) {
    const strip = top + heights.head;
    const labels = strip + heights.strip;
    // Labels stand above the first panel alone; the others show the same tracks.
    const image = labels + (at === 0 ? heights.labels : 4);
    panels.push({
      head: top, strip, strip_height: heights.strip, labels, image, image_height: heights.image,
    });
    top = image + heights.image + (single ? 0 : 6);
  }
  const height = top + AXIS_PX + BAR_PX;
  return { width, height, left: narrow ? 46 : 62, right: width - 14, narrow, panels, axis: top, bar: top + AXIS_PX };
};

const between = (least, value, most) => Math.round(Math.min(most, Math.max(least, value)));

/** Return the panel at a height of the canvas: the one whose picture is nearest. */
export const panel_at = (layout, y) => {
  const distance = ({ image, image_height }) => Math.max(image - y, y - image - image_height, 0);
  return layout.panels.reduce((best, panel, at) => (distance(panel) < distance(layout.panels[best]) ? at : best), 0);
};
