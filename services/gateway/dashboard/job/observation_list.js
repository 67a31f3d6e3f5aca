// What is known of an observation, as a list of terms.
import { html } from "../vendor/preact_htm.js";
import { observation_rows } from "./observation.js";

/** @param {{observation: object, is_wide?: boolean}} props as in the API's jobs; is_wide: in as many columns as fit */
export const ObservationList = ({ observation, is_wide = false }) => html`
  <dl class=${is_wide ? "wide-facts" : "facts"}>
    ${observation_rows(observation).map(([term, text]) => html`
      <div key=${term}><dt>${term}</dt><dd>${text}</dd></div>`)}
  </dl>`;
