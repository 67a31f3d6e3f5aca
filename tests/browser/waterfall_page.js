// A page with nothing but the waterfall. Its address holds the view, as the dashboard's does.

import { html, render, useState } from "/app/vendor/preact_htm.js";
import { Waterfall } from "/app/waterfall/waterfall.js";

const NUMBERS = new Set(["center_hz", "width_hz", "low", "high"]);

const view_of_address = () => {
  const query = [...new URLSearchParams(location.search)];
  if (!query.length) return null;
  return Object.fromEntries(query.map(([name, text]) => [name, NUMBERS.has(name) ? Number(text) : text]));
};

const Page = ({ props }) => {
  const [selected, set_selected] = useState(props.selected);
  const [view, set_view] = useState(view_of_address);
  const on_view = (next) => {
    const given = Object.entries(next).filter(([, value]) => value !== null);
    history.replaceState(null, "", `?${new URLSearchParams(given)}`);
    set_view(next);
  };
  return html`<${Waterfall} ...${props} selected=${selected} on_select=${set_selected} view=${view} on_view=${on_view} />`;
};

const props = await (await fetch("/props")).json();
render(html`<${Page} props=${props} />`, document.getElementById("app"));
