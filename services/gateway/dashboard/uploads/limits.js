// What the user's tier forbids, told before the first byte is sent. The service checks all of it again.

import { size_text } from "../format.js";

const MEBIBYTE = 1024 * 1024;
/** The most scans of one cadence. */
export const MOST_SCANS = 64;

/**
 * Say why one file can't be uploaded.
 *
 * @param {{name: string, size: number}} file
 * @param {string | null} problem what its name or its first bytes say against it, the rest of a sentence
 * @param {object|null} usage the answer of GET /usage, null while it is not known
 * @returns {string|null} a sentence that says what to do, null if the file may be uploaded
 */
export const file_refusal = (file, problem, usage) => {
  const found = problem ?? size_problem(file, usage);
  return found === null ? null : `${file.name} can't be searched: ${found}`;
};

const size_problem = (file, usage) => {
  const most = usage?.tier_details?.max_file_mb;
  if (!most || file.size <= most * MEBIBYTE) return null;
  return (
    `it has ${size_text(file.size)}, and the tier ${usage.tier} takes files up to ${size_text(most * MEBIBYTE)}. ` +
    "Cut it into bands or average it in time, or ask the operator for a larger tier."
  );
};

/**
 * Say why the chosen files together can't be searched.
 *
 * @param {{size: number}[]} files those whose upload begins anew
 * @param {object|null} usage the answer of GET /usage, null while it is not known
 * @param {boolean} as_cadence whether they are the scans of one cadence
 * @returns {string|null} a sentence that says what to do, null if they may be uploaded
 */
export const plan_refusal = (files, usage, as_cadence) => {
  if (as_cadence && files.length > MOST_SCANS) return `A cadence has at most ${MOST_SCANS} scans: remove some files.`;
  if (!usage) return null;
  return quota_refusal(files, usage) || space_refusal(files, usage) || open_refusal(files, usage, as_cadence);
};

const quota_refusal = (files, usage) => {
  if (files.length <= usage.remaining) return null;
  const left = usage.remaining === 0 ? "none is left" : `${usage.remaining} are left`;
  return (
    `Of the ${usage.limit} jobs of this month ${left}, and these files need ${files.length}. Remove files, or wait: ` +
    "the next month begins at 00:00 UTC of its first day."
  );
};

const space_refusal = (files, usage) => {
  const { stored_bytes: stored, stored_bytes_limit: most } = usage.uploads;
  const wanted = files.reduce((sum, file) => sum + file.size, 0);
  if (stored + wanted <= most) return null;
  return (
    `Your uploads take ${size_text(stored)} of ${size_text(most)}, and these files need ` +
    `${size_text(wanted)} more. Delete jobs that you no longer need, or remove files.`
  );
};

const open_refusal = (files, usage, as_cadence) => {
  // Jobs free their upload as they start; the files of a cadence wait for each other.
  const { open, open_limit: most } = usage.uploads;
  if (!as_cadence || open + files.length <= most) return null;
  return (
    `The tier ${usage.tier} allows ${most} uploads at a time, ${open} are open, and this cadence needs ` +
    `${files.length}. Search some files as jobs first, or abort uploads.`
  );
};
