// How the chosen files are to be searched. Everything has a default that suits most observations.
import { html } from "../vendor/preact_htm.js";
import { IF_CHOICES, NUMBERS, POL_TYPES, number_problem } from "./search_parameters.js";

const NumberField = ({ name, values, on_values }) => {
  const { label, unit, by_default, help } = NUMBERS[name];
  const problem = number_problem(name, values[name]);
  const id = `number-${name}`;
  return html`
    <div class="field">
      <label for=${id}>${label}${unit && html` <span class="unit">(${unit})</span>`}</label>
      <input id=${id} inputmode="decimal" autocomplete="off" value=${values[name]} aria-describedby=${`${id}-help`}
        aria-invalid=${problem ? "true" : undefined} onInput=${(event) => on_values({ [name]: event.target.value })} />
      <p class="fine" id=${`${id}-help`}>
        ${problem && html`<span class="field-error">${problem}</span> `}${help}
        ${by_default !== null && html` <span class="default">Default: ${by_default}.</span>`}</p>
    </div>`;
};

const Choice = ({ id, label, help, value, choices, on_change }) => html`
  <div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} value=${value} aria-describedby=${`${id}-help`}
      onChange=${(event) => on_change(event.target.value)}>
      ${Object.entries(choices).map(([one, text]) => html`<option key=${one} value=${one}
        selected=${one === value}>${text}</option>`)}
    </select>
    <p class="fine" id=${`${id}-help`}>${help}</p>
  </div>`;

const Mode = ({ is_cadence, on_draft }) => html`
  <fieldset class="choices">
    <legend>These files are</legend>
    <label><input type="radio" name="mode" checked=${!is_cadence} onChange=${() => on_draft({ is_cadence: false })} />
      Separate observations: one job for each file</label>
    <label><input type="radio" name="mode" checked=${is_cadence} onChange=${() => on_draft({ is_cadence: true })} />
      One cadence: scans of a target (ON) and of elsewhere (OFF), searched for what is in the ON scans alone</label>
  </fieldset>`;

const CadenceFields = ({ draft, on_draft, on_values }) => html`
  <div class="field">
    <label for="cadence-name">Name of the cadence</label>
    <input id="cadence-name" maxlength="255" autocomplete="off" value=${draft.name} aria-describedby="cadence-name-help"
      onInput=${(event) => on_draft({ name: event.target.value })} />
    <p class="fine" id="cadence-name-help">The source of the first ON scan, if you leave it empty.</p>
  </div>
  ${["min_on_scans", "off_snr", "max_drift_change_hz_s2"].map((name) => html`
    <${NumberField} key=${name} name=${name} values=${draft.values} on_values=${on_values} />`)}`;

/** @param {{draft: object, on_draft: (changes: object) => void, has_several: boolean}} props */
export const SearchForm = ({ draft, on_draft, has_several }) => {
  const { values } = draft;
  const on_values = (changes) => on_draft({ values: { ...values, ...changes } });
  const is_cadence = draft.is_cadence && has_several;
  return html`
    ${has_several && html`<${Mode} is_cadence=${draft.is_cadence} on_draft=${on_draft} />`}
    <div class="fields">
      <${NumberField} name="snr_threshold" values=${values} on_values=${on_values} />
      <${NumberField} name="max_drift_rate_hz_s" values=${values} on_values=${on_values} />
      ${is_cadence && html`<${CadenceFields} draft=${draft} on_draft=${on_draft} on_values=${on_values} />`}
    </div>
    <details class="more">
      <summary>Polarisations and changing drift rates</summary>
      <div class="fields">
        <${Choice} id="ifs" label="IFs (polarisations) to search" choices=${IF_CHOICES} value=${values.ifs}
          help="Files with several IFs hold one spectrum for each. The sum finds what is faint in both."
          on_change=${(ifs) => on_values({ ifs })} />
        <${Choice} id="pol-type" label="What the IFs are" choices=${POL_TYPES} value=${values.pol_type}
          help="Files don't say. It is needed for files with four IFs, unless only the first is searched."
          on_change=${(pol_type) => on_values({ pol_type })} />
        <div class="field">
          <label class="check"><input type="checkbox" checked=${values.chirps} aria-describedby="chirps-help"
            onChange=${(event) => on_values({ chirps: event.target.checked })} />
            Search for changing drift rates</label>
          <p class="fine" id="chirps-help">Finds signals whose drift rate changes within the observation. It takes up
            to twice the time.</p>
        </div>
      </div>
    </details>`;
};
