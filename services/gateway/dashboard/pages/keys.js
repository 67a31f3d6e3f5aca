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

const LastUsed = ({ time_s }) => (time_s ? html`<${Time} time_s=${time_s} />` : "Never");

const RevokeButton = ({ api_key, on_revoke }) => state_of(api_key) === "Usable" && html`
  <button type="button" class="quiet" aria-label=${`Revoke ${api_key.name}`} onClick=${() => on_revoke(api_key)}>
    Revoke</button>`;

const columns_of = (on_revoke) => [
  { key: "name", title: "Name", is_head: true, cell: (key) => key.name },
  { key: "prefix", title: "Begins with", cell: (key) => html`<code>${key.prefix}…</code>` },
  { key: "state", title: "State", cell: state_of },
  { key: "created", title: "Created", cell: (key) => html`<${Time} time_s=${key.created_at} />` },
  { key: "expires", title: "Expires", cell: (key) => html`<${Time} time_s=${key.expires_at} />` },
  { key: "used", title: "Last used", cell: (key) => html`<${LastUsed} time_s=${key.last_used_at} />` },
  { key: "action", title: "Action", cell: (key) => html`<${RevokeButton} api_key=${key} on_revoke=${on_revoke} />` },
];

const Lifetimes = () => html`
  <select name="ttl_days">
    ${LIFETIMES_D.map((days) => html`
      <option value=${days} selected=${days === DEFAULT_LIFETIME_D}>${days} days</option>`)}
  </select>`;

const CreateForm = ({ on_created }) => {
  const [state, set_state] = useState({ is_busy: false, error: null });
  const create = async (event) => {
    event.preventDefault();
    const form = event.target;
    const body = {
      name: form.elements.name.value.trim() || undefined,
      ttl_days: Number(form.elements.ttl_days.value),
    };
    set_state({ is_busy: true, error: null });
    try {
      on_created({ name: "Default", ...body, ...await request("POST", "/api-keys", { body }) });
      form.reset();
      set_state({ is_busy: false, error: null });
    } catch (error) {
      set_state({ is_busy: false, error });
    }
  };
  return html`
    <form class="inline" onSubmit=${create}>
      <label>Name, to tell it from others
        <input name="name" maxlength="100" placeholder="Default" autocomplete="off" /></label>
      <label>Valid for <${Lifetimes} /></label>
      <button type="submit" class="primary" disabled=${state.is_busy}>Create a key</button>
    </form>
    ${state.error && html`<${ErrorNotice} error=${state.error} />`}`;
};

const NewKey = ({ created, on_done }) => html`
  <${Notice} kind="success" title=${`The key ${created.name} is created. Copy it now: it is not shown again.`}>
    <p class="secret"><code>${created.api_key}</code> <${CopyButton} text=${created.api_key} what="the key" /></p>
    <p><button type="button" onClick=${on_done}>I have stored it</button></p>
  <//>`;

const Keys = ({ keys, reload }) => {
  const [created, set_created] = useState(null);
  const [revoked, set_revoked] = useState(null);
  const show = (key) => {
    set_created(key);
    announce(`The key ${key.name} is created.`);
    reload();
  };
  const revoke = async () => {
    await request("DELETE", `/api-keys/${revoked.key_id}`);
    announce(`The key ${revoked.name} was revoked.`);
    reload();
  };
  return html`
    <section class="panel"><h2>New key</h2>
      <${CreateForm} on_created=${show} />
      ${created && html`<${NewKey} created=${created} on_done=${() => set_created(null)} />`}
    </section>
    ${keys.length === 0 ? html`<p class="empty">You have no keys.</p>` : html`
      <${Table} caption="Your keys" is_caption_seen columns=${columns_of(set_revoked)} rows=${keys}
        row_key=${(key) => key.key_id} row_class=${(key) => (state_of(key) === "Usable" ? "" : "past")} />`}
    ${revoked && html`
      <${ConfirmDialog} title=${`Revoke ${revoked.name}?`} action="Revoke the key" on_confirm=${revoke}
        on_close=${() => set_revoked(null)}>
        <p>Programs with the key ${revoked.prefix}… are refused from now on, and browsers that signed in with it are
          signed out. This can't be undone.</p>
      <//>`}`;
};

// The keys; null where the tier has none. Asking for them would be refused, so the tier is asked for first.
const read_keys = async (signal) => {
  const { tier_details } = await request("GET", "/usage", { signal });
  return { keys: tier_details.api_keys ? (await request("GET", "/api-keys", { signal })).keys : null };
};

/** @param {{session: object}} props */
export const Page = ({ session }) => {
  const { answer, error, reload } = use_answer(read_keys, []);
  return html`
    <${Heading} title="API keys" />
    <p>Programs send a key in the header <code>x-api-key</code>. <a href="/docs">The API's documentation</a></p>
    ${answer && answer.keys === null && html`
      <${Notice} kind="info" title=${`Your tier, ${session.tier}, has no API keys.`}>
        <p>Everything on these pages works without one. <a href="/app/usage">What your tier includes</a></p>
      <//>`}
    ${error && html`<${ErrorNotice} error=${error} on_retry=${reload} />`}
    ${!answer && !error && html`<${Loading} what="your keys" />`}
    ${answer?.keys && html`<${Keys} keys=${answer.keys} reload=${reload} />`}`;
};
