// What to do when a job has failed.

const FILE_CODES = new Set([
  "bad_observation", "file_not_found", "file_replaced", "file_too_large", "drift_range_too_wide", "too_many_chunks",
]);
const SERVICE_CODES = new Set(["internal_error", "out_of_memory", "worker_crashed", "storage_refused"]);

/**
 * Say what to do about a failure. The job's own sentence says what is wrong, and for files how to mend it.
 * @param {string} code of the failure
 * @returns {string} a sentence
 */
export const advice_of = (code) => {
  if (code === "job_too_costly") return "Start a new analysis with a higher threshold or a narrower drift range.";
  if (SERVICE_CODES.has(code)) {
    return "Start a new analysis of the file. If it fails again, report the problem: the operator then looks into it.";
  }
  if (FILE_CODES.has(code)) return "Mend the file, then upload it again.";
  return "Start a new analysis. If it fails again, report the problem.";
};
