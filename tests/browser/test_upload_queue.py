"""The queue of uploads: what runs at once, what is searched when, and what happens after a refusal."""

from typing import Any

from tests.browser.javascript import Javascript

# Transfers that end when the test says so, and an API that answers what the test says.
SETUP = """async (m, refusals) => {
  const log = [];
  const stored = { remove: (key) => log.push(`forget ${key}`) };
  const make_transfer = (chosen) => {
    const transfer = {
      file: { name: chosen.name, size: 10 }, file_key: `key of ${chosen.name}`, state: "waiting", message: "", stored,
      sent_bytes: 0, controller: {},
      get is_active() { return ["sending", "offline"].includes(transfer.state); },
      change: (state, message = "") => Object.assign(transfer, { state, message }),
      run: () => new Promise((resolve) => {
        log.push(`send ${chosen.name}`);
        transfer.change("sending");
        transfer.end = (state) => { transfer.change(state); resolve(); };
      }),
      pause: () => transfer.end("paused"),
      abort: async () => {
        log.push(`abort ${chosen.name}`);
        if (refusals.abort) throw new Error(refusals.abort);
        transfer.end?.("aborted");
      },
      forget: () => log.push(`gone ${chosen.name}`),
    };
    return transfer;
  };
  const ask = async (path, body, _signal, key) => {
    const files = body.scans?.map((scan) => `${scan.file_key} ${scan.role}`) ?? [body.file_key];
    log.push([path, ...files, key ? "with a key" : ""].join(" "));
    const refusal = (refusals[path] ?? []).shift();
    if (refusal) throw Object.assign(new Error(refusal.code), refusal);
    return { job_id: `job of ${body.filename}`, cadence_id: "the cadence" };
  };
  const waits = [];
  const pause_for = () => new Promise((resolve) => waits.push(resolve));
  const queue = new m.UploadQueue({ ask, make_transfer, pause_for });
  const settle = () => new Promise((resolve) => setTimeout(resolve));
  const add = (names, is_cadence = false) => {
    const files = names.map((name, at) => ({ name, source_name: "", role: is_cadence ? ["on", "off"][at % 2] : null }));
    queue.add({ is_cadence, name: "", fields: {}, files });
  };
  const item = (name) => queue.items.find(({ transfer }) => transfer.file.name === name);
  const end = async (name, state = "uploaded") => { item(name).transfer.end(state); await settle(); };
  const states = () => queue.items.map((one) => `${one.transfer.state} ${one.search_state}`.trim());
  return (RUN)();
}"""


async def run(javascript: Javascript, code: str, **refusals: Any) -> Any:
    """Run a function with the above in its scope, and return its result."""
    return await javascript.run("uploads/queue.js", SETUP.replace("RUN", code), refusals)


async def test_two_files_at_a_time_and_each_is_searched_when_it_is_there(javascript: Javascript) -> None:
    found = await run(
        javascript,
        """async () => {
          add(["a", "b", "c"]);
          const first = [...log];
          await end("b");
          return { first, log, states: states(), busy: queue.is_busy, job: item("b").job_id };
        }""",
    )
    assert found["first"] == ["send a", "send b"]
    assert found["log"][2:] == ["/analyze key of b with a key", "send c", "forget key of b"]
    assert found["states"] == ["sending", "uploaded started", "sending"]
    assert (found["busy"], found["job"]) == (True, "job of b")


async def test_a_cadence_starts_once_all_of_it_is_there(javascript: Javascript) -> None:
    found = await run(
        javascript,
        """async () => {
          add(["a", "b", "c"], true);
          await end("a");
          await end("b");
          const before = log.filter((line) => line.startsWith("/"));
          await end("c");
          return { before, after: log.filter((line) => line.startsWith("/")), id: queue.batches[0].cadence_id };
        }""",
    )
    assert found["before"] == []
    assert found["after"] == ["/cadences key of a on key of b off key of c on with a key"]
    assert found["id"] == "the cadence"


async def test_a_cadence_goes_on_without_a_scan_that_is_removed(javascript: Javascript) -> None:
    found = await run(
        javascript,
        """async () => {
          add(["a", "b", "c"], true);
          await end("a");
          await end("c", "failed");
          await end("b");
          await queue.remove(queue.batches[0], item("c"));
          await settle();
          return log.filter((line) => line.startsWith("/"));
        }""",
    )
    assert found == ["/cadences key of a on key of b off with a key"]


async def test_a_search_waits_for_a_place(javascript: Javascript) -> None:
    busy = {"status": 429, "code": "too_many_concurrent_jobs", "retry_after_s": 30}
    found = await run(
        javascript,
        """async () => {
          add(["a"]);
          await end("a");
          const waiting = [item("a").search_state, item("a").search_message, queue.is_busy];
          waits.shift()();
          await settle();
          return { waiting, after: item("a").search_state };
        }""",
        **{"/analyze": [busy]},
    )
    assert found == {"waiting": ["waiting", "too_many_concurrent_jobs", True], "after": "started"}


async def test_what_was_refused_may_be_tried_again(javascript: Javascript) -> None:
    refusals = [{"status": 429, "code": "monthly_limit_reached"}, {"status": 404, "code": "file_not_found"}]
    found = await run(
        javascript,
        """async () => {
          add(["a"]);
          await end("a");
          const refused = states();
          queue.resume(queue.batches[0], item("a"));
          await settle();
          const lost = states();
          queue.resume(queue.batches[0], item("a"));
          await end("a");
          return { refused, lost, states: states(), sent: log.filter((line) => line === "send a").length, log };
        }""",
        **{"/analyze": refusals},
    )
    assert found["refused"] == ["uploaded refused"]
    # The service no longer has the file, so it is sent once more.
    assert found["lost"] == ["failed refused"]
    assert "gone a" in found["log"]
    assert (found["states"], found["sent"]) == (["uploaded started"], 2)


async def test_uploads_pause_while_nobody_is_signed_in(javascript: Javascript) -> None:
    found = await run(
        javascript,
        """async () => {
          add(["a", "b", "c"]);
          item("c").transfer.pause = () => item("c").transfer.change("paused");
          queue.pause(item("b"));
          await settle();
          queue.pause_signed_out();
          await settle();
          const paused = states();
          queue.resume_signed_out();
          return { paused, resumed: states() };
        }""",
    )
    assert found["paused"] == ["paused", "paused", "paused"]
    # The user paused b, so it stays so.
    assert found["resumed"] == ["sending", "paused", "sending"]


async def test_an_upload_stays_listed_until_its_parts_are_deleted(javascript: Javascript) -> None:
    code = """async () => {
      add(["a"]);
      await queue.remove(queue.batches[0], item("a"));
      return { states: states(), message: item("a").transfer.message };
    }"""
    found = await run(javascript, code, abort="The service is busy.")
    assert found["states"] == ["aborted"]
    assert "The service is busy." in found["message"]
