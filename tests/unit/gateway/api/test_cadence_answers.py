"""A cadence as the API shows it: waiting, ready, complete, failed."""

from dataclasses import replace

from services.gateway.api.answers import content_of
from services.gateway.api.cadence_answers import CADENCE_EXAMPLE, Cadence
from services.gateway.jobs import cadence as cadences
from services.gateway.jobs.cadence import ClassifiedScan, Scan, ScanJob
from services.gateway.jobs.model import Failure, Progress
from shared.cadence import CadenceParameters, CadenceSummary
from shared.events import Artefact, JobLimits, SearchParameters, Upload

UPLOAD = Upload(
    file_key="uploads/u/1/s.fil",
    file_name="s.fil",
    file_size=5,
    source_name="HIP 39826",
    submitted_at="2024-04-07T00:00:00Z",
)
WAITING = cadences.Cadence(
    job_id="c-1",
    user_id="u",
    name="n",
    scans=(Scan("j-1", UPLOAD, "on", is_new=True), Scan("j-2", UPLOAD, None, is_new=False)),
    parameters=CadenceParameters(snr_threshold=12),
    search=SearchParameters(snr_threshold=12, ifs="all", pol_type="AABB"),
    limits=JobLimits(max_unpacked_bytes=5, max_processor_s=1),
    submitted_ms=1_712_444_400_123,
    expires_at=1_720_220_400,
    slot_ms=1,
    is_started=True,
)
JOBS = {"j-1": ScanJob("complete", "k"), "j-2": ScanJob("processing")}
ARTEFACT = Artefact(format="csv", key="k", filename="f", content_type="x", size=7, sha256="0" * 64)
COMPLETE = replace(
    WAITING,
    status="complete",
    is_ready=True,
    classified_scans=(ClassifiedScan("j-2", "off"), ClassifiedScan("j-1", "on")),
    completed_at=1_712_444_300,
    results=CadenceSummary(events=0, families=0, candidates=0, rejected=0, processing_time_seconds=0, top_events=()),
    results_key="k",
    progress=Progress("export", 1, 1),
)
ENDED = {**JOBS, "j-2": ScanJob("complete", "k")}


def shown(cadence, jobs):
    return content_of(Cadence.of(cadence, jobs))


def test_a_waiting_cadence_counts_its_ended_jobs():
    body = shown(WAITING, JOBS)
    assert body["progress"] == {"stage": "scans", "done": 1, "total": 2}
    scan = {"source_name": "HIP 39826", "filename": "s.fil"}
    assert body["scans"] == [
        {"job_id": "j-1", "status": "complete", **scan, "role": "on"},
        {"job_id": "j-2", "status": "processing", **scan},
    ]
    assert body["parameters"] == {
        "max_drift_change_hz_s2": 1e-4,
        "off_snr": 3.5,
        "snr_threshold": 12.0,
        "max_drift_rate_hz_s": 4.0,
        "ifs": "all",
        "pol_type": "AABB",
        "chirps": False,
    }
    assert "progress" not in shown(replace(WAITING, is_ready=True), ENDED)


def test_a_complete_cadence_has_its_scans_in_order_of_time_with_roles():
    body = shown(COMPLETE, ENDED)
    assert [(scan["job_id"], scan["role"]) for scan in body["scans"]] == [("j-2", "off"), ("j-1", "on")]
    # As for jobs: not before it was accepted, whatever the clocks say.
    assert (body["completed_at"], body["exports_ready"]) == (body["created_at"], False)
    assert shown(replace(COMPLETE, artefacts=(ARTEFACT,)), ENDED)["exports_ready"] is True


def test_scans_without_results_say_why():
    jobs = {"j-1": ScanJob("failed", failure=Failure("ingest", "bad_observation", "The file is empty."))}
    first, second = shown(WAITING, jobs)["scans"]
    assert (first["error"], first["error_code"]) == ("The file is empty.", "bad_observation")
    assert (second["status"], second["error"]) == ("deleted", "The job of this scan was deleted.")
    assert second["error_code"] == "scan_deleted"


def test_failures():
    failure = Failure("classify", "too_few_scans", "A sentence.")
    body = shown(replace(WAITING, status="failed", failure=failure), JOBS)
    assert (body["error"], body["error_detail"]) == ("A sentence.", {"code": "too_few_scans", "stage": "classify"})
    export = replace(COMPLETE, export_failure=Failure("export", "internal_error", "No plots."))
    body = shown(export, ENDED)
    assert ("error" in body, body["error_detail"]) == (False, {"code": "internal_error", "stage": "export"})
    assert "error_detail" not in shown(replace(export, artefacts=(ARTEFACT,)), ENDED)


def test_the_example_is_an_answer():
    assert content_of(Cadence.model_validate(CADENCE_EXAMPLE)) == CADENCE_EXAMPLE
