// Which scans of a cadence are ON and which are OFF, as the service proposes them where the user says nothing:
// services/classify/cadence/roles.py has the same rule, and a test compares the two.

const WORDS = { off: /(?<![a-z])off(?:\d+)?(?![a-z])/i, on: /(?<![a-z])on(?:\d+)?(?![a-z])/i };
// Breakthrough Listen's names of files hold the start and the source: blc00_guppi_57650_54573_HIP66704_0011.fil.
const ARCHIVE_NAME = /_(\d{5})_(\d{1,5})_(.+?)_\d{4}(?=[._])/;
const DAY_S = 86_400;

/**
 * Return what a file's name says of start and source, for formats whose header the page can't read.
 *
 * @param {string} file_name
 * @returns {{tstart_mjd: number, source_name: string}|null} null if the name is not of Breakthrough Listen's kind
 */
export const facts_of_name = (file_name) => {
  const found = ARCHIVE_NAME.exec(file_name);
  if (!found) return null;
  return {
    tstart_mjd: Number(found[1]) + Number(found[2]) / DAY_S,
    source_name: found[3].replace(/^DIAG_/, ""),
  };
};

const word_of = (scan) => {
  for (const name of [scan.source_name, scan.file_name]) {
    if (WORDS.off.test(name)) return "off";
    if (WORDS.on.test(name)) return "on";
  }
  return null;
};

const from_words = (scans) => {
  const words = scans.map(word_of);
  return words.includes("off") ? words.map((word) => word || "on") : null;
};

const from_sources = (scans) => {
  const sources = scans.map((scan) => scan.source_name.trim().toLowerCase());
  const counts = new Map();
  sources.forEach((source) => counts.set(source, (counts.get(source) || 0) + 1));
  if (counts.size < 2 || Math.max(...counts.values()) < 2) return null;
  const first = scans
    .map((scan, index) => ({ count: counts.get(sources[index]), tstart_mjd: scan.tstart_mjd, index }))
    .sort((a, b) => b.count - a.count || a.tstart_mjd - b.tstart_mjd || a.index - b.index)[0].index;
  return { target: scans[first].source_name, roles: sources.map((one) => (one === sources[first] ? "on" : "off")) };
};

const alternating = (scans) => {
  const order = scans.map((_, index) => index).sort((a, b) => scans[a].tstart_mjd - scans[b].tstart_mjd);
  const roles = [];
  order.forEach((index, place) => {
    roles[index] = place % 2 ? "off" : "on";
  });
  return roles;
};

/**
 * Propose a role for each scan.
 *
 * @param {{tstart_mjd: number, source_name: string, file_name: string}[]} scans in any order
 * @returns {{roles: ("on"|"off")[], why: string}} the roles in the order given, and a sentence that says where they
 *   come from
 */
export const proposed_roles = (scans) => {
  const words = from_words(scans);
  if (words) {
    return { roles: words, why: "The word OFF in the names of sources and files says which scans are OFF." };
  }
  const sources = from_sources(scans);
  if (sources) {
    const why =
      `'${sources.target}' was observed most often, so its scans are ON and those of other sources are OFF.`;
    return { roles: sources.roles, why };
  }
  const why =
    "No name tells ON scans from OFF scans. They are taken to alternate in time, ON first; change the roles if this " +
    "is wrong.";
  return { roles: alternating(scans), why };
};
