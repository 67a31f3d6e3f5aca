// What the user has chosen and not yet sent: files with what their heads say, and how they are to be searched.

import { HEAD_BYTES, content_problem, format_of, name_problem } from "./file_kind.js";
import { file_refusal } from "./limits.js";
import { facts_of_name, proposed_roles } from "./roles.js";
import { DEFAULTS } from "./search_parameters.js";
import { read_sigproc } from "./sigproc.js";
import { fingerprint } from "./stored_uploads.js";

// As long as the service reads for the end of a header.
const LONGEST_HEAD_BYTES = 2 ** 20;

/**
 * A chosen file. `problem` is what its name or content say against it, `refusal` the sentence for the user, null if it
 * may be uploaded; `header` is what `read_sigproc` found, null for HDF5; `role` is null while the proposed one stands.
 * @typedef {{id: string, file: File, fingerprint: string, problem: string | null, refusal: string | null,
 *   header: object | null, header_problem: string | null, source_name: string, role: "on" | "off" | null}} Chosen
 */

/** @returns {{files: Chosen[], is_cadence: boolean, name: string, values: typeof DEFAULTS}} an empty draft */
export const new_draft = () => ({ files: [], is_cadence: false, name: "", values: { ...DEFAULTS } });

const head_of = async (file, length) => new Uint8Array(await file.slice(0, length).arrayBuffer());

/**
 * Read the head of a file: a few kB, whatever its size.
 * @param {File} file
 * @returns {Promise<Chosen>} `refusal` is still open: see `judged`
 */
export const read_chosen = async (file) => {
  const unread = { file, refusal: null, header: null, header_problem: null, source_name: "", role: null };
  try {
    const [head, print] = await Promise.all([head_of(file, HEAD_BYTES), fingerprint(file)]);
    const { header, problem: header_problem } = format_of(head) === "fil" ? await read_header(file, head) : NO_HEADER;
    return {
      ...unread, header, header_problem, fingerprint: print,
      id: `${file.name} ${file.size} ${print}`,
      problem: name_problem(file.name) ?? content_problem(head),
      source_name: header?.source_name || facts_of_name(file.name)?.source_name || "",
    };
  } catch {
    const problem = "the browser can't read it. If it is a folder, choose the files in it; else check who may read it.";
    return { ...unread, id: `${file.name} ${file.size}`, fingerprint: "", problem };
  }
};

const NO_HEADER = { header: null, problem: null };

const read_header = async (file, head) => {
  const read = read_sigproc(head, file.size);
  if (read.header || file.size <= HEAD_BYTES) return read;
  return read_sigproc(await head_of(file, LONGEST_HEAD_BYTES), file.size);
};

/**
 * Return a file with what forbids it, given what the tier allows.
 * @param {Chosen} chosen
 * @param {object | null} usage the answer of GET /usage, null while it is not known
 * @returns {Chosen}
 */
export const judged = (chosen, usage) => ({ ...chosen, refusal: file_refusal(chosen.file, chosen.problem, usage) });

/**
 * Return the files that may be uploaded.
 * @param {Chosen[]} files
 * @returns {Chosen[]}
 */
export const accepted = (files) => files.filter((one) => one.refusal === null);

/**
 * Propose the roles of a cadence's scans, as the service does.
 * @param {Chosen[]} files those that are accepted
 * @returns {{roles: ("on" | "off")[], why: string, is_sure: boolean}} `is_sure` is false where a start or a source is
 *   known to the service alone, because the page can't read HDF5
 */
export const roles_of = (files) => {
  const facts = files.map(({ file, header, source_name }, place) => {
    const named = facts_of_name(file.name);
    return {
      file_name: file.name,
      // The order of the list stands in for times that are not known.
      tstart_mjd: header?.start_mjd || named?.tstart_mjd || place,
      source_name: header?.source_name || named?.source_name || source_name,
    };
  });
  const is_known = ({ file, header }) => header !== null || facts_of_name(file.name) !== null;
  return { ...proposed_roles(facts), is_sure: files.every(is_known) };
};

/**
 * Return the plan for the queue.
 * @param {ReturnType<typeof new_draft>} draft
 * @param {object} fields of the request
 */
export const plan_of = (draft, fields) => {
  const files = accepted(draft.files);
  const is_cadence = draft.is_cadence && files.length > 1;
  const { roles } = roles_of(files);
  return {
    is_cadence, fields, name: draft.name.trim(),
    files: files.map(({ file, fingerprint: print, source_name, role }, place) => ({
      file, fingerprint: print, source_name: source_name.trim(), role: is_cadence ? role ?? roles[place] : null,
    })),
  };
};
