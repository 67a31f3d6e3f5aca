// The files that are chosen and not yet sent: what each holds, or why it is refused.
import { size_text } from "../format.js";
import { html } from "../vendor/preact_htm.js";
import { accepted, roles_of } from "./draft.js";
import { ObservationList } from "../job/observation_list.js";

const Content = ({ chosen }) => {
  if (chosen.refusal) return html`<p class="field-error"><strong>Refused.</strong> ${chosen.refusal}</p>`;
  if (chosen.header) return html`<${ObservationList} observation=${chosen.header} is_wide />`;
  if (chosen.header_problem) {
    return html`<p class="field-warning"><strong>Warning.</strong> The search will probably refuse this
      file: ${chosen.header_problem}.</p>`;
  }
  return html`<p class="fine">The service reads the header of HDF5 files after the upload.</p>`;
};

const RoleSelect = ({ id, name, role, proposed, is_sure, on_change }) => html`
  <label for=${id}>Role<span class="unseen"> of ${name}</span></label>
  <select id=${id} value=${role ?? (is_sure ? proposed : "")}
    onChange=${(event) => on_change(event.target.value || null)}>
    ${!is_sure && html`<option value="">The service decides</option>`}
    <option value="on">ON: on the target</option>
    <option value="off">OFF: off the target</option>
  </select>`;

const ChosenFile = ({ chosen, place, is_cadence, proposal, on_change, on_remove, resumed }) => {
  const { name, size } = chosen.file;
  const source_id = `source-${place}`;
  return html`
    <li class="chosen">
      <div class="chosen-head">
        <strong class="file-name">${name}</strong> <span class="size">${size_text(size)}</span>
        <button type="button" class="quiet" aria-label=${`Remove ${name}`} onClick=${on_remove}>Remove</button>
      </div>
      <${Content} chosen=${chosen} />
      ${resumed && html`<p class="fine">This upload was begun before and goes on where it stopped.</p>`}
      ${!chosen.refusal && html`<div class="chosen-fields">
        <span class="field"><label for=${source_id}>Name of the source<span class="unseen"> in ${name}</span></label>
          <input id=${source_id} maxlength="255" value=${chosen.source_name} placeholder=${name} autocomplete="off"
            onInput=${(event) => on_change({ source_name: event.target.value })} /></span>
        ${is_cadence && html`<span class="field"><${RoleSelect} id=${`role-${place}`} name=${name} role=${chosen.role}
          proposed=${proposal.role} is_sure=${proposal.is_sure} on_change=${(role) => on_change({ role })} /></span>`}
      </div>`}
    </li>`;
};

const LEFT_OPEN = "The page can't read HDF5, so the service proposes the roles that you leave open, from times, source "
  + "names and file names.";

/**
 * @param {{draft: object, on_draft: (changes: object) => void, is_known: (chosen: object) => boolean}} props
 *   is_known: whether the upload of a file was begun before
 */
export const ChosenList = ({ draft, on_draft, is_known }) => {
  const good = accepted(draft.files);
  const { roles, why, is_sure } = roles_of(good);
  const is_cadence = draft.is_cadence && good.length > 1;
  const change = (id, changes) =>
    on_draft({ files: draft.files.map((one) => (one.id === id ? { ...one, ...changes } : one)) });
  const remove = (id) => on_draft({ files: draft.files.filter((one) => one.id !== id) });
  return html`
    ${is_cadence && html`<p class="fine">${is_sure ? why : LEFT_OPEN}</p>`}
    <ul class="chosen-list">
      ${draft.files.map((chosen, place) => html`<${ChosenFile} key=${chosen.id} chosen=${chosen} place=${place}
        is_cadence=${is_cadence} proposal=${{ role: roles[good.indexOf(chosen)], is_sure }} resumed=${is_known(chosen)}
        on_change=${(changes) => change(chosen.id, changes)} on_remove=${() => remove(chosen.id)} />`)}
    </ul>`;
};
