// Keys of the triage. One letter each, so they can be switched off (WCAG 2.1.4), and they are off where one types.
import { useEffect, useRef, useState } from "../vendor/preact_htm.js";
import { VERDICTS } from "./verdicts.js";

const STORED = "waterhole-triage-keys";
const TYPING = "input, select, textarea, [contenteditable], dialog";
// Elsewhere, the arrows scroll the page.
const OURS = "[data-triage]";

/** The keys and what they do, as the page explains them. */
export const SHORTCUTS = [
  { keys: ["j", "↓"], text: "next" },
  { keys: ["k", "↑"], text: "previous" },
  ...VERDICTS.map(({ key, word }) => ({ keys: [key], text: word })),
  { keys: ["n"], text: "note" },
  { keys: ["x"], text: "no verdict" },
  { keys: ["z"], text: "undo" },
];

const STEPS = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 };

const is_for_others = (key, target) => key.startsWith("Arrow") && !target.closest?.(OURS);

// The command of a key press; null where it is none of ours.
const command_of = (event) => {
  const { key, target } = event;
  const with_control = event.ctrlKey || event.metaKey;
  if (target.closest?.(TYPING) || event.altKey) return null;
  if (with_control) return key.toLowerCase() === "z" && !event.shiftKey ? { name: "undo" } : null;
  if (event.shiftKey) return null;
  if (key in STEPS) return is_for_others(key, target) ? null : { name: "step", by: STEPS[key] };
  const verdict = VERDICTS.find((one) => one.key === key);
  if (verdict) return { name: "verdict", verdict: verdict.name };
  return { n: { name: "note" }, x: { name: "clear" }, z: { name: "undo" } }[key] ?? null;
};

const stored_choice = () => {
  try {
    return localStorage.getItem(STORED) !== "off";
  } catch {
    // Browsers can forbid to store anything; then the choice lasts as long as the page.
    return true;
  }
};

/**
 * Whether keys are on, kept for later visits.
 * @returns {[boolean, (is_on: boolean) => void]}
 */
export const use_keys_choice = () => {
  const [is_on, set_on] = useState(stored_choice);
  const choose = (wanted) => {
    set_on(wanted);
    try {
      localStorage.setItem(STORED, wanted ? "on" : "off");
    } catch {
      // As above.
    }
  };
  return [is_on, choose];
};

/**
 * Call a function for each command that is given by a key.
 * @param {boolean} is_on
 * @param {(command: {name: "step" | "verdict" | "note" | "clear" | "undo", by?: number, verdict?: string}) => void}
 *   on_command
 */
export const use_shortcuts = (is_on, on_command) => {
  // The newest function, without listening anew at each change.
  const newest = useRef(on_command);
  newest.current = on_command;
  useEffect(() => {
    if (!is_on) return undefined;
    const listen = (event) => {
      const command = event.defaultPrevented ? null : command_of(event);
      if (command === null) return;
      event.preventDefault();
      newest.current(command);
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [is_on]);
};
