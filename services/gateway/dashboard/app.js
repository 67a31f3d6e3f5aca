// Starts the dashboard: who is signed in, which page the address shows, and the frame round every page.
import { navigate, use_address, watch_address } from "./address.js";
import { start_events, stop_events } from "./events.js";
import { Announcer } from "./parts/announcer.js";
import { ConnectionNotice } from "./parts/connection_notice.js";
import { Header } from "./parts/header.js";
import { Loading } from "./parts/loading.js";
import { Notice } from "./parts/notice.js";
import { route_of } from "./router.js";
import { refresh_session, subscribe_session, use_session } from "./session.js";
import { html, render, useEffect, useErrorBoundary, useMemo, useState } from "./vendor/preact_htm.js";

const loaded = new Map();

// The component of a page; null while it loads, an Error where it can't be loaded.
const use_page = (route) => {
  const [, set_count] = useState(0);
  useEffect(() => {
    if (loaded.get(route.name) && !(loaded.get(route.name) instanceof Error)) return;
    route.load().then(
      (module) => loaded.set(route.name, module.Page),
      (error) => loaded.set(route.name, error),
    ).then(() => set_count((count) => count + 1));
  }, [route]);
  return loaded.get(route.name) ?? null;
};

const Failed = ({ error }) => html`
  <h1>Something went wrong</h1>
  <${Notice} kind="error" title="This page stopped working.">
    <p>${error.message}</p>
    <p><button type="button" onClick=${() => location.reload()}>Load the page again</button></p>
  <//>`;

const Shown = ({ route, params, search, path, session }) => {
  const [error] = useErrorBoundary((caught) => console.error(caught));
  const query = useMemo(() => new URLSearchParams(search), [search]);
  const Page = use_page(route);
  if (error || Page instanceof Error) return html`<${Failed} error=${error ?? Page} />`;
  if (Page === null) return html`<${Loading} />`;
  return html`<${Page} params=${params} path=${path} query=${query} session=${session} navigate=${navigate} />`;
};

// Pages that need a session are kept from those who have none; after the sign-in they return to where they were.
const use_guard = (route, session, address) => {
  const is_kept = !route.is_public && (session.status === "signed_out" || session.status === "ended");
  useEffect(() => {
    if (!is_kept) return;
    const wanted = address.path + address.search;
    navigate(wanted === "/app/" ? "/app/sign-in" : `/app/sign-in?return_to=${encodeURIComponent(wanted)}`,
      { replace: true });
  }, [is_kept]);
  return is_kept;
};

const Unreachable = ({ error }) => html`
  <h1>Waterhole does not answer</h1>
  <${Notice} kind="error" title=${error.message}>
    <p><button type="button" onClick=${refresh_session}>Try again</button></p>
  <//>`;

const App = () => {
  const session = use_session();
  const address = use_address();
  const { route, params } = useMemo(() => route_of(address.path), [address.path]);
  const is_kept = use_guard(route, session, address);
  useEffect(() => { document.title = `${route.title} - Waterhole`; }, [route, params]);
  let page = html`<${Loading} />`;
  if (session.status === "unknown" && session.error) page = html`<${Unreachable} error=${session.error} />`;
  else if (session.status !== "unknown" && !is_kept) {
    // A page of another job, or of another user, begins anew; a new view of the same page does not.
    const key = `${session.user_id} ${address.path}`;
    page = html`<${Shown} key=${key} route=${route} params=${params} path=${address.path}
      search=${address.search} session=${session} />`;
  }
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    <${Header} session=${session} route=${route} />
    <main id="main" tabindex="-1">
      ${session.status === "signed_in" && html`<${ConnectionNotice} />`}
      ${page}
    </main>
    <${Announcer} />`;
};

subscribe_session((session) => (session.status === "signed_in" ? start_events() : stop_events()));
watch_address();
render(html`<${App} />`, document.getElementById("app"));
refresh_session();
