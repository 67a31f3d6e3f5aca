// Dark, light, or as the system says. `theme.js` applies the choice before the first paint.
import { html, useState } from "../vendor/preact_htm.js";

const KEY = "waterhole.theme";
const CHOICES = [["system", "System"], ["dark", "Dark"], ["light", "Light"]];

const apply = (choice) => {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  try {
    if (choice === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  } catch {
    // Storage is turned off: the choice holds until the page is closed.
  }
};

/** The switch. */
export const ThemeSwitch = () => {
  const [choice, set_choice] = useState(document.documentElement.dataset.theme ?? "system");
  const change = (event) => {
    set_choice(event.target.value);
    apply(event.target.value);
  };
  return html`<label class="theme">Colours
    <select value=${choice} onChange=${change}>
      ${CHOICES.map(([value, title]) => html`<option value=${value} selected=${value === choice}>${title}</option>`)}
    </select></label>`;
};
