// A bar with its numbers as text beside it.
import { html } from "../vendor/preact_htm.js";

/**
 * @param {{label: string, value: number, max: number, text?: string, is_full?: boolean}} props
 *   label: what the bar measures, for screen readers; text: the numbers, shown beside the bar
 */
export const Progress = ({ label, value, max, text, is_full = false }) => html`
  <span class=${`progress ${is_full ? "progress-full" : ""}`}>
    <progress aria-label=${label} value=${Math.min(value, max)} max=${Math.max(max, 1)}></progress>
    <span class="progress-text">${text ?? `${value} of ${max}`}</span>
  </span>`;
