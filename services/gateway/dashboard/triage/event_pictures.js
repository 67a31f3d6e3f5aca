// Small pictures of a cadence's events: the panels of all scans that export has drawn, for the best events.
import { request } from "../api.js";
import { html, useEffect, useRef, useState } from "../vendor/preact_htm.js";
import { Card, use_seen } from "./cutouts.js";

/**
 * Return the name of the format of an event's picture in the API.
 * @param {number} id
 * @returns {string}
 */
export const picture_format = (id) => `event_${String(id).padStart(4, "0")}`;

/**
 * Read a picture of a cadence as a URL of this page, which must be revoked.
 * @param {string} cadence_id
 * @param {string} format such as "overview"
 * @param {AbortSignal} [signal]
 * @returns {Promise<string>}
 */
export const picture_url = async (cadence_id, format, signal) => {
  const { download_url } = await request("GET", `/cadences/${cadence_id}/download`, { query: { format }, signal });
  const response = await fetch(download_url, { signal });
  if (!response.ok) throw new Error("The picture could not be read.");
  return URL.createObjectURL(await response.blob());
};

/**
 * A picture that is read when it comes into view.
 * @param {{cadence_id: string, format: string, text: string}} props `text` says what it shows; empty where the element
 *   round it does
 */
export const CadencePicture = ({ cadence_id, format, text }) => {
  const frame = useRef(null);
  const is_seen = use_seen(frame);
  const [state, set_state] = useState({ url: null, is_failed: false });
  useEffect(() => {
    if (!is_seen) return undefined;
    const asking = new AbortController();
    let made = null;
    picture_url(cadence_id, format, asking.signal).then(
      (url) => {
        made = url;
        if (asking.signal.aborted) URL.revokeObjectURL(url);
        else set_state({ url, is_failed: false });
      },
      () => asking.signal.aborted || set_state({ url: null, is_failed: true }),
    );
    return () => {
      asking.abort();
      if (made) URL.revokeObjectURL(made);
    };
  }, [is_seen, cadence_id, format]);
  return html`<span class="cutout-picture" ref=${frame}>
    ${state.url ? html`<img src=${state.url} alt=${text} />`
      : html`<span class="fine">${state.is_failed ? "There is no picture of it." : "…"}</span>`}</span>`;
};

/**
 * @param {{cadence_id: string, most: number, rows: import("./rows.js").Row[], selected: number | null,
 *   verdicts: Map<number, object>, on_select: (id: number) => void}} props `most`: so many events have a picture
 */
export const EventPictures = ({ cadence_id, most, rows, selected, verdicts, on_select }) => html`
  <ul class="cutouts cutouts-wide">
    ${rows.map((row) => html`<${Card} key=${row.id} row=${row} kind="cadence" given=${verdicts.get(row.id)}
      is_selected=${row.id === selected} on_select=${on_select}>
      ${row.id <= most
        ? html`<${CadencePicture} cadence_id=${cadence_id} format=${picture_format(row.id)} text="" />`
        : html`<span class="cutout-picture">
            <span class="fine">Only the best ${most} events have a picture.</span></span>`}
    <//>`)}
  </ul>`;
