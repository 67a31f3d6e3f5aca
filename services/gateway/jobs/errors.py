"""Why a request about uploads and jobs is refused. `services.gateway.api.errors` turns each into an HTTP answer."""

from collections.abc import Sequence
from typing import Literal

from services.gateway.jobs.limits import Limit
from services.gateway.jobs.stored_upload import UploadLimit


class JobError(Exception):
    """Base of the errors of uploads and jobs."""


class UnknownJobError(JobError):
    """No job has this id, or the job was removed."""


class JobOfAnotherUserError(JobError):
    """The job belongs to a different user."""


class LimitReachedError(JobError):
    """A limit of the user's tier keeps the job from starting.

    `allowed` is how many jobs the limit allows, `files` how many jobs a cadence would start (None for a job), and
    `retry_after_s` is when a retry may succeed.
    """

    def __init__(self, limit: Limit, *, allowed: int, retry_after_s: int, files: int | None = None) -> None:
        super().__init__(f"{limit}: {allowed}")
        self.limit = limit
        self.allowed = allowed
        self.files = files
        self.retry_after_s = retry_after_s


class UnknownCadenceError(JobError):
    """No cadence has this id, or the cadence was removed."""


class CadenceOfAnotherUserError(JobError):
    """The cadence belongs to a different user."""


class UnknownHitError(JobError):
    """The job has no hit of this number; it has `count`."""

    def __init__(self, count: int) -> None:
        super().__init__(f"The job has {count} hits.")
        self.count = count


class UnknownEventError(JobError):
    """The cadence has no event of this number; it has `count`."""

    def __init__(self, count: int) -> None:
        super().__init__(f"The cadence has {count} events.")
        self.count = count


class TooManyVerdictsError(JobError):
    """A job or cadence has `limit` verdicts, as many as it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"It has {limit} verdicts.")
        self.limit = limit


class ScanError(JobError):
    """Scan `number` of a cadence (counted from 1) is refused; `cause` says why."""

    def __init__(self, number: int, cause: JobError) -> None:
        super().__init__(f"scan {number}: {cause}")
        self.number = number
        self.cause = cause


class ScanJobFailedError(JobError):
    """The job of a scan has failed; `reason` is its sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadCadenceError(JobError):
    """The scans do not make a cadence; `code` and `message` say why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class UploadLimitError(JobError):
    """A limit of the user's tier keeps an upload from starting: `open_limit` open ones, or `stored_mb` in all."""

    def __init__(self, limit: UploadLimit, open_limit: int, stored_mb: int) -> None:
        super().__init__(limit.value)
        self.limit = limit
        self.open_limit = open_limit
        self.stored_mb = stored_mb


class KeyReusedError(JobError):
    """The idempotency key was used with another request body before."""


class BadIdempotencyKeyError(JobError):
    """The idempotency key is empty, too long, or not printable ASCII."""


class BadPageError(JobError):
    """A parameter of a list request is not valid."""

    def __init__(self, parameter: Literal["limit", "status", "cursor", "q"]) -> None:
        super().__init__(f"The parameter {parameter} is not valid.")
        self.parameter = parameter


class UploadNotFoundError(JobError):
    """The file does not exist, or its key belongs to a different user."""


class UploadOfAnotherUserError(JobError):
    """The upload belongs to a different user."""


class UnknownExampleError(JobError):
    """No example observation has this name."""


class FileTooLargeError(JobError):
    """The file exceeds the `max_mb` of the user's tier."""

    def __init__(self, max_mb: int) -> None:
        super().__init__(f"The file is larger than {max_mb} MB.")
        self.max_mb = max_mb


class TooManyPartsError(JobError):
    """The file would have more parts than S3 accepts."""

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(f"{count} parts are more than {limit}.")
        self.count = count
        self.limit = limit


class MissingPartsError(JobError):
    """The list of uploaded parts does not name each of the `count` parts once."""

    def __init__(self, count: int) -> None:
        super().__init__(f"Not each of the {count} parts is named once.")
        self.count = count


class UploadRefusedError(JobError):
    """Storage refused to complete a multipart upload; `code` and `message` say why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class UnknownMultipartError(JobError):
    """Storage does not know the multipart upload; `message` says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UnknownFormatError(JobError):
    """The download format is none of `formats`."""

    def __init__(self, formats: Sequence[str]) -> None:
        super().__init__(f"The format is none of {', '.join(formats)}.")
        self.formats = formats


class FormatNotAvailableError(JobError):
    """The job has no file of this format, or not yet; `message` says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
