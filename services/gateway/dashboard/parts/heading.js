// The one h1 of a page. It sets the title of the window, and takes the focus when the page is shown after another.
import { html, useEffect, useRef } from "../vendor/preact_htm.js";

let is_first = true;

/**
 * @param {{title: string, children?: any}} props `title` names the window; `children` are shown in its place, if given
 */
export const Heading = ({ title, children }) => {
  const heading = useRef(null);
  useEffect(() => { document.title = `${title} - Waterhole`; }, [title]);
  useEffect(() => {
    // At the start, the browser puts the focus where it belongs. Later, it would stay on a link that is gone.
    if (!is_first) heading.current?.focus({ preventScroll: true });
    if (!is_first) window.scrollTo(0, 0);
    is_first = false;
  }, []);
  return html`<h1 ref=${heading} tabindex="-1">${children ?? title}</h1>`;
};
