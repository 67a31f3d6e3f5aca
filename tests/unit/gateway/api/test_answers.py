"""The JSON of answers, character by character: names, order, omitted fields and number formats."""

import json
from typing import Any

import pytest

from services.gateway.accounts.model import ApiKey
from services.gateway.api import answers
from services.gateway.api.routes.job_events import state_of
from services.gateway.jobs.model import Failure, Job, Progress
from shared.events import Artefact, ResultsSummary, SearchParameters
from shared.header import Header

RESULTS = ResultsSummary.model_validate(
    {
        "raw_hits": 543,
        "filtered_hits": 163,
        "candidates": 20,
        "processing_time_seconds": 28.4,
        "top_candidates": [
            {
                "frequency_hz": 1420405751.68,
                "drift_rate": 0.15,
                "snr": 14.2,
                "classification": "NARROWBAND_DRIFTING",
                "interestingness": 0.82,
                "rfi_source": "",
                "source": "matched_filter",
            },
            {
                "frequency_hz": 8.4e16,
                "drift_rate": -1e-12,
                "snr": 1e22,
                "classification": "RFI",
                "interestingness": 0.0,
                "rfi_source": "né",
                "source": "x",
            },
        ],
    }
)
EXPORTED = (Artefact(format="csv", key="k", filename="f", content_type="text/csv", size=1, sha256="0" * 64),)
CHOSEN = SearchParameters(snr_threshold=12.5)
EXPIRES = 1720220400
HEADER = Header(
    file_format="fil",
    n_spectra=16,
    n_channels=1048576,
    n_ifs=1,
    n_bits=32,
    fch1_mhz=8421.0,
    foff_mhz=-3e-06,
    tsamp_s=18.25,
    tstart_mjd=57650.5,
    source_name="<b>Voyager1",
    ra_hours=17.25,
    dec_deg=12.5,
    telescope_id=6,
)
WITHOUT_ORIGIN = HEADER.model_copy(
    update={"tstart_mjd": 0.0, "source_name": "", "ra_hours": None, "dec_deg": None, "telescope_id": 0}
)


def a_job(**changes: Any) -> Job:
    fields: dict[str, Any] = {
        "job_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "user_id": "u",
        "file_key": "k",
        "filename": "Voyager1_trimmed.fil",
        "source_name": 'Étoile "né" ☃ 1',
        "file_size": 46137344,
        "submitted_ms": 1712444400123,
    }
    return Job(**{**fields, **changes})


JOBS = {
    "submitted": a_job(),
    "processing": a_job(
        status="processing",
        progress=Progress("dedoppler", 3, 308),
        parameters=CHOSEN,
        expires_at=EXPIRES,
        slot_ms=5,
    ),
    "complete": a_job(
        status="complete",
        completed_at=1712444430,
        results=RESULTS,
        results_key="r",
        progress=Progress("export", 1, 1),
        artefacts=EXPORTED,
        parameters=CHOSEN,
        expires_at=EXPIRES,
    ),
    "complete_early_clock": a_job(
        status="complete", completed_at=1712444399, results=RESULTS, parameters=SearchParameters()
    ),
    "observed": a_job(status="complete", results=RESULTS, observation=HEADER),
    "observed_without_origin": a_job(status="complete", results=RESULTS, observation=WITHOUT_ORIGIN),
    "failed": a_job(
        status="failed", failure=Failure("ingest", "bad_observation", "x.fil is empty."), parameters=CHOSEN
    ),
    "export_failed": a_job(
        status="complete",
        completed_at=1712444430,
        results=RESULTS,
        export_failure=Failure("export", "internal_error", "No plots."),
    ),
}
HEAD = (
    '{"job_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "status": "STATUS", '
    r'"source_name": "\u00c9toile \"n\u00e9\" \u2603 1", '
    '"filename": "Voyager1_trimmed.fil", "file_size": 46137344, "created_at": 1712444400, '
)
CHOSEN_JSON = '"parameters": {"snr_threshold": 12.5, "max_drift_rate_hz_s": 4.0}'
RESULTS_JSON = (
    '"results": {"raw_hits": 543, "filtered_hits": 163, "candidates": 20, "processing_time_seconds": 28.4, '
    '"top_candidates": [{"frequency_hz": 1420405751.68, "drift_rate": 0.15, "snr": 14.2, '
    '"classification": "NARROWBAND_DRIFTING", "interestingness": 0.82, "rfi_source": "", "source": "matched_filter"}, '
    '{"frequency_hz": 8.4e+16, "drift_rate": -1e-12, "snr": 1e+22, "classification": "RFI", "interestingness": 0.0, '
    r'"rfi_source": "n\u00e9", "source": "x"}]}'
)
GRID_JSON = (
    '"observation": {"file_format": "fil", "n_channels": 1048576, "n_spectra": 16, "n_ifs": 1, "n_bits": 32, '
    '"first_channel_hz": 8421000000.0, "channel_width_hz": -3.0, "spectrum_s": 18.25'
)
EXPECTED = {
    "submitted": HEAD.replace("STATUS", "submitted") + '"exports_ready": false}',
    "processing": HEAD.replace("STATUS", "processing")
    + f'"exports_ready": false, {CHOSEN_JSON}, '
    + '"progress": {"stage": "dedoppler", "done": 3, "total": 308}, "expires_at": 1720220400}',
    "complete": HEAD.replace("STATUS", "complete")
    + f'"exports_ready": true, {CHOSEN_JSON}, "progress": {{"stage": "export", "done": 1, "total": 1}}, '
    + f'"completed_at": 1712444430, "expires_at": 1720220400, {RESULTS_JSON}}}',
    # The worker's clock was behind: a job is never shown as complete before it was accepted.
    "complete_early_clock": HEAD.replace("STATUS", "complete")
    + '"exports_ready": false, "parameters": {"snr_threshold": 10.0, "max_drift_rate_hz_s": 4.0}, '
    + f'"completed_at": 1712444400, {RESULTS_JSON}}}',
    "observed": HEAD.replace("STATUS", "complete")
    + f'"exports_ready": false, {GRID_JSON}, "start_mjd": 57650.5, "telescope": "GBT", '
    + rf'"source_name": "\u2039b\u203aVoyager1", "ra_hours": 17.25, "dec_deg": 12.5}}, {RESULTS_JSON}}}',
    # Writers that don't know these write 0 or nothing.
    "observed_without_origin": HEAD.replace("STATUS", "complete")
    + f'"exports_ready": false, {GRID_JSON}}}, {RESULTS_JSON}}}',
    "failed": HEAD.replace("STATUS", "failed")
    + f'"exports_ready": false, {CHOSEN_JSON}, "error": "x.fil is empty.", '
    + '"error_detail": {"code": "bad_observation", "stage": "ingest"}}',
    "export_failed": HEAD.replace("STATUS", "complete")
    + f'"exports_ready": false, "completed_at": 1712444430, {RESULTS_JSON}, '
    + '"error_detail": {"code": "internal_error", "stage": "export"}}',
}


@pytest.mark.parametrize("name", JOBS)
def test_the_json_of_a_job(name: str) -> None:
    response = answers.json_response(answers.Job.of(JOBS[name]))
    assert response.text == EXPECTED[name]
    assert (response.status, response.headers["Content-Type"]) == (200, "application/json; charset=utf-8")


def test_a_stream_shows_a_job_without_spaces_and_its_id_is_a_digest_of_it() -> None:
    event_id, event = state_of(JOBS["submitted"]).event()
    data = json.dumps(json.loads(EXPECTED["submitted"]), separators=(",", ":"))
    assert event.decode() == f"event: job\nid: {event_id}\ndata: {data}\n\n"
    assert event_id == "54333d0e033c2cb2"


@pytest.mark.parametrize(("classified_s", "shown_s"), [(30, 30), (0, 0), (-55, 0)])
def test_no_job_is_shown_as_complete_before_it_was_accepted(classified_s: int, shown_s: int) -> None:
    job = a_job(status="complete", completed_at=1712444400 + classified_s)
    body = answers.content_of(answers.Job.of(job))
    assert (body["created_at"], body["completed_at"]) == (1712444400, 1712444400 + shown_s)


PARTS = [answers.PartUrl(part_number=1, url="https://s3/1"), answers.PartUrl(part_number=2, url="https://s3/2")]
TIER = answers.TierDetails(files_per_month=500, max_file_mb=1024, price="$99 USD/mo", retention_days=90, api_keys=True)
KEY = ApiKey("3f8a1b2c", "u", "né", "hash", "sk_live_a1b2", 1712444400, 1720272000)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (answers.Health(version="0.3.0"), '{"status": "healthy", "version": "0.3.0"}'),
        (
            answers.SingleUpload(upload_url="https://s3/x", file_key="k", expires_in=3600, max_size_mb=1024),
            '{"upload_url": "https://s3/x", "multipart": false, "file_key": "k", "expires_in": 3600, '
            '"max_size_mb": 1024}',
        ),
        (
            answers.MultipartUpload(
                upload_id="i", parts=PARTS, part_size=10485760, file_key="k", expires_in=3600, max_size_mb=1024
            ),
            '{"multipart": true, "upload_id": "i", "parts": [{"partNumber": 1, "url": "https://s3/1"}, '
            '{"partNumber": 2, "url": "https://s3/2"}], "part_size": 10485760, "file_key": "k", "expires_in": 3600, '
            '"max_size_mb": 1024}',
        ),
        (answers.UploadComplete(file_key="k"), '{"message": "Upload complete", "file_key": "k"}'),
        (answers.UploadAborted(), '{"message": "Upload aborted"}'),
        (
            answers.JobAccepted(job_id="j", status_url="/jobs/j"),
            '{"job_id": "j", "status": "submitted", '
            '"message": "Processing started. Poll GET /jobs/{job_id} for status.", "status_url": "/jobs/j"}',
        ),
        (answers.JobDeleted(job_id="j"), '{"message": "Job deleted", "job_id": "j"}'),
        (
            answers.Download(download_url="https://s3/x", format="fits", filename="catalog.fits"),
            '{"download_url": "https://s3/x", "format": "fits", "filename": "catalog.fits"}',
        ),
        (
            answers.Usage(
                user_id="u",
                tier="researcher",
                usage_this_month=12,
                limit=500,
                remaining=488,
                tier_details=TIER,
                uploads=answers.UploadUsage(open=1, open_limit=10, stored_bytes=5, stored_bytes_limit=100),
            ),
            '{"user_id": "u", "tier": "researcher", "usage_this_month": 12, "limit": 500, "remaining": 488, '
            '"tier_details": {"files_per_month": 500, "max_file_mb": 1024, "price": "$99 USD/mo", '
            '"retention_days": 90, "api_keys": true}, '
            '"uploads": {"open": 1, "open_limit": 10, "stored_bytes": 5, "stored_bytes_limit": 100}}',
        ),
        (
            answers.NewApiKey(key_id="3f8a1b2c", api_key="sk_live_x", expires_at=1720272000, ttl_days=90),
            '{"key_id": "3f8a1b2c", "api_key": "sk_live_x", "expires_at": 1720272000, "ttl_days": 90, '
            '"warning": "Store this key securely. It will not be shown again."}',
        ),
        (
            answers.ApiKeys(keys=[answers.ApiKeyInfo.of(KEY, 1720272000)]),
            r'{"keys": [{"key_id": "3f8a1b2c", "name": "n\u00e9", "created_at": 1712444400, "expires_at": 1720272000, '
            '"active": true, "expired": true, "prefix": "sk_live_a1b2"}]}',
        ),
        (answers.KeyRevoked(key_id="3f8a1b2c"), '{"message": "API key revoked", "key_id": "3f8a1b2c"}'),
        (
            answers.ReportAccepted(report_id="rpt-1"),
            '{"report_id": "rpt-1", "message": "Report submitted. Thank you."}',
        ),
        (
            answers.Error(error=answers.ErrorInfo(code="not_found", message="No.")),
            '{"error": {"code": "not_found", "message": "No."}}',
        ),
        (
            answers.Error(error=answers.ErrorInfo(code="c", message="m", details={"b": None, "a": 1})),
            '{"error": {"code": "c", "message": "m", "details": {"b": null, "a": 1}}}',
        ),
    ],
)
def test_the_json_of_an_answer(answer: answers.Answer, text: str) -> None:
    assert answers.json_response(answer).text == text
