// The part of results.json that stands before its lists of hits: header, noise, warnings. The lists may have tens of
// MB, so they are not read.

// The document has an indent of one space, and JSON has no line breaks inside of strings.
const LISTS = '\n "raw_hits":';
// A document of another layout is read up to here.
const MOST_CHARACTERS = 8_000_000;

/**
 * Return the fields before the lists of hits, once a text holds them.
 * @param {string} text the beginning of results.json
 * @returns {object | null} null if the lists have not begun yet
 */
export const head_of_text = (text) => {
  const end = text.indexOf(LISTS);
  return end < 0 ? null : JSON.parse(`${text.slice(0, end).trimEnd().replace(/,$/, "")}}`);
};

/**
 * Read the fields before the lists of hits.
 * @param {string} url a presigned URL
 * @param {AbortSignal} signal
 * @returns {Promise<object>}
 * @throws {Error} the file can't be read, or is of another layout
 */
export const read_results_head = async (url, signal) => {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`Storage answered ${response.status}.`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.length < MOST_CHARACTERS) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    const head = head_of_text(text);
    if (head !== null) {
      await reader.cancel();
      return head;
    }
  }
  throw new Error("results.json has another layout than this page reads.");
};
