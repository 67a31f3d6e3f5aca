"""The pure modules of uploads and of the job page, against what the services do."""

import itertools
import json
import struct
from typing import Any

import numpy as np
import pytest

from science.simulator import make_header, write_fil
from services.classify.cadence.roles import NamedScan, proposed_roles
from services.gateway.api.bodies import AnalyzeBody
from services.gateway.api.cadence_bodies import CadenceParametersBody
from services.gateway.settings import DEFAULT_TIERS
from shared.cadence import CadenceParameters
from shared.formats import FORMATS
from shared.search_parameters import SearchParameters
from shared.strict_json import strict_json
from tests.browser.javascript import Javascript

MEBIBYTE = 1024 * 1024


def scan(place: int, source: str, file: str) -> dict[str, Any]:
    return {"tstart_mjd": 59000 + place, "source_name": source, "file_name": file}


NAMES = ("HIP1", "HIP1_OFF", "HIP2", "OFFSET", "hip1 ", "ON", "")
FILES = ("a.fil", "a_off2.fil", "a_on.h5")


async def test_roles_are_those_that_the_service_proposes(javascript: Javascript) -> None:
    cadences = [
        [scan(at, *pair) for at, pair in enumerate(pairs)]
        for pairs in itertools.product(itertools.product(NAMES, FILES), repeat=3)
    ][::13]
    # Times in another order than the list, and one time twice.
    cadences += [[one | {"tstart_mjd": 59000 + at % 2} for at, one in enumerate(scans[::-1])] for scans in cadences]
    code = "(m, all) => all.map((scans) => m.proposed_roles(scans))"
    for scans, found in zip(cadences, await javascript.run("uploads/roles.js", code, cadences), strict=True):
        roles, why = proposed_roles([NamedScan(**one) for one in scans])
        assert found["roles"] == roles, scans
        assert found["why"].split(";")[0] == why.split(";")[0]


async def test_archive_names_tell_start_and_source(javascript: Javascript) -> None:
    facts = await javascript.call(
        "uploads/roles.js", "facts_of_name", "blc03_guppi_57650_54573_HIP66704_0011.gpuspec.0000.h5"
    )
    assert facts == {"tstart_mjd": 57650 + 54573 / 86400, "source_name": "HIP66704"}
    assert await javascript.call("uploads/roles.js", "facts_of_name", "observation.h5") is None


async def test_defaults_and_bounds_are_those_of_the_api(javascript: Javascript) -> None:
    numbers = await javascript.run("uploads/search_parameters.js", "(m) => m.NUMBERS")
    defaults = SearchParameters().model_dump() | CadenceParameters().model_dump()
    schema = CadenceParametersBody.model_json_schema()["properties"]
    assert set(numbers) | {"ifs", "pol_type", "chirps"} == set(schema)
    for name, number in numbers.items():
        (bounds,) = (one for one in schema[name]["anyOf"] if one["type"] != "null")
        assert (number["least"], number["most"]) == (bounds["minimum"], bounds["maximum"]), name
        assert number["by_default"] == defaults[name], name
    of_search = {name for name, number in numbers.items() if number["of"] == "search"}
    assert of_search == set(numbers) & set(AnalyzeBody.model_fields)
    choices = await javascript.run(
        "uploads/search_parameters.js", "(m) => [m.IF_CHOICES, m.POL_TYPES].map(Object.keys)"
    )
    document = json.dumps(AnalyzeBody.model_json_schema())
    assert all(f'"{choice}"' in document for choice in [*choices[0], *choices[1][1:]])


async def test_only_what_differs_from_the_defaults_is_sent(javascript: Javascript) -> None:
    code = "(m, changes, cadence) => m.fields_of({ ...m.DEFAULTS, ...changes }, cadence)"
    module = "uploads/search_parameters.js"
    assert await javascript.run(module, code, {}, True) == {}
    changes = {"snr_threshold": " 12.5 ", "chirps": True, "off_snr": "4", "ifs": "stokes_i", "min_on_scans": "2"}
    sent = {"snr_threshold": 12.5, "chirps": True, "ifs": "stokes_i"}
    assert await javascript.run(module, code, changes, False) == sent
    assert await javascript.run(module, code, changes, True) == sent | {"off_snr": 4, "min_on_scans": 2}
    for name, text in (("snr_threshold", "4.9"), ("snr_threshold", ""), ("snr_threshold", "ten"), ("off_snr", "0.5")):
        problem = await javascript.call(module, "number_problem", name, text)
        assert "must be a number from" in problem
    assert "a whole number from 1 to 64" in await javascript.call(module, "number_problem", "min_on_scans", "1.5")
    assert await javascript.call(module, "number_problem", "min_on_scans", "") == ""


async def test_headers_are_read_in_the_page(javascript: Javascript, tmp_path: Any) -> None:
    path = tmp_path / "voyager.fil"
    wanted = make_header(4096, source_name="Voyager1")
    write_fil(path, wanted, np.ones((wanted.n_spectra, 4096), np.float32))
    raw = path.read_bytes()
    code = "(m, head, size) => m.read_sigproc(new Uint8Array(head), size)"

    async def read(head: bytes, size: int) -> dict[str, Any]:
        found: dict[str, Any] = await javascript.run("uploads/sigproc.js", code, list(head), size)
        return found

    header = (await read(raw[:4096], len(raw)))["header"]
    for name in ("n_channels", "n_ifs", "n_bits", "n_spectra", "source_name"):
        assert header[name] == getattr(wanted, name), name
    assert header["first_channel_hz"] == pytest.approx(wanted.frequency_hz(0), rel=1e-15)
    assert header["channel_width_hz"] == pytest.approx(wanted.foff_hz, rel=1e-15)
    assert (header["spectrum_s"], header["start_mjd"]) == (wanted.tsamp_s, wanted.tstart_mjd)
    end = raw.index(b"HEADER_END")
    assert (await read(raw[:end], len(raw)))["problem"] == "its header ends too early"
    assert "fewer than two" in (await read(raw[:4096], end + 100))["problem"]
    strange = raw[:16] + struct.pack("<I", 5) + b"FANCY" + raw[16:4096]
    assert 'keyword "FANCY"' in (await read(strange, len(raw)))["problem"]


@pytest.mark.parametrize(
    ("name", "head", "problem"),
    [
        ("a.fil", b"\x0c\0\0\0HEADER_START", None),
        ("a.H5", b"\x89HDF\r\n\x1a\n", None),
        ("a.h5", bytes(2048) + b"\x89HDF\r\n\x1a\n", None),
        ("a.dat", b"\x0c\0\0\0HEADER_START", "must end in .fil or .h5"),
        (".fil", b"\x0c\0\0\0HEADER_START", "no name before the dot"),
        ("a.fil", b"", "empty"),
        ("a.fil", b"\x1f\x8b\x08", "Unpack"),
        ("a.fil", b"BACKEND = 'GUPPI'", "rawspec"),
        ("a.h5", b"hello", "neither as a SIGPROC"),
    ],
)
async def test_files_are_known_by_name_and_first_bytes(
    javascript: Javascript, name: str, head: bytes, problem: str | None
) -> None:
    code = "(m, name, head) => m.name_problem(name) ?? m.content_problem(new Uint8Array(head))"
    found = await javascript.run("uploads/file_kind.js", code, name, list(head))
    assert (found is None) if problem is None else (problem in found)


def usage(**changes: Any) -> dict[str, Any]:
    tier = DEFAULT_TIERS["free"]
    uploads = {"open": 1, "open_limit": tier.open_uploads, "stored_bytes": 0, "stored_bytes_limit": 10**9}
    details = {"max_file_mb": tier.max_file_mb}
    return {"tier": "free", "limit": 10, "remaining": 9, "tier_details": details, "uploads": uploads} | changes


async def test_the_tier_refuses_before_the_first_byte(javascript: Javascript) -> None:
    async def of_file(size: int) -> Any:
        return await javascript.call(
            "uploads/limits.js", "file_refusal", {"name": "a.fil", "size": size}, None, usage()
        )

    async def of_plan(count: int, used: dict[str, Any] | None, *, cadence: bool = False) -> Any:
        return await javascript.call("uploads/limits.js", "plan_refusal", [{"size": 10**6}] * count, used, cadence)

    assert await of_file(100 * MEBIBYTE) is None
    assert "takes files up to 100.0 MiB" in await of_file(100 * MEBIBYTE + 1)
    assert await of_plan(9, usage()) is None
    assert "9 are left, and these files need 10" in await of_plan(10, usage())
    assert "none is left" in await of_plan(1, usage(remaining=0))
    full = usage()["uploads"] | {"stored_bytes": 10**9 - 10**6 + 1}
    assert "Delete jobs" in await of_plan(1, usage(uploads=full))
    assert await of_plan(7, usage(), cadence=True) is None
    assert "allows 8 uploads at a time" in await of_plan(8, usage(), cadence=True)
    assert "at most 64 scans" in await of_plan(65, None, cadence=True)


# A service and a storage in a few lines. `faults` maps a number of a part to the statuses of its first PUTs.
SERVICE = """
class Service {
  constructor(faults, size = 40) {
    Object.assign(this, { faults, log: [], there: new Map(), signed: 0, part_size: 8, on_put: () => {} });
    this.file = new File([new Uint8Array(size)], "a.fil", { lastModified: 5 });
    const kept = new Map();
    this.storage = {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: (key) => kept.delete(key),
    };
  }
  part(number) { return { partNumber: number, url: `${number}/${this.signed}` }; }
  ask = async (path, body) => {
    this.log.push(path + (body.upload_id ? " again" : ""));
    const fault = (this.faults[path] ?? []).shift();
    if (fault) throw Object.assign(new Error("trouble"), fault);
    if (path !== "/upload-url") return {};
    this.signed += 1;
    const numbers = Array.from({ length: this.file.size / this.part_size }, (_, at) => at + 1);
    const missing = numbers.filter((number) => !this.there.has(number)).map((number) => this.part(number));
    const uploaded = [...this.there].map(([partNumber, etag]) => ({ partNumber, etag }));
    return { multipart: true, file_key: "k", upload_id: "u", part_size: this.part_size, parts: missing, uploaded };
  };
  put = async (url, bytes, { signal, on_progress }) => {
    const number = Number(url.split("/")[0]);
    this.log.push(`PUT ${url}`);
    await this.on_put(number, signal);
    const status = (this.faults[number] ?? []).shift();
    if (status !== undefined) throw Object.assign(new Error("trouble"), { status });
    on_progress(bytes.size);
    this.there.set(number, `etag${number}`);
    return `etag${number}`;
  };
}
"""


async def transfer(javascript: Javascript, code: str, faults: dict[Any, Any] | None = None) -> dict[str, Any]:
    """Run `code` with a `service`, and `make()` that begins a transfer of its file. Return what came of it."""
    script = f"""async (m, faults) => {{
      {SERVICE}
      const {{ StoredUploads }} = await import("/app/uploads/stored_uploads.js");
      const service = new Service(faults);
      const states = [];
      const stored = new StoredUploads("alice", service.storage);
      const make = () => {{
        const needs = {{ ask: service.ask, put: service.put, stored, pause_for: async () => {{}} }};
        const one = new m.Transfer({{ file: service.file, fingerprint: "f" }},
          {{ ...needs, on_change: () => states.at(-1) === one.state || states.push(one.state) }});
        return one;
      }};
      const one = await ({code})(service, make, stored);
      return {{ log: service.log, states, state: one.state, message: one.message, sent: one.sent_bytes,
        stored: stored.list(), there: [...service.there.keys()].sort() }};
    }}"""
    found: dict[str, Any] = await javascript.run("uploads/transfer.js", script, faults or {})
    return found


RUN = "async (service, make) => { const one = make(); await one.run(); return one; }"


def puts(found: dict[str, Any]) -> list[str]:
    return [line for line in found["log"] if line.startswith("PUT")]


async def test_all_parts_are_sent_once(javascript: Javascript) -> None:
    found = await transfer(javascript, RUN)
    assert (found["state"], found["sent"], found["there"]) == ("uploaded", 40, [1, 2, 3, 4, 5])
    assert found["log"] == ["/upload-url", *(f"PUT {number}/1" for number in range(1, 6)), "/complete-upload again"]
    assert [record["is_uploaded"] for record in found["stored"]] == [True]


async def test_a_lost_network_and_a_server_in_trouble_are_waited_for(javascript: Javascript) -> None:
    faults = {
        "2": [0, 503, 0],
        "5": [500],
        "/upload-url": [{"status": 0}, {"status": 429, "code": "too_many_requests"}],
        "/complete-upload": [{"status": 503}],
    }
    found = await transfer(javascript, RUN, faults)
    assert found["state"] == "uploaded"
    assert "offline" in found["states"]
    assert sorted(puts(found)) == [f"PUT {number}/1" for number in (1, 2, 2, 2, 2, 3, 4, 5, 5)]


async def test_expired_urls_are_signed_again_once(javascript: Javascript) -> None:
    found = await transfer(javascript, RUN, {"1": [403], "2": [403], "4": [403]})
    assert found["state"] == "uploaded"
    assert found["log"].count("/upload-url again") == 1
    assert sum(line.endswith("/2") for line in puts(found)) >= 3


async def test_storage_that_always_refuses_ends_the_upload(javascript: Javascript) -> None:
    found = await transfer(javascript, RUN, {"3": [403] * 9})
    assert (found["state"], found["stored"][0]["is_uploaded"]) == ("failed", False)
    assert "Check this computer's clock" in found["message"]
    assert found["log"].count("/upload-url again") == 3
    forbidden = await transfer(javascript, RUN, {"/upload-url": [{"status": 429, "code": "monthly_limit_reached"}]})
    assert (forbidden["state"], forbidden["log"]) == ("failed", ["/upload-url"])


PAUSED = """async (service, make) => {
  const first = make();
  service.on_put = (number, signal) => number < 4 ? null
    : new Promise((_, reject) => { signal.addEventListener("abort", () => reject(signal.reason)); first.pause(); });
  await first.run();
  service.on_put = () => {};
  const one = again ? make() : first;
  await one.run();
  return one;
}"""


@pytest.mark.parametrize("again", ["false", "true"])
async def test_after_a_pause_or_a_reload_the_missing_parts_are_sent(javascript: Javascript, again: str) -> None:
    found = await transfer(javascript, PAUSED.replace("again ?", f"{again} ?"))
    assert found["state"] == "uploaded"
    assert found["log"].count("/upload-url again") == 1
    # Parts 1 to 3 were there.
    assert [line for line in puts(found) if line.endswith("/2")] == ["PUT 4/2", "PUT 5/2"]


async def test_an_upload_that_is_gone_begins_anew(javascript: Javascript) -> None:
    code = """async (service, make, stored) => {
      stored.put({ ...make().identity, file_key: "old", upload_id: "old", is_uploaded: false });
      const one = make();
      await one.run();
      return one;
    }"""
    found = await transfer(javascript, code, {"/upload-url": [{"status": 404, "code": "upload_not_found"}]})
    assert found["log"][:2] == ["/upload-url again", "/upload-url"]
    assert (found["state"], [record["file_key"] for record in found["stored"]]) == ("uploaded", ["k"])


async def test_abort_removes_the_parts(javascript: Javascript) -> None:
    code = """async (service, make) => {
      const one = make();
      service.on_put = async (number) => { if (number === 2) await one.abort(); };
      await one.run();
      return one;
    }"""
    found = await transfer(javascript, code)
    assert (found["state"], found["stored"]) == ("aborted", [])
    assert found["log"][-1] == "/abort-upload again"
    assert "/complete-upload again" not in found["log"]


async def test_an_ended_session_pauses_the_upload(javascript: Javascript) -> None:
    found = await transfer(javascript, RUN, {"/complete-upload": [{"status": 403, "code": "session_ended"}]})
    assert found["state"] == "paused"
    assert "signed in again" in found["message"]


async def test_waits_double_and_end(javascript: Javascript) -> None:
    code = "(m, error) => Array.from({ length: 12 }, (_, tries) => m.delay_ms(error, tries, 1))"
    lost = await javascript.run("uploads/retries.js", code, {"status": 0})
    assert lost == [1000, 2000, 4000, 8000, 16000, *[30000] * 7]
    assert (await javascript.run("uploads/retries.js", code, {"status": 503}))[10:] == [None, None]
    assert await javascript.run("uploads/retries.js", code, {"status": 404}) == [None] * 12
    busy = {"status": 429, "code": "too_many_concurrent_jobs", "retry_after_s": 30}
    assert await javascript.run("uploads/retries.js", code, busy) == [30000] * 12


async def test_speed_and_time_left(javascript: Javascript) -> None:
    code = """(m) => {
      const speed = new m.Speed();
      const found = [speed.bytes_per_s(0)];
      for (let at = 0; at <= 20; at += 1) speed.note(at < 10 ? 100 * at : 900 + 10 * (at - 9), 1000 * at);
      found.push(speed.bytes_per_s(20000));
      return [...found, m.time_left_text(5000, 10), m.time_left_text(50, 10), m.time_left_text(5, null)];
    }"""
    assert await javascript.run("uploads/speed.js", code) == [None, 10, "about 8 min left", "a few seconds left", ""]


async def test_the_head_of_results_is_read_without_its_lists(javascript: Javascript) -> None:
    document = {
        "job_id": "x",
        "noise": [{"chunk": 0, "level": 1.5}],
        "warnings": [' "raw_hits": in a text\n'],
        "raw_hits": [],
    }
    text = strict_json(document).decode()
    head = await javascript.call("job/results_head.js", "head_of_text", text[: text.index("[]")])
    assert head == {name: value for name, value in document.items() if name != "raw_hits"}
    assert await javascript.call("job/results_head.js", "head_of_text", text[:40]) is None


async def test_noise_has_a_row_for_each_part(javascript: Javascript) -> None:
    noise = [
        {
            "chunk": 0,
            "start_channel": 0,
            "stop_channel": 1048576,
            "level": 12.3456,
            "sigma": None,
            "lost_fraction": 0.0,
        },
        {"chunk": 1, "lost_fraction": 2e-5, "dead_channels": 1, "gaps": [{}, {}], "gain_changes": [{}]},
    ]
    first, second = await javascript.call("job/noise.js", "noise_rows", noise)
    assert first == {
        "key": 0,
        "channels": "0 to 1,048,575",
        "level": "12.35",
        "sigma": "—",
        "lost": "none",
        "notes": "",
    }
    assert (second["channels"], second["lost"]) == ("part 2", "under 0.01 %")
    assert second["notes"] == "1 dead channel, 2 gaps, 1 change of gain"


async def test_each_format_has_its_sentence(javascript: Javascript) -> None:
    formats = await javascript.run("job/downloads.js", "(m) => m.FORMATS")
    assert [one[0] for one in formats] == list(FORMATS)


@pytest.mark.parametrize(
    ("job", "states"),
    [
        ({"status": "submitted"}, ["now", "next", "next", "next"]),
        ({"status": "processing", "progress": ["ingest", 1, 1]}, ["done", "now", "next", "next"]),
        ({"status": "processing", "progress": ["dedoppler", 3, 12]}, ["done", "now", "next", "next"]),
        ({"status": "processing", "progress": ["dedoppler", 12, 12]}, ["done", "done", "now", "next"]),
        ({"status": "complete", "progress": ["classify", 1, 1]}, ["done", "done", "done", "now"]),
        ({"status": "complete", "exports_ready": True}, ["done"] * 4),
        ({"status": "failed", "error_detail": {"stage": "dedoppler"}}, ["done", "failed", "skipped", "skipped"]),
        ({"status": "complete", "error_detail": {"stage": "export"}}, ["done", "done", "done", "failed"]),
    ],
)
async def test_stages_follow_from_the_job(javascript: Javascript, job: dict[str, Any], states: list[str]) -> None:
    if "progress" in job:
        job = job | {"progress": dict(zip(("stage", "done", "total"), job["progress"], strict=True))}
    assert await javascript.call("job/stages.js", "stage_states", job) == states
