"""When a cadence is ready, and what it then says of its scans."""

from dataclasses import replace

import pytest

from services.gateway.jobs.cadence import (
    Cadence,
    Scan,
    ScanJob,
    ended_scans,
    job_of_scan,
    new_job_id,
    ready_event,
    status_of,
    submitted_of_scan,
    too_few,
)
from services.gateway.jobs.model import Failure
from shared.cadence import CadenceParameters
from shared.event import is_job_id
from shared.event_fields import MAX_SENTENCE
from shared.events import JobLimits, SearchParameters, Upload, decode

CADENCE_ID = "5f0c3c0e-3d0f-4f7e-9d55-0a3b8f1f2c11"
BROKEN = ScanJob("failed", failure=Failure("ingest", "bad_observation", "The file is empty."))


def upload(number: int) -> Upload:
    return Upload(
        file_key=f"uploads/u/{number}/s.fil",
        file_name=f"s{number}.fil",
        file_size=5,
        source_name="HIP 39826",
        submitted_at="2024-04-07T00:00:00Z",
        etag='"0"',
    )


def a_cadence(*roles, is_started=True) -> Cadence:
    scans = tuple(Scan(new_job_id(CADENCE_ID, at), upload(at), role, is_new=True) for at, role in enumerate(roles))
    return Cadence(
        job_id=CADENCE_ID,
        user_id="u",
        name="n",
        scans=scans,
        parameters=CadenceParameters(min_on_scans=1),
        search=SearchParameters(snr_threshold=12),
        limits=JobLimits(max_unpacked_bytes=5, max_processor_s=1),
        submitted_ms=1_712_444_400_123,
        expires_at=1_720_220_400,
        slot_ms=1,
        is_started=is_started,
    )


def done(job_id: str) -> ScanJob:
    return ScanJob("complete", f"jobs/{job_id}/results.json")


def test_the_ids_of_its_jobs_follow_from_its_own():
    ids = {new_job_id(CADENCE_ID, index) for index in range(64)}
    assert len(ids) == 64
    assert all(map(is_job_id, ids))
    assert new_job_id(CADENCE_ID, 5) in ids


def test_a_new_scan_is_an_ordinary_job_without_a_slot():
    cadence = a_cadence("on", "off")
    scan = cadence.scans[1]
    job, event = job_of_scan(cadence, scan), submitted_of_scan(cadence, scan)
    assert (job.job_id, job.file_key, job.filename, job.etag) == (scan.job_id, "uploads/u/1/s.fil", "s1.fil", '"0"')
    assert (job.cadence_id, job.slot_ms, job.expires_at, job.parameters) == (
        CADENCE_ID,
        None,
        cadence.expires_at,
        cadence.search,
    )
    assert decode(event.to_bytes()) == event
    assert (event.job_id, event.upload, event.limits) == (scan.job_id, scan.upload, cadence.limits)


def test_a_job_that_is_not_stored_was_deleted_unless_it_is_about_to_be_stored():
    started, starting = a_cadence("on", "off"), a_cadence("on", "off", is_started=False)
    there = replace(starting, scans=(replace(starting.scans[0], is_new=False),))
    assert status_of(started, started.scans[0], {}).status == "deleted"
    assert status_of(starting, starting.scans[0], {}).status == "submitted"
    assert status_of(there, there.scans[0], {}).status == "deleted"


@pytest.mark.parametrize("status", ["submitted", "processing"])
def test_it_waits_for_every_job(status):
    cadence = a_cadence("on", "off")
    first, second = (scan.job_id for scan in cadence.scans)
    assert ended_scans(cadence, {first: done(first), second: ScanJob(status)}) is None


def test_ended_scans_have_results_or_a_reason():
    cadence = a_cadence("on", None, "off")
    first, second, third = (scan.job_id for scan in cadence.scans)
    scans = ended_scans(cadence, {first: done(first), second: BROKEN, third: ScanJob("deleted")})
    assert scans is not None
    assert [(scan.role, scan.results_key, scan.failure, scan.failure_code) for scan in scans] == [
        ("on", f"jobs/{first}/results.json", None, None),
        (None, None, "The file is empty.", "bad_observation"),
        ("off", None, "The job of this scan was deleted.", "scan_deleted"),
    ]
    event = ready_event(cadence, scans)
    assert decode(event.to_bytes()) == event
    assert (event.scans, event.parameters, event.submitted_at.timestamp()) == (
        scans,
        cadence.parameters,
        1_712_444_400.123,
    )


@pytest.mark.parametrize(
    ("roles", "lost", "reason"),
    [
        (("on", "off", "on"), (2,), None),
        (("on", "off", "on"), (0,), None),
        ((None, None, None), (0,), None),
        (("off", "off", None), (0,), None),
        (("on", "off", "off"), (0,), "A cadence needs an ON scan with results, and no ON scan has them."),
        (("off", "off", None), (2,), "A cadence needs an ON scan with results, and no ON scan has them."),
        (("on", "off", "on"), (0, 2), "A cadence needs two scans with results, and 1 of its 3 scans has results."),
        (("on", "off"), (0, 1), "A cadence needs two scans with results, and 0 of its 2 scans have results."),
    ],
)
def test_it_needs_two_scans_and_one_that_may_be_on(roles, lost, reason):
    cadence = a_cadence(*roles)
    jobs = {scan.job_id: BROKEN if at in lost else done(scan.job_id) for at, scan in enumerate(cadence.scans)}
    failure = too_few(ended_scans(cadence, jobs))
    if reason is None:
        assert failure is None
        return
    named = " ".join(f"scan {at + 1} (s{at}.fil): The file is empty." for at in lost)
    assert failure == Failure("classify", "too_few_scans", f"{reason} Without results: {named}")


def test_the_sentence_about_64_scans_is_cut():
    cadence = a_cadence(*["on"] * 64)
    long = ScanJob("failed", failure=Failure("ingest", "bad_observation", "x" * MAX_SENTENCE))
    failure = too_few(ended_scans(cadence, {scan.job_id: long for scan in cadence.scans}))
    assert len(failure.message) == MAX_SENTENCE
