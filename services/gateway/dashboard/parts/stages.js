// The stages of a job or cadence in words. Pure: no document, no network.

const STAGES = {
  scans: "Searching the scans",
  ingest: "Reading the file",
  dedoppler: "Searching for signals",
  classify: "Labelling the hits",
  export: "Writing the catalogues",
};

// Of a stage that is done the next one has begun.
const NEXT = { scans: "classify", ingest: "dedoppler", dedoppler: "classify", classify: "export" };

/**
 * Say how far a job or cadence has come.
 * @param {{status: string, progress?: {stage: string, done: number, total: number}}} item
 * @returns {string} such as "Searching for signals, 3 of 12"
 */
export const stage_text = ({ status, progress }) => {
  if (status === "submitted" || !progress) return "Waiting for its turn";
  const next = progress.done >= progress.total ? NEXT[progress.stage] : undefined;
  const stage = STAGES[next ?? progress.stage] ?? progress.stage;
  return progress.total > 1 && !next ? `${stage}, ${progress.done} of ${progress.total}` : stage;
};
