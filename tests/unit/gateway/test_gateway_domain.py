"""The gateway's rules."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain import (
    ApiKey,
    Failure,
    FileNameError,
    Job,
    Progress,
    allowed_from,
    clean_file_name,
    format_api_key,
    hash_api_key,
    is_api_key,
    owns_upload_key,
    part_count,
    quoted_etag,
    render_job,
    silence_s,
    upload_key,
)
from shared.events import Artefact, ResultsSummary, SearchParameters

UPLOAD = uuid.UUID("a1b2c3d4-e5f6-7890-abcd-ef1234567890")


@pytest.mark.parametrize(
    ("given_name", "cleaned"),
    [
        ("observation.fil", "observation.fil"),
        ("Voyager1.single_coarse.fine_res.H5", "Voyager1.single_coarse.fine_res.H5"),
        ("../../etc/passwd.fil", "passwd.fil"),
        ("C:\\data\\scan 1.fil", "scan_1.fil"),
        ("a\x00b\nc\u202e.fil", "a_b_c_.fil"),
        ("\ud800x.h5", "_x.h5"),
        ("GJ1002?a=b&c#d%2e.fil", "GJ1002_a_b_c_d_2e.fil"),
        ("Étoile_né.fil", "Étoile_né.fil"),
    ],
)
def test_file_names_are_cleaned_for_keys(given_name: str, cleaned: str) -> None:
    assert clean_file_name(given_name) == cleaned


@pytest.mark.parametrize(
    ("given_name", "code"),
    [
        ("observation.txt", "unsupported_file_type"),
        ("observation.fil/", "unsupported_file_type"),
        ("observation.fil.exe", "unsupported_file_type"),
        ("fil", "unsupported_file_type"),
        (".fil", "invalid_filename"),
        ("...h5", "invalid_filename"),
        ("x" * 252 + ".fil", "invalid_filename"),
        ("é" * 126 + ".fil", "invalid_filename"),
    ],
)
def test_other_file_names_are_refused(given_name: str, code: str) -> None:
    with pytest.raises(FileNameError) as caught:
        clean_file_name(given_name)
    assert caught.value.code == code


@given(st.text(max_size=80))
def test_a_cleaned_name_is_one_plain_part_of_a_path_and_stays_as_it_is(stem: str) -> None:
    try:
        cleaned = clean_file_name(stem + ".fil")
    except FileNameError:
        return
    assert "/" not in cleaned
    assert "\\" not in cleaned
    assert cleaned.isprintable()
    assert clean_file_name(cleaned) == cleaned
    assert owns_upload_key("user-1", upload_key("user-1", UPLOAD, cleaned))


@pytest.mark.parametrize(
    "key",
    [
        f"uploads/user-2/{UPLOAD}/x.fil",
        f"uploads/user-1/{UPLOAD}/../x.fil",
        f"uploads/user-1/{UPLOAD}/a/../../x.fil",
        f"uploads/user-1/../user-2/{UPLOAD}/x.fil",
        f"uploads/user-1/{UPLOAD}/x.txt",
        f"uploads/user-1/{str(UPLOAD).upper()}/x.fil",
        "uploads/user-1/../x.fil",
        f"/uploads/user-1/{UPLOAD}/x.fil",
        f"jobs/user-1/{UPLOAD}/x.fil",
        "",
    ],
)
def test_nobody_owns_a_key_that_was_not_made_for_them(key: str) -> None:
    assert not owns_upload_key("user-1", key)


@pytest.mark.parametrize(("size", "count"), [(1, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_parts_cover_the_file(size: int, count: int) -> None:
    assert part_count(size, 10) == count


@pytest.mark.parametrize("etag", ["abc-1", '"abc-1"'])
def test_etags_are_quoted_once(etag: str) -> None:
    assert quoted_etag(etag) == '"abc-1"'


def test_an_api_key_holds_256_bits_and_is_hashed_under_the_pepper() -> None:
    api_key = format_api_key(bytes(range(32)))
    assert api_key == "sk_live_" + bytes(range(32)).hex()
    assert is_api_key(api_key)
    assert not is_api_key(api_key + "0")
    assert not is_api_key(api_key.upper())
    assert hash_api_key(api_key, "pepper") != hash_api_key(api_key, "other pepper")
    assert hash_api_key(api_key, "pepper") == hash_api_key(api_key, "pepper")
    assert len(hash_api_key(api_key, "pepper")) == 64


def test_a_key_expires_at_its_time() -> None:
    key = ApiKey("3f8a1b2c", "u", "n", "h", "sk_live_a1b2", created_at=100, expires_at=200)
    assert not key.is_expired(199.9)
    assert key.is_expired(200)


def test_jobs_only_move_forward() -> None:
    assert allowed_from("submitted") == ()
    assert allowed_from("processing") == ("submitted",)
    assert set(allowed_from("complete")) == {"submitted", "processing"}
    assert set(allowed_from("failed")) == {"submitted", "processing"}


def test_progress_ranks_by_stage_then_by_what_is_done() -> None:
    ordered = [
        Progress("ingest", 0, 1),
        Progress("ingest", 1, 1),
        Progress("dedoppler", 0, 308),
        Progress("dedoppler", 307, 308),
        Progress("classify", 1, 1),
        Progress("export", 1, 1),
    ]
    ranks = [progress.rank for progress in ordered]
    assert ranks == sorted(set(ranks))


def test_the_silence_doubles_up_to_its_longest() -> None:
    assert [silence_s(n, 60.0, 300.0) for n in (1, 2, 3, 4, 5000)] == [60.0, 120.0, 240.0, 300.0, 300.0]


def a_job(**changes: object) -> Job:
    fields = {
        "job_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "user_id": "u",
        "file_key": "k",
        "filename": "Voyager1_trimmed.fil",
        "source_name": "Voyager1_trimmed",
        "file_size": 46137344,
        "submitted_ms": 1712444400123,
    }
    return Job(**{**fields, **changes})  # type: ignore[arg-type]


RESULTS = {
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
        }
    ],
}


def test_a_new_job_shows_only_what_is_known() -> None:
    assert render_job(a_job()) == {
        "job_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "status": "submitted",
        "source_name": "Voyager1_trimmed",
        "filename": "Voyager1_trimmed.fil",
        "file_size": 46137344,
        "created_at": 1712444400,
        "exports_ready": False,
    }


def test_a_complete_job_looks_as_documented() -> None:
    job = a_job(
        status="complete",
        completed_at=1712444430,
        results=ResultsSummary.model_validate(RESULTS),
        progress=Progress("export", 1, 1),
        artefacts=(Artefact(format="csv", key="k", filename="f", content_type="text/csv", size=1, sha256="0"),),
        parameters=SearchParameters(snr_threshold=12.5),
    )
    assert render_job(job) == {
        "job_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "status": "complete",
        "source_name": "Voyager1_trimmed",
        "filename": "Voyager1_trimmed.fil",
        "file_size": 46137344,
        "created_at": 1712444400,
        "completed_at": 1712444430,
        "results": RESULTS,
        "progress": {"stage": "export", "done": 1, "total": 1},
        "parameters": {"snr_threshold": 12.5, "max_drift_rate_hz_s": 4.0},
        "exports_ready": True,
    }


def test_a_failed_job_gives_a_sentence_and_where_it_stopped() -> None:
    body = render_job(a_job(status="failed", failure=Failure("ingest", "bad_observation", "x.fil is empty.")))
    assert body["error"] == "x.fil is empty."
    assert body["error_detail"] == {"code": "bad_observation", "stage": "ingest"}


def test_a_failed_export_leaves_the_job_complete() -> None:
    failure = Failure("export", "internal_error", "No plots.")
    assert failure.spares_results
    body = render_job(a_job(status="complete", export_failure=failure))
    assert "error" not in body
    assert body["error_detail"] == {"code": "internal_error", "stage": "export"}
