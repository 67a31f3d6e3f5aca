// A page with nothing but the waterfall. Its address holds the view, as the dashboard's does.

import { use_address } from "/app/address.js";
import { html, render, useState } from "/app/vendor/preact_htm.js";
import { set_view, view_in } from "/app/waterfall/address_view.js";
import { Waterfall } from "/app/waterfall/waterfall.js";

const Page = ({ props }) => {
  const [selected, set_selected] = useState(props.selected);
  const { search } = use_address();
  const view = view_in(new URLSearchParams(search));
  return html`<${Waterfall} ...${props} selected=${selected} on_select=${set_selected} view=${view} on_view=${set_view} />`;
};

const props = await (await fetch("/props")).json();
render(html`<${Page} props=${props} />`, document.getElementById("app"));
