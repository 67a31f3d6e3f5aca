"""Errors of storage, and how those of the S3 client become them."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import ClientError as HttpClientError
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from shared.errors import ObjectChangedError, ObjectNotFoundError, PermanentError, TransientError

MISSING_CODES = {"404", "NoSuchKey", "NotFound"}
# A missing bucket counts as transient: it is created later.
TRANSIENT_CODES = {"NoSuchBucket", "SlowDown", "InternalError", "RequestTimeout"}


class MultipartError(PermanentError):
    """S3 refused to complete or abort a multipart upload."""

    code = "invalid_multipart_upload"


class RangeBeyondEndError(PermanentError):
    """A range begins at or after the end of its object."""

    code = "range_beyond_end"


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Translate errors of the S3 client into `WaterholeError`s."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in TRANSIENT_CODES or (status >= 500 and status != 501) or status == 429:
            raise TransientError(f"Storage could not serve {key!r}: {code}") from error
        if code in MISSING_CODES or status == 404:
            raise ObjectNotFoundError(f"The object {key!r} is not in storage.") from error
        if code == "PreconditionFailed" or status == 412:
            raise ObjectChangedError(f"The object {key!r} was replaced.") from error
        if code == "InvalidRange" or status == 416:
            raise RangeBeyondEndError(f"The object {key!r} ends before that range.") from error
        raise PermanentError(f"Storage refused {key!r}: {code}", code="storage_refused") from error
    except ParamValidationError as error:
        raise PermanentError(f"{key!r} is not a valid object key.", code="storage_refused") from error
    except (BotoCoreError, HttpClientError, OSError, TimeoutError) as error:
        raise TransientError(f"Storage is unavailable: {type(error).__name__}") from error
