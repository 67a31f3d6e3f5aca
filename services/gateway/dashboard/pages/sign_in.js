// Signing in: with the link of `make up`, with OpenID Connect, or by pasting an API key.
import { navigate } from "../address.js";
import { Heading } from "../parts/heading.js";
import { Loading } from "../parts/loading.js";
import { Notice } from "../parts/notice.js";
import { safe_return } from "../router.js";
import { sign_in } from "../session.js";
import { html, useEffect, useState } from "../vendor/preact_htm.js";

// The token of a sign-in link, which is removed from the address at once: neither the history nor a copy may keep it.
const take_link_token = () => {
  const token = new URLSearchParams(location.hash.slice(1)).get("link");
  if (token !== null) history.replaceState(null, "", location.pathname + location.search);
  return token;
};

// Why a sign-in at the issuer did not succeed, by the code that the server puts into the address.
const PROBLEMS = {
  sign_in_denied: "Your institution's sign-in was cancelled.",
  sign_in_expired: "The sign-in took too long, or was begun in another browser. Try again.",
  sign_in_failed: "Your institution's answer was not accepted. Try again; if it happens again, tell the operator.",
  too_many_requests: "There were too many failed sign-ins from your address. Try again in a few minutes.",
  temporarily_unavailable: "Your institution's sign-in can't be reached. Try again in a minute.",
  oidc_not_configured: "This service has no institution to sign in with. Use an API key.",
};

const problem_of = (code) => (Object.hasOwn(PROBLEMS, code ?? "") ? PROBLEMS[code] : null);

const KeyForm = ({ on_done }) => {
  const [state, set_state] = useState({ is_busy: false, error: null });
  const submit = async (event) => {
    event.preventDefault();
    const field = event.target.elements.api_key;
    set_state({ is_busy: true, error: null });
    try {
      await sign_in({ api_key: field.value.trim() });
      on_done();
    } catch (error) {
      set_state({ is_busy: false, error });
      field.focus();
    }
  };
  const { error } = state;
  return html`
    <form class="stacked" onSubmit=${submit}>
      <label for="api-key">API key</label>
      <input class="unseen" type="text" name="username" autocomplete="username" value="Waterhole" tabindex="-1"
        aria-hidden="true" readonly />
      <input id="api-key" name="api_key" type="password" autocomplete="current-password" required spellcheck=${false}
        aria-describedby="key-hint ${error ? "key-error" : ""}" aria-invalid=${error ? "true" : undefined} />
      <p id="key-hint" class="fine">It begins with sk_live_. <code>make user</code> on the server prints one.
        The page keeps no copy of it.</p>
      ${error && html`<p id="key-error" class="field-error" role="alert">${error.message}</p>`}
      <p><button type="submit" class="primary" disabled=${state.is_busy}>
        ${state.is_busy ? "Signing in…" : "Sign in"}</button></p>
    </form>`;
};

const LinkSignIn = ({ token, on_done, on_failed }) => {
  useEffect(() => {
    sign_in({ link_token: token }).then(on_done, on_failed);
  }, []);
  return html`<${Loading} what="your session" />`;
};

/** @param {{query: URLSearchParams, session: object}} props */
export const Page = ({ query, session }) => {
  const [token, set_token] = useState(take_link_token);
  const [link_error, set_link_error] = useState(null);
  const goal = safe_return(query.get("return_to"));
  const leave = () => navigate(goal, { replace: true });
  const problem = problem_of(query.get("error"));
  const is_in = session.status === "signed_in";
  useEffect(() => {
    if (is_in && token === null) leave();
  }, [is_in, token]);
  // A link opened in a tab that shows this page changes only the fragment: the page is not loaded again.
  useEffect(() => {
    const take = () => set_token((token_before) => take_link_token() ?? token_before);
    window.addEventListener("hashchange", take);
    return () => window.removeEventListener("hashchange", take);
  }, []);
  const failed = (error) => {
    set_token(null);
    set_link_error(error);
  };
  if (token !== null) {
    return html`<${Heading} title="Sign in" /><${LinkSignIn} token=${token} on_done=${leave} on_failed=${failed} />`;
  }
  return html`
    <div class="sign-in">
      <${Heading} title="Sign in" />
      ${session.status === "ended" && html`<${Notice} kind="info" title="Your session has ended.">
        <p>Sign in again to go on where you were. Nothing that you uploaded or started is lost.</p><//>`}
      ${problem && html`<${Notice} kind="error" title="You are not signed in."><p>${problem}</p><//>`}
      ${link_error && html`<${Notice} kind="error" title=${link_error.message}>
        <p><code>make link</code> on the server prints a new one. Or sign in with a key.</p><//>`}
      ${session.sign_in?.oidc && html`
        <p><a class="button primary" href=${`/session/oidc?return_to=${encodeURIComponent(goal)}`}>
          Sign in with your institution</a></p>
        <p class="or">or</p>`}
      <${KeyForm} on_done=${leave} />
    </div>`;
};
