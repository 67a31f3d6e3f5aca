// The bar above every page: where one is, where one can go, who is signed in.
import { navigate } from "../address.js";
import { ROUTES } from "../router.js";
import { sign_out } from "../session.js";
import { html, useState } from "../vendor/preact_htm.js";
import { announce } from "./announcer.js";
import { ThemeSwitch } from "./theme_switch.js";

const User = ({ session }) => {
  const [error, set_error] = useState(null);
  const leave = async () => {
    try {
      await sign_out();
      announce("You are signed out.");
      navigate("/app/sign-in");
    } catch (caught) {
      set_error(caught);
    }
  };
  return html`
    <span class="user"><span class="unseen">Signed in as </span><span class="user-name">${session.name}</span>${" "}
      <span class="tier"><span class="unseen">, tier </span>${session.tier}</span></span>
    <button type="button" class="quiet" onClick=${leave}>Sign out</button>
    ${error && html`<span class="field-error" role="alert">${error.message}</span>`}`;
};

/** @param {{session: object, route: object}} props */
export const Header = ({ session, route }) => {
  const is_in = session.status === "signed_in";
  const links = ROUTES.filter((one) => one.nav && (is_in || one.is_public));
  return html`
    <header class="top">
      <a class="brand" href="/app/"><img src="/app/icon.svg" alt="" width="22" height="22" /> Waterhole</a>
      <nav aria-label="Main"><ul>
        ${links.map((one) => html`<li key=${one.name}><a href=${one.pattern}
          aria-current=${one.name === route.name ? "page" : undefined}>${one.nav}</a></li>`)}
      </ul></nav>
      <div class="top-end">
        <${ThemeSwitch} />
        ${is_in && html`<${User} session=${session} />`}
        ${!is_in && route.name !== "sign_in" && html`<a href="/app/sign-in">Sign in</a>`}
      </div>
    </header>`;
};
