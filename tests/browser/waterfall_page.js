// A page with nothing but the waterfall. Its address holds the view, as the dashboard's does.

import { set_query, use_address } from "/app/address.js";
import { html, render, useState } from "/app/vendor/preact_htm.js";
import { query_of_view, view_of_query } from "/app/waterfall/view_address.js";
import { Waterfall } from "/app/waterfall/waterfall.js";

const Page = ({ props }) => {
  const [selected, set_selected] = useState(props.selected);
  const { search } = use_address();
  const view = view_of_query(new URLSearchParams(search));
  const on_view = (next) => set_query(query_of_view(next), { replace: true });
  return html`<${Waterfall} ...${props} selected=${selected} on_select=${set_selected} view=${view} on_view=${on_view} />`;
};

const props = await (await fetch("/props")).json();
render(html`<${Page} props=${props} />`, document.getElementById("app"));
