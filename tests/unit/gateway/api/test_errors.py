"""Every error of accounts, jobs and observations has an HTTP answer, defined in one place."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from services.gateway.accounts import errors as account_errors
from services.gateway.api import errors as api_errors
from services.gateway.api.errors import ANSWERS, answer_to
from services.gateway.api.oidc import InvalidTokenError
from services.gateway.api.upload_names import FileNameError
from services.gateway.jobs import errors as job_errors
from services.gateway.jobs.limits import Limit
from services.gateway.jobs.stored_upload import UploadLimit
from services.gateway.observations import errors as observation_errors
from shared.errors import ObjectNotFoundError, TransientError

BASES = {account_errors.AccountError, job_errors.JobError, observation_errors.ObservationError}


def errors_of(module: Any) -> Iterator[type[Exception]]:
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, Exception) and kind not in BASES and kind.__module__ == module.__name__:
            yield kind


def test_every_error_of_accounts_jobs_and_observations_has_an_answer() -> None:
    kinds = {*errors_of(account_errors), *errors_of(job_errors), *errors_of(observation_errors)}
    assert len(kinds) > 22
    assert set(ANSWERS) == kinds | {InvalidTokenError, FileNameError, TransientError}


@pytest.mark.parametrize(
    ("error", "status", "code", "part"),
    [
        (InvalidTokenError("The token has expired.", code="expired_token"), 403, "expired_token", "has expired"),
        (account_errors.KeyLimitError(10), 409, "too_many_api_keys", "10 API keys"),
        (account_errors.UnknownKeyError(), 404, "key_not_found", "No API key"),
        (account_errors.KeyOfAnotherUserError(), 403, "key_of_another_user", "different user"),
        (account_errors.KeysNotInTierError("free"), 403, "tier_upgrade_required", "tier free"),
        (FileNameError("The filename must end.", "unsupported_file_type"), 400, "unsupported_file_type", "must end"),
        (job_errors.UploadNotFoundError(), 404, "file_not_found", "upload it first"),
        (job_errors.FileTooLargeError(100), 413, "file_too_large", "100 MB"),
        (job_errors.TooManyPartsError(10_001, 10_000), 413, "file_too_large", "10001 parts"),
        (job_errors.MissingPartsError(7), 400, "invalid_parts", "1 to 7"),
        (job_errors.UploadRefusedError("invalid_multipart_upload", "No."), 400, "invalid_multipart_upload", "No."),
        (job_errors.UnknownMultipartError("No such upload."), 404, "upload_not_found", "No such upload."),
        (job_errors.UnknownJobError(), 404, "job_not_found", "No job"),
        (job_errors.JobOfAnotherUserError(), 403, "job_of_another_user", "different user"),
        (job_errors.UnknownCadenceError(), 404, "cadence_not_found", "No cadence"),
        (job_errors.CadenceOfAnotherUserError(), 403, "cadence_of_another_user", "different user"),
        (job_errors.UnknownHitError(543), 404, "hit_not_found", "0 to 542"),
        (job_errors.UnknownEventError(2), 404, "event_not_found", "1 to 2"),
        (job_errors.UnknownEventError(0), 404, "event_not_found", "none yet"),
        (job_errors.TooManyVerdictsError(10_000), 409, "too_many_verdicts", "10000 verdicts"),
        (job_errors.BadCadenceError("duplicate_scan", "Scans 1 and 2."), 400, "duplicate_scan", "Scans 1 and 2"),
        (job_errors.ScanError(3, job_errors.UnknownJobError()), 404, "job_not_found", "Scan 3: No job"),
        (job_errors.ScanError(1, job_errors.FileTooLargeError(9)), 413, "file_too_large", "Scan 1: The file exceeds"),
        (job_errors.ScanJobFailedError("It is empty."), 409, "scan_failed", "leave it out"),
        (job_errors.BadIdempotencyKeyError(), 400, "invalid_idempotency_key", "Idempotency-Key"),
        (job_errors.KeyReusedError(), 409, "idempotency_key_reused", "another request body"),
        (job_errors.BadPageError("limit"), 400, "invalid_limit", "from 1 to 100"),
        (job_errors.BadPageError("status"), 400, "invalid_status", "submitted, processing, complete, failed"),
        (job_errors.BadPageError("cursor"), 400, "invalid_cursor", "X-Next-Cursor"),
        (job_errors.UnknownFormatError(["json", "csv"]), 400, "invalid_format", "json, csv"),
        (job_errors.FormatNotAvailableError("Not yet."), 404, "format_not_available", "Not yet."),
    ],
)
def test_status_code_and_message(error: Exception, status: int, code: str, part: str) -> None:
    answer = answer_to(error)
    assert (answer.status, answer.code, answer.retry_after_s) == (status, code, None)
    assert part in answer.message
    assert answer.response().headers.get("Retry-After") is None


@pytest.mark.parametrize(
    ("limit", "part"), [(Limit.MONTHLY, "7 jobs of this month"), (Limit.CONCURRENT, "7 jobs running")]
)
def test_a_limit_says_when_to_retry(limit: Limit, part: str) -> None:
    answer = answer_to(job_errors.LimitReachedError(limit, allowed=7, retry_after_s=99))
    assert (answer.status, answer.code) == (429, limit.value)
    assert part in answer.message
    assert answer.response().headers["Retry-After"] == "99"


def test_a_cadence_says_how_many_files_it_has() -> None:
    monthly = job_errors.LimitReachedError(Limit.MONTHLY, allowed=10, retry_after_s=99, files=6)
    assert "6 new files, more than are left of your tier's 10 jobs" in answer_to(monthly).message
    places = job_errors.LimitReachedError(Limit.CONCURRENT, allowed=5, retry_after_s=30, files=6)
    assert "5 jobs running" in answer_to(places).message


@pytest.mark.parametrize(
    ("limit", "part", "retry_after"),
    [(UploadLimit.OPEN, "7 uploads open", "30"), (UploadLimit.STORED, "more than the 900 MB", "3600")],
)
def test_a_limit_of_uploads_says_what_to_do(limit: UploadLimit, part: str, retry_after: str) -> None:
    answer = answer_to(job_errors.UploadLimitError(limit, 7, 900))
    assert (answer.status, answer.code) == (429, limit.value)
    assert part in answer.message
    assert answer.response().headers["Retry-After"] == retry_after


def test_an_unavailable_server_says_only_when_to_retry() -> None:
    class NearError(TransientError):
        """A more specific error of this kind."""

    answer = answer_to(NearError("host 10.0.0.1 is down"))
    assert (answer.status, answer.code, answer.retry_after_s) == (503, "temporarily_unavailable", 5)
    assert "10.0.0.1" not in answer.message


async def test_any_other_error_is_a_bug() -> None:
    async def bug(_request: object) -> Any:
        raise ObjectNotFoundError("The object k is missing.")

    with capture_logs() as lines:
        response = await api_errors.errors_middleware(None, bug)
    assert response.status == 500
    assert [line["event"] for line in lines] == ["request failed"]


async def test_a_reset_connection_of_the_service_itself_is_a_bug() -> None:
    async def broken(_request: web.Request) -> web.Response:
        raise ConnectionResetError

    app = web.Application(middlewares=[api_errors.errors_middleware])
    app.router.add_get("/", broken)
    async with TestClient(TestServer(app)) as client, client.get("/") as response:
        assert response.status == 500
        assert (await response.json())["error"]["code"] == "internal_error"
