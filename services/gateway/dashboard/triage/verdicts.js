// The user's verdicts of one job or cadence, for components: read from the API, and in step with other tabs.
import { request } from "../api.js";
import { on } from "../events.js";
import { useEffect, useMemo, useState } from "../vendor/preact_htm.js";
import { VerdictStore } from "./verdict_store.js";

/** Every verdict: its name in the API, word, sign and key. */
export const VERDICTS = [
  { name: "candidate", word: "Candidate", sign: "★", key: "c", help: "Worth a second look" },
  { name: "rfi", word: "RFI", sign: "✕", key: "r", help: "Interference from Earth" },
  { name: "instrument", word: "Instrument", sign: "⚙", key: "i", help: "Made by the receiver or the file" },
  { name: "unsure", word: "Unsure", sign: "?", key: "u", help: "To be judged again" },
];
/** The same by name. */
export const VERDICT_OF = Object.fromEntries(VERDICTS.map((one) => [one.name, one]));
const CHANNEL = "waterhole-verdicts";

/**
 * Return the path of a job's or cadence's verdicts in the API.
 * @param {"job" | "cadence"} kind
 * @param {string} id
 * @returns {string}
 */
export const verdicts_path = (kind, id) =>
  `/${kind === "job" ? "jobs" : "cadences"}/${encodeURIComponent(id)}/verdicts`;

const read = async (path, number_key) => {
  const { verdicts } = await request("GET", path);
  return new Map(verdicts.map((one) => [one[number_key], { verdict: one.verdict, note: one.note }]));
};

const save = (path, number, verdict) =>
  (verdict === null
    ? request("DELETE", `${path}/${number}`)
    : request("PUT", `${path}/${number}`, { body: { verdict: verdict.verdict, note: verdict.note } }));

const store_of = (path, number_key, channel) => new VerdictStore({
  read: () => read(path, number_key),
  save: (number, verdict) => save(path, number, verdict),
  tell: (number, verdict) => channel.postMessage({ path, number, verdict }),
});

/**
 * The verdicts, kept up to date: other tabs tell what they save; those of another browser are read when the page is
 * seen again.
 * @param {"job" | "cadence"} kind
 * @param {string} id
 * @returns {{store: VerdictStore, state: import("./verdict_store.js").State}}
 */
export const use_verdicts = (kind, id) => {
  const path = verdicts_path(kind, id);
  const channel = useMemo(() => new BroadcastChannel(CHANNEL), []);
  const store = useMemo(() => store_of(path, kind === "job" ? "hit" : "event", channel), [path, channel]);
  const [state, set_state] = useState(store.state);
  useEffect(() => {
    const off = store.subscribe(set_state);
    const hear = ({ data }) => data.path === path && store.heard(data.number, data.verdict);
    const see = () => document.visibilityState === "visible" && store.load();
    channel.addEventListener("message", hear);
    document.addEventListener("visibilitychange", see);
    // What was saved elsewhere while this page was cut off is not known here.
    const off_open = on("open", () => store.load());
    store.load();
    return () => {
      off();
      off_open();
      channel.removeEventListener("message", hear);
      document.removeEventListener("visibilitychange", see);
    };
  }, [store]);
  useEffect(() => () => channel.close(), [channel]);
  return { store, state };
};
