// The uploads of the user who is signed in: what is chosen, what is on its way, and what was begun before a reload.
// They belong to the tab: a user who looks at other pages meanwhile finds them here again.
import { request } from "../api.js";
import { on } from "../events.js";
import { subscribe_session } from "../session.js";
import { new_draft } from "./draft.js";
import { UploadQueue } from "./queue.js";
import { StoredUploads } from "./stored_uploads.js";
import { Transfer, abort_upload } from "./transfer.js";

const OPEN = new Set(["submitted", "processing"]);
const users = new Map();

/** POST to the API; `key` lets the API recognise a repeat. */
const ask = (path, body, signal, key) =>
  request("POST", path, { body, signal, headers: key ? { "Idempotency-Key": key } : undefined });

const new_user = (user_id) => {
  const stored = new StoredUploads(user_id, localStorage);
  const make_transfer = (chosen, on_change) => new Transfer(chosen, { ask, stored, on_change });
  return { stored, queue: new UploadQueue({ ask, make_transfer }), draft: new_draft() };
};

/**
 * Return the uploads of a user.
 * @param {string} user_id
 * @returns {{stored: StoredUploads, queue: UploadQueue, draft: ReturnType<typeof new_draft>}}
 */
export const uploads_of = (user_id) => {
  if (!users.has(user_id)) users.set(user_id, new_user(user_id));
  return users.get(user_id);
};

/**
 * Give an upload up that was begun before a reload, and remove what is there of it.
 * @param {StoredUploads} stored
 * @param {object} record
 * @returns {Promise<void>}
 */
export const give_up = async (stored, record) => {
  if (record.upload_id && !record.is_uploaded) await abort_upload(ask, record.file_key, record.upload_id);
  stored.remove(record.file_key);
};

const a_queue = (test) => [...users.values()].some(({ queue }) => test(queue));

const warn_of_leaving = (event) => {
  if (!a_queue((queue) => queue.is_busy)) return;
  event.preventDefault();
  // Older browsers ask only if this is set.
  event.returnValue = "";
};

const on_session = (session) => {
  for (const [user_id, { queue }] of users) {
    const is_theirs = session.status === "signed_in" && session.user_id === user_id;
    // Nothing of a user goes on once somebody else may sit here.
    if (is_theirs) queue.resume_signed_out();
    else if (session.status !== "unknown") queue.pause_signed_out();
  }
};

window.addEventListener("beforeunload", warn_of_leaving);
on("job", (job) => OPEN.has(job.status) || users.forEach(({ queue }) => queue.a_place_is_free()));
on("removed", () => users.forEach(({ queue }) => queue.a_place_is_free()));
subscribe_session(on_session);
