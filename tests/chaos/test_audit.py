"""Test that the auditor finds lost, doubled and different artefacts, so that an empty table means something."""

import io
import json
from collections import namedtuple
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from shared.events import CADENCE_CLASSIFIED, CADENCE_READY, CadenceClassified, CadenceReady
from tests.chaos.audit import Audit, Auditor, are_near, look_at_messages
from tests.chaos.cadences import ChaosCadence, ChaosScan, cadences
from tests.chaos.digests import digests_of, digests_of_cadence
from tests.chaos.observations import Observation
from tests.chaos.run import plan_cadences
from tests.chaos.user import Job, StartedCadence
from tests.unit.shared.example_events import EXPECTED

SOUND = Observation(Path("sound.fil"))
MALFORMED = Observation(Path("text.fil"), is_malformed=True)
COMPLETE = {"status": "complete", "exports_ready": True}
REFUSED = {"status": "failed", "error_detail": {"code": "bad_observation", "stage": "ingest"}}


class Bucket:
    """A job's objects in memory."""

    def __init__(self, job_id: str) -> None:
        results = {"job_id": job_id, "processing_time_seconds": len(job_id), "raw_hits": [1, 2]}
        self.objects = {
            f"jobs/{job_id}/results.json": json.dumps(results).encode(),
            f"jobs/{job_id}/catalog.csv": f"a,b\n1,2\n# {job_id}\n".encode(),
            f"jobs/{job_id}/hits/00000.npz": job_id.encode(),
            f"jobs/{job_id}/finished_by_chunk": job_id.encode(),
            f"jobs/{job_id}/plan.json": json.dumps({"version": len(job_id)}).encode(),
        }

    async def list_keys(self, prefix):
        return sorted(key for key in self.objects if key.startswith(prefix))

    async def get(self, key):
        return self.objects[key]


@pytest.fixture
async def auditor():
    """Return an auditor that has learned the artefacts of the sound observation from another job."""
    auditor = Auditor(None, [])
    auditor._expected["sound.fil"] = await digests_of(Bucket("first"), "first")
    return auditor


async def audited(auditor, bucket, body, observation=SOUND):
    audit = Audit()
    await auditor._look_at_job(audit, Job("second", observation, "k", body), bucket)
    return audit


async def test_correct_job_has_no_findings(auditor):
    audit = await audited(auditor, Bucket("second"), COMPLETE)
    assert audit.findings == []
    assert (audit.complete, audit.artefacts) == (1, 2)


@pytest.mark.parametrize(
    ("key", "content", "finding"),
    [
        ("results.json", b'{"raw_hits": [1, 2, 2]}', "different"),
        ("catalog.csv", b"a,b\n1,3\n", "different"),
        ("catalog.csv", None, "lost"),
        ("catalog_2.csv", b"a,b\n", "doubled"),
    ],
)
async def test_wrong_artefacts_are_found(auditor, key, content, finding):
    bucket = Bucket("second")
    if content is None:
        del bucket.objects[f"jobs/second/{key}"]
    else:
        bucket.objects[f"jobs/second/{key}"] = content
    (found,) = (await audited(auditor, bucket, COMPLETE)).findings
    assert found.startswith(finding)
    assert key in found


@pytest.mark.parametrize(
    ("observation", "body", "finding"),
    [
        (SOUND, REFUSED, "different"),
        (SOUND, {"status": "processing"}, "lost"),
        (MALFORMED, COMPLETE, "different"),
        (MALFORMED, {"status": "failed", "error_detail": {"code": "worker_crashed"}}, "different"),
    ],
)
async def test_wrong_job_status_is_found(auditor, observation, body, finding):
    (found,) = (await audited(auditor, Bucket("second"), body, observation)).findings
    assert found.startswith(finding)


async def test_malformed_file_that_fails_has_no_findings(auditor):
    audit = await audited(auditor, Bucket("second"), REFUSED, MALFORMED)
    assert (audit.findings, audit.refused_as_they_should) == ([], 1)


TRIO = ChaosCadence("trio", tuple(ChaosScan(Observation(Path(f"{n}.fil")), "on") for n in range(2)), (1e9,))
HOPELESS = ChaosCadence("hopeless", TRIO.scans, None)
ENDED = {"status": "complete", "exports_ready": True, "results": {"events": 1}}
TOO_FEW = {"status": "failed", "error_detail": {"code": "too_few_scans", "stage": "classify"}}
Record = namedtuple("Record", "value partition offset")


def parquet(job, cell=1.5):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"snr": [cell]}).replace_schema_metadata({"waterhole": json.dumps([job])}), buffer)
    return buffer.getvalue()


def fits_table(job, cell=1.5):
    buffer = io.BytesIO()
    table = fits.BinTableHDU.from_columns([fits.Column("snr", "D", array=np.array([cell]))])
    table.header["JOB1"] = job
    table.add_checksum(when="of this HDU")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(buffer)
    return buffer.getvalue()


class CadenceBucket(Bucket):
    """The objects of a cadence and of the jobs of its scans, in memory."""

    def __init__(self, cadence_id, job):
        document = {"job_id": cadence_id, "processing_time_seconds": len(cadence_id), "scans": [{"job_id": job}]}
        self.objects = {
            f"jobs/{cadence_id}/events.json": json.dumps(document | {"events": [{"snr": 31.5}]}).encode(),
            f"jobs/{cadence_id}/events.csv": f"snr\n31.5\n# {cadence_id} {job}\n".encode(),
            f"jobs/{cadence_id}/events.parquet": parquet(job),
            f"jobs/{cadence_id}/events.fits": fits_table(job),
            f"jobs/{cadence_id}/measured/00000.npz": b"measured",
            f"jobs/{cadence_id}/cadence.json": json.dumps({"submitted_at": cadence_id}).encode(),
            f"jobs/{cadence_id}/closed_by_part": cadence_id.encode(),
        }


@pytest.fixture
async def auditor_of_cadences():
    """Return an auditor that has learned the files of a cadence from another run."""
    auditor = Auditor(None, [])
    auditor._expected_cadences["trio"] = await digests_of_cadence(CadenceBucket("first", "job-a"), "first", ["job-a"])
    return auditor


async def audited_cadence(auditor, bucket, body, cadence=TRIO):
    audit = Audit()
    await auditor._look_at_cadence(audit, StartedCadence("second", cadence, ["job-b"], 1, body), bucket)
    return audit


async def test_correct_cadence_has_no_findings(auditor_of_cadences):
    audit = await audited_cadence(auditor_of_cadences, CadenceBucket("second", "job-b"), ENDED)
    assert audit.findings == []
    assert (audit.complete_cadences, audit.artefacts, audit.shared_scans) == (1, 5, 1)


@pytest.mark.parametrize(
    ("key", "content", "finding"),
    [
        ("events.json", b'{"events": [{"snr": 31.4}]}', "different"),
        ("events.csv", b"snr\n31.4\n", "different"),
        ("events.parquet", parquet("job-b", 1.6), "different"),
        ("events.parquet", parquet("job-c"), "different"),
        ("events.fits", fits_table("job-b", 1.6), "different"),
        ("events.fits", fits_table("job-c"), "different"),
        ("measured/00000.npz", b"measured otherwise", "different"),
        ("events.csv", None, "lost"),
        ("measured/00001.npz", b"", "doubled"),
    ],
)
async def test_wrong_files_of_a_cadence_are_found(auditor_of_cadences, key, content, finding):
    bucket = CadenceBucket("second", "job-b")
    if content is None:
        del bucket.objects[f"jobs/second/{key}"]
    else:
        bucket.objects[f"jobs/second/{key}"] = content
    (found,) = (await audited_cadence(auditor_of_cadences, bucket, ENDED)).findings
    assert found.startswith(finding)
    assert key in found


@pytest.mark.parametrize(
    ("cadence", "body", "finding"),
    [
        (TRIO, TOO_FEW, "different"),
        (TRIO, {"status": "processing"}, "lost"),
        (TRIO, ENDED | {"results": {"events": 2}}, "different"),
        (HOPELESS, ENDED, "different"),
        (HOPELESS, {"status": "failed", "error_detail": {"code": "worker_crashed"}}, "different"),
    ],
)
async def test_wrong_end_of_a_cadence_is_found(auditor_of_cadences, cadence, body, finding):
    bucket = CadenceBucket("second", "job-b")
    (found,) = (await audited_cadence(auditor_of_cadences, bucket, body, cadence)).findings
    assert found.startswith(finding)


async def test_cadence_that_fails_as_it_should_has_no_findings(auditor_of_cadences):
    audit = await audited_cadence(auditor_of_cadences, CadenceBucket("second", "job-b"), TOO_FEW, HOPELESS)
    assert (audit.findings, audit.failed_as_they_should) == ([], 1)


def events_of(kind, **changes):
    """Return an example of a bus event of a cadence, and the same with changes."""
    event = next(one for one in EXPECTED if isinstance(one, kind))
    return event, event.model_copy(update=changes)


@pytest.mark.parametrize(("kind", "topic"), [(CadenceReady, CADENCE_READY), (CadenceClassified, CADENCE_CLASSIFIED)])
def test_bus_event_of_a_cadence_may_repeat_but_must_say_the_same(kind, topic):
    event, other = events_of(kind, name="another name")
    for second, finding in ((event, 0), (other, 1)):
        audit = Audit()
        messages = {topic: [Record(one.to_bytes(), 0, place) for place, one in enumerate((event, second))]}
        look_at_messages(audit, messages, {event.job_id})
        assert (len(audit.doubled), audit.repeated_events, audit.events) == (finding, 1, 2)


def test_bus_event_of_an_unknown_cadence_is_found():
    audit = Audit()
    event, _ = events_of(CadenceReady)
    look_at_messages(audit, {CADENCE_READY: [Record(event.to_bytes(), 0, 0)]}, set())
    assert audit.unaccounted == [f"cadence.ready names the unknown job {event.job_id}"]


def test_dead_letter_of_an_event_that_was_published_twice_counts_once(auditor):
    audit, jobs = Audit(), {"second": Job("second", MALFORMED, "k", REFUSED), "sound": Job("sound", SOUND, "k")}
    Letter = namedtuple("Letter", "key headers")
    for key in (b"second", b"second", b"sound:3"):
        auditor._look_at_letter(audit, Letter(key, [("error_code", b"bad_observation")]), jobs)
    assert audit.dead_letters == {"second"}
    assert len(audit.unaccounted) == 1


@pytest.mark.parametrize(
    ("found", "is_right"), [([2.0, 1.0], True), ([1.0], False), ([1.0, 2.0, 2.0], False), ([1.0, 99.0], False)]
)
def test_known_answer_is_one_event_per_emitter(found, is_right):
    assert are_near(found, [1.0, 2.0]) is is_right


async def test_every_kind_of_cadence_is_planned_and_some_scans_are_jobs(tmp_path):
    known = cadences(tmp_path)
    planned = plan_cadences(known, 8, 1)
    assert [one.name for one in planned] == [one.name for one in known] * 2
    assert {scan.is_shared for one in planned for scan in one.scans} == {True, False}
