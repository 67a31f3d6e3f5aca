// API keys: create, list, revoke.
import { request } from "../api.js";
import { announce } from "../parts/announcer.js";
import { use_answer } from "../parts/answer.js";
import { CopyButton } from "../parts/copy_button.js";
import { ConfirmDialog } from "../parts/dialog.js";
import { Heading } from "../parts/heading.js";
import { Loading } from "../parts/loading.js";
import { ErrorNotice, Notice } from "../parts/notice.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";
import { html, useState } from "../vendor/preact_htm.js";

const LIFETIMES_D = [7, 30, 90, 180, 365];
const DEFAULT_LIFETIME_D = 90;

const state_of = ({ active, expired }) => {
  if (!active) return "Revoked";
  return expired ? "Expired" : "Usable";
};

const columns_of = (on_revoke) => [
  { key: "name", title: "Name", is_head: true, cell: (key) => key.name },
  { key: "prefix", title: "Begins with", cell: (key) => html`<code>${key.prefix}…</code>` },
  { key: "state", title: "State", cell: state_of },
  { key: "created", title: "Created", cell: (key) => html`<${Time} time_s=${key.created_at} />` },
  { key: "expires", title: "Expires", cell: (key) => html`<${Time} time_s=${key.expires_at} />` },
  { key: "used", title: "Last used", cell: (key) => (key.last_used_at ? html`<${Time} time_s=${key.last_used_at} />` : "Never") },
  { key: "action", title: "Action", cell: (key) => (state_of(key) === "Usable"
    ? html`<button type="button" class="quiet" aria-label=${`Revoke ${key.name}`} onClick=${() => on_revoke(key)}>Revoke</button>`
    : "") },
];

const CreateForm = ({ on_created }) => {
  const [state, set_state] = useState({ is_busy: false, error: null });
  const create = async (event) => {
    event.preventDefault();
    const { name, ttl_days } = event.target.elements;
    set_state({ is_busy: true, error: null });
    try {
      const body = { name: name.value.trim() || undefined, ttl_days: Number(ttl_days.value) };
      on_created(await request("POST", "/api-keys", { body }), body.name ?? "Default");
      event.target.reset();
      set_state({ is_busy: false, error: null });
    } catch (error) {
      set_state({ is_busy: false, error });
    }
  };
  return html`
    <form class="inline" onSubmit=${create}>
      <label>Name <input name="name" maxlength="100" placeholder="Default" autocomplete="off" /></label>
      <label>Valid for
        <select name="ttl_days">
          ${LIFETIMES_D.map((days) => html`<option value=${days} selected=${days === DEFAULT_LIFETIME_D}>${days} days</option>`)}
        </select></label>
      <button type="submit" class="primary" disabled=${state.is_busy}>Create a key</button>
    </form>
    ${state.error && html`<${ErrorNotice} error=${state.error} />`}`;
};

const NewKey = ({ created, on_done }) => html`
  <${Notice} kind="success" title=${`The key ${created.name} is created.`}>
    <p>Copy it now: it is not shown again.</p>
    <p class="secret"><code>${created.api_key}</code> <${CopyButton} text=${created.api_key} what="the key" /></p>
    <p><button type="button" onClick=${on_done}>I have stored it</button></p>
  <//>`;

/** @param {{session: object}} props */
export const Page = ({ session }) => {
  const { answer, error, reload } = use_answer((signal) => request("GET", "/api-keys", { signal }), []);
  const [created, set_created] = useState(null);
  const [revoked, set_revoked] = useState(null);
  const has_no_keys = error?.status === 403 && error.code !== "session_ended";
  const revoke = async () => {
    await request("DELETE", `/api-keys/${revoked.key_id}`);
    announce(`The key ${revoked.name} was revoked.`);
    reload();
  };
  return html`
    <${Heading} title="API keys" />
    <p>Programs sign in with a key in the header <code>x-api-key</code>. <a href="/docs">The API's documentation</a></p>
    ${has_no_keys && html`<${Notice} kind="info" title=${`The tier ${session.tier} has no API keys.`}>
      <p>Everything on these pages works without one. <a href="/app/usage">What your tier includes</a></p><//>`}
    ${error && !has_no_keys && html`<${ErrorNotice} error=${error}><p><button type="button" onClick=${reload}>Try again</button></p><//>`}
    ${!answer && !error && html`<${Loading} what="your keys" />`}
    ${answer && html`
      <section class="panel"><h2>New key</h2>
        <${CreateForm} on_created=${(key, name) => { set_created({ ...key, name }); announce("The key is created."); reload(); }} />
        ${created && html`<${NewKey} created=${created} on_done=${() => set_created(null)} />`}
      </section>
      ${answer.keys.length === 0
        ? html`<p class="empty">You have no keys.</p>`
        : html`<${Table} caption="Your keys" columns=${columns_of(set_revoked)} rows=${answer.keys} row_key=${(key) => key.key_id} />`}`}
    ${revoked && html`
      <${ConfirmDialog} title=${`Revoke ${revoked.name}?`} action="Revoke the key" on_confirm=${revoke}
        on_close=${() => set_revoked(null)}>
        <p>Programs with the key ${revoked.prefix}… are refused from now on. This can't be undone.</p>
      <//>`}`;
};
