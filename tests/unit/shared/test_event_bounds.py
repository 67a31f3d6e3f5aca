"""An event that no producer of ours could have made does not decode, so that every consumer sets it aside."""

import json
from pathlib import Path

import pytest

from shared.event_fields import MAX_CHUNKS, MAX_SENTENCE, plain_sentence
from shared.events import JobFailed, UndecodableEventError, decode
from shared.object_keys import is_below
from tests.unit.shared.example_events import EXPECTED, GOLDEN, JOB_ID, VARIANTS
from tests.unit.shared.test_events import golden_name

OTHER_JOB = "00000000-3d0f-4f7e-9d55-0a3b8f1f2c11"
OTHER_KEY = f"jobs/{OTHER_JOB}/catalog.fits"
PLAN = {"n_channels": 2**20, "count": 64, "stride_channels": 2**20, "parts": 64, "overlap_channels": 392, "lanes": 2}
SUBMITTED, READY, SEARCHED, CLASSIFIED, EXPORTED, PROGRESS, FAILED, REOPENED = map(golden_name, EXPECTED[:8])
WITH_PLAN = golden_name(VARIANTS["plan"])
# A place in the JSON of a golden event, and a value that no real job has there.
FORGED = [
    *((name, "job_id", value) for name in (SUBMITTED, SEARCHED, FAILED) for value in ("", "../x", "a.b", "x" * 36)),
    (SUBMITTED, "job_id", JOB_ID.upper()),
    *((name, "producer", "a\nb") for name in (SUBMITTED, EXPORTED)),
    *(
        (SUBMITTED, "upload.file_key", key)
        for key in ("", "jobs/x", "uploads/", "uploads/../x", "uploads/u//x", "uploads/u/\x07", "uploads/" + "x" * 2000)
    ),
    (SUBMITTED, "upload.file_name", "two\nlines.fil"),
    (SUBMITTED, "upload.file_name", "x" * 256),
    (SUBMITTED, "upload.source_name", "\x1b[31mred"),
    (SUBMITTED, "upload.file_size", -1),
    (SUBMITTED, "upload.file_size", 2**63),
    (SUBMITTED, "upload.etag", ""),
    *(
        (name, field, moment)
        for name, field in ((SUBMITTED, "upload.submitted_at"), (FAILED, "occurred_at"), (REOPENED, "occurred_at"))
        for moment in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00", -1e18, 1e300)
    ),
    (SUBMITTED, "parameters.snr_threshold", -1),
    *((READY, f"chunk.{field}", -1) for field in ("index", "start_channel", "read_start_channel", "stop_channel")),
    (READY, "chunk.count", 10**8),
    (READY, "chunk.count", MAX_CHUNKS + 1),
    (READY, "chunk.index", 64),
    (READY, "chunk.stop_channel", 3_145_728),
    (READY, "chunk.read_start_channel", 3_145_729),
    (READY, "chunk.read_stop_channel", 4_194_303),
    (READY, "chunk.read_stop_channel", 2**62),
    (READY, "header.n_channels", 2**62),
    (READY, "header.n_spectra", 2**60),
    (READY, "header.n_ifs", 2**40),
    (READY, "header.n_bits", 10**9),
    (READY, "header.data_offset_bytes", 2**40),
    (READY, "header.foff_mhz", 0),
    (READY, "header.foff_mhz", 1e300),
    (READY, "header.fch1_mhz", 1e300),
    (READY, "header.tsamp_s", 1e-300),
    (READY, "header.ra_hours", 25),
    (READY, "header.source_name", "x\x00"),
    (READY, "header.coarse_channel_width", 0),
    (READY, "warnings", ["a warning"] * 1000),
    (READY, "warnings", ["x" * 10_000]),
    (READY, "plan", PLAN),
    *((WITH_PLAN, f"plan.{field}", 10**12) for field in PLAN),
    (WITH_PLAN, "plan.count", 63),
    (SEARCHED, "hits_key", f"jobs/{OTHER_JOB}/hits/00003.npz"),
    (SEARCHED, "hits_key", ""),
    (SEARCHED, "n_hits", -1),
    (SEARCHED, "n_hits", 10**12),
    (SEARCHED, "chunk.count", 10**8),
    (CLASSIFIED, "chunk_count", 10**7),
    (CLASSIFIED, "chunk_count", 0),
    (WITH_PLAN, "chunk_count", 65),
    (CLASSIFIED, "results_key", f"jobs/{OTHER_JOB}/results.json"),
    (CLASSIFIED, "results_key", f"jobs/{JOB_ID}/../{OTHER_JOB}/results.json"),
    (CLASSIFIED, "summary.raw_hits", -1),
    (CLASSIFIED, "summary.raw_hits", 10**18),
    (CLASSIFIED, "summary.processing_time_seconds", -1),
    (CLASSIFIED, "summary.top_candidates", [EXPECTED[3].summary.top_candidates[0].model_dump()] * 1000),
    (CLASSIFIED, "summary.top_candidates.0.classification", "<script>"),
    (CLASSIFIED, "summary.top_candidates.0.rfi_source", "<img src=x>"),
    (CLASSIFIED, "summary.top_candidates.0.source", "a\x00b"),
    (CLASSIFIED, "summary.warnings", ["a\nb"]),
    *((EXPORTED, "artefacts.0.key", key) for key in ("", OTHER_KEY, f"jobs/{JOB_ID}/", f"jobs/{JOB_ID}//x")),
    (EXPORTED, "artefacts.0.size", -1),
    (EXPORTED, "artefacts.0.sha256", "no checksum"),
    (EXPORTED, "artefacts.0.format", "<b>"),
    (EXPORTED, "artefacts.0.filename", "a\r\nSet-Cookie: x"),
    (EXPORTED, "artefacts", [EXPECTED[4].artefacts[0].model_dump()] * 1000),
    (PROGRESS, "total", 10**8),
    (PROGRESS, "done", -1),
    (PROGRESS, "done", 65),
    (REOPENED, "operator", "a\nb"),
    (REOPENED, "dead_letter", "x" * 300),
    (FAILED, "code", "Not A Code"),
    (FAILED, "message", "one line\nand another"),
    (FAILED, "message", "x" * (MAX_SENTENCE + 1)),
]


def changed(name: str, place: str, value: object) -> bytes:
    """Return a golden event with another value at a place of dotted names."""
    event = json.loads((GOLDEN / name).read_text())
    *path, last = place.split(".")
    holder = event
    for part in path:
        holder = holder[int(part) if part.isdigit() else part]
    holder[last] = value
    return json.dumps(event).encode()


@pytest.mark.parametrize(("name", "place", "value"), FORGED, ids=lambda value: str(value)[:40])
def test_a_forged_event_does_not_decode(name, place, value):
    with pytest.raises(UndecodableEventError):
        decode(changed(name, place, value))


def test_the_bounds_are_in_the_document_of_the_events():
    schemas = json.loads((Path(__file__).parents[3] / "docs" / "asyncapi.json").read_text())["components"]["schemas"]
    assert schemas["Chunk"]["properties"]["count"]["maximum"] == MAX_CHUNKS
    assert schemas["ObservationClassified"]["properties"]["chunk_count"]["maximum"] == MAX_CHUNKS
    assert schemas["JobFailed"]["properties"]["message"]["maxLength"] == MAX_SENTENCE
    for name, schema in schemas.items():
        for field, about in schema["properties"].items():
            if about.get("type") == "integer" and field not in ("version", "telescope_id"):
                assert "minimum" in about, f"{name}.{field}"
                assert {"maximum", "exclusiveMaximum"} & set(about), f"{name}.{field}"
            if about.get("type") == "array":
                assert "maxItems" in about, f"{name}.{field}"


def test_an_event_may_be_as_large_as_a_real_one():
    event = decode(changed(SEARCHED, "chunk.count", MAX_CHUNKS))
    assert event.chunk.count == MAX_CHUNKS


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("The file 'Größe <b>.fil' is empty.", "The file 'Größe <b>.fil' is empty."),
        ("a\nb\tc\x1b\x9b\u2028d\ud800", "a b c   d "),
        ("x" * 5000, "x" * (MAX_SENTENCE - 1) + "…"),
    ],
)
def test_a_sentence_is_made_plain(text, plain):
    assert plain_sentence(text) == plain
    JobFailed.make(job_id=JOB_ID, producer="p", stage="ingest", code="c", message=plain)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("jobs/a/x.json", True),
        ("jobs/a/hits/00001.npz", True),
        ("jobs/a/…/Größe", True),
        ("jobs/ab/x.json", False),
        ("jobs/a", False),
        ("jobs/a/", False),
        ("jobs/a/./x", False),
        ("jobs/a/x/..", False),
        ("jobs/a/x\\y", False),
        ("jobs/a/" + "ä" * 600, False),
    ],
)
def test_a_key_below_a_prefix(key, expected):
    assert is_below("jobs/a/", key) is expected
