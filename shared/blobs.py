"""Objects in S3, where workers keep all their results.

Failures of the server raise `TransientError`; a missing object raises `ObjectNotFoundError`. A read that names an ETag
raises `ObjectChangedError` if the object has another one: it was replaced.
"""

import string
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import aioboto3
from aiohttp import ClientError as HttpClientError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from shared.content import Content
from shared.cors_rules import PageRule, with_rule
from shared.errors import ObjectChangedError, ObjectNotFoundError, PermanentError, TransientError
from shared.range_requests import Range, RangeRequests, is_behind_proxy
from shared.settings import ServiceSettings

MISSING_CODES = {"404", "NoSuchKey", "NotFound"}
# A missing bucket counts as transient: it is created later.
TRANSIENT_CODES = {"NoSuchBucket", "SlowDown", "InternalError", "RequestTimeout"}
# Bytes copied at a time when a stream is read into a buffer.
MAX_PART_BYTES = 256 * 1024
# A URL for ranges is used for a minute. It outlives the longest request, and clocks that differ by some minutes.
RANGE_URL_EXPIRES_S = 900
RANGE_URL_USED_S = 60.0
PLAIN_FILENAME = frozenset(string.ascii_letters + string.digits + "._- ")


class MultipartError(PermanentError):
    """S3 refused to complete or abort a multipart upload."""

    code = "invalid_multipart_upload"


class RangeBeyondEndError(PermanentError):
    """A range begins at or after the end of its object."""

    code = "range_beyond_end"


@dataclass(frozen=True)
class UploadedPart:
    """One part of a multipart upload, as the client reports it."""

    number: int
    etag: str


@dataclass(frozen=True)
class StoredPart:
    """One part of a multipart upload, as storage has it; `modified_s` is unix time."""

    number: int
    etag: str
    size: int
    modified_s: float


@dataclass(frozen=True)
class StoredObject:
    """An object in a listing; `modified_s` is unix time."""

    key: str
    size: int
    modified_s: float


@dataclass(frozen=True)
class OpenMultipart:
    """A multipart upload that is neither completed nor aborted; `initiated_s` is unix time."""

    key: str
    upload_id: str
    initiated_s: float


@contextmanager
def _translated(key: str) -> Iterator[None]:
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


def _attachment(filename: str) -> str:
    """Return the Content-Disposition (RFC 6266) with which browsers save a download as `filename`."""
    if PLAIN_FILENAME.issuperset(filename):
        return f'attachment; filename="{filename}"'
    return f"attachment; filename*=UTF-8''{quote(filename, safe='')}"


def _require_etag(key: str, response: Mapping[str, Any], etag: str | None) -> None:
    """Raise `ObjectChangedError` if a response is about an object with another ETag than `etag`.

    Not every server honours the condition of a request, so the answer is checked as well.
    """
    if etag is not None and response.get("ETag") != etag:
        raise ObjectChangedError(f"The object {key!r} was replaced.")


def _signed(length: int | None) -> dict[str, Any]:
    return {"ContentLength": length} if length is not None else {}


class _RangeUrl(NamedTuple):
    key: str
    url: str
    good_until_s: float


class Blobs:
    """The objects of one bucket."""

    def __init__(self, client: Any, presigner: Any, bucket: str, ranges: RangeRequests | None = None) -> None:
        """`ranges` reads ranges into memory; without it, the client does."""
        self._client = client
        self._presigner = presigner
        self.bucket = bucket
        self._ranges = ranges
        self._range_url: _RangeUrl | None = None

    async def check(self) -> None:
        """Raise unless the bucket answers."""
        with _translated(self.bucket):
            await self._client.head_bucket(Bucket=self.bucket)

    async def allow_pages(self, rule: PageRule) -> bool:
        """Let web pages use presigned URLs as the rule says. Return whether the bucket's rules had to be changed."""
        found: list[dict[str, Any]] = []
        with suppress(ObjectNotFoundError), _translated(self.bucket):
            found = (await self._client.get_bucket_cors(Bucket=self.bucket)).get("CORSRules", [])
        rules = with_rule(found, rule)
        if rules == found:
            return False
        with _translated(self.bucket):
            await self._client.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": rules})
        return True

    async def get(self, key: str) -> bytes:
        """Return a whole object; for objects that are known to be small."""
        with _translated(key):
            response = await self._client.get_object(Bucket=self.bucket, Key=key)
            async with response["Body"] as body:
                return bytes(await body.read())

    async def get_range(self, key: str, start: int, length: int, etag: str | None = None) -> bytes:
        """Return `length` bytes from byte `start`, or fewer if the object ends before.

        Raises
        ------
        ObjectChangedError
            The object has another ETag than `etag`.
        """
        if length <= 0:
            return b""
        with _translated(key):
            response = await self._get_range(key, start, length, etag)
            if response is None:
                return b""
            async with response["Body"] as body:
                _require_etag(key, response, etag)
                return bytes(await body.read())

    async def get_range_into(self, key: str, start: int, buffer: memoryview, etag: str | None = None) -> int:
        """Fill `buffer` from byte `start` without an intermediate copy of the whole range.

        Returns
        -------
        int
            Number of bytes read, fewer than `buffer` holds if the object ends before.

        Raises
        ------
        ObjectChangedError
            The object has another ETag than `etag`.
        """
        filled = 0
        if not len(buffer):
            return filled
        if self._ranges is not None:
            url = await self._url_for_ranges(key)
            if not is_behind_proxy(url) and await self._ranges.fill(Range(url, start, buffer, etag)):
                return len(buffer)
        with _translated(key):
            response = await self._get_range(key, start, len(buffer), etag)
            if response is None:
                return filled
            async with response["Body"] as _:
                _require_etag(key, response, etag)
                while part := await response["Body"].readinto(buffer[filled : filled + MAX_PART_BYTES]):
                    filled += part
        return filled

    async def _url_for_ranges(self, key: str) -> str:
        """Return a URL that gives any range of an object, signed by the client with the credentials of this moment."""
        known = self._range_url
        if known is None or known.key != key or known.good_until_s < time.monotonic():
            with _translated(key):
                url = await self._client.generate_presigned_url(
                    "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=RANGE_URL_EXPIRES_S
                )
            known = self._range_url = _RangeUrl(key, str(url), time.monotonic() + RANGE_URL_USED_S)
        return known.url

    async def _get_range(self, key: str, start: int, length: int, etag: str | None) -> Any:
        """Request a range and return the response; None if the object ends before it."""
        condition = {"IfMatch": etag} if etag is not None else {}
        bounds = f"bytes={start}-{start + length - 1}"
        try:
            with _translated(key):
                return await self._client.get_object(Bucket=self.bucket, Key=key, Range=bounds, **condition)
        except RangeBeyondEndError:
            # A server that ignores the condition answers so for a shorter object in place of the one that was meant.
            _require_etag(key, await self._head(key), etag)
            return None

    async def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        """Write a whole object."""
        with _translated(key):
            await self._client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)

    async def content(self, key: str) -> Content | None:
        """Return the size and ETag that an object has now, or None if it does not exist."""
        try:
            found = await self._head(key)
        except ObjectNotFoundError:
            return None
        return Content(int(found["ContentLength"]), found.get("ETag"))

    async def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None if it does not exist."""
        content = await self.content(key)
        return content.size if content is not None else None

    async def _head(self, key: str) -> Mapping[str, Any]:
        with _translated(key):
            found: Mapping[str, Any] = await self._client.head_object(Bucket=self.bucket, Key=key)
        return found

    async def list_keys(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`, sorted."""
        keys: list[str] = []
        with _translated(prefix):
            async for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                keys += [item["Key"] for item in page.get("Contents", [])]
        return sorted(keys)

    async def list_pages(self, prefix: str) -> AsyncIterator[list[StoredObject]]:
        """Yield the objects whose keys start with `prefix` in pages, since all of them may not fit into memory."""
        with _translated(prefix):
            async for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                yield [
                    StoredObject(item["Key"], int(item["Size"]), item["LastModified"].timestamp())
                    for item in page.get("Contents", [])
                ]

    async def list_multiparts(self, prefix: str) -> list[OpenMultipart]:
        """Return the open multipart uploads whose keys start with `prefix`."""
        found: list[OpenMultipart] = []
        with _translated(prefix):
            paginator = self._client.get_paginator("list_multipart_uploads")
            async for page in paginator.paginate(Bucket=self.bucket, Prefix=prefix):
                found += [
                    OpenMultipart(item["Key"], item["UploadId"], item["Initiated"].timestamp())
                    for item in page.get("Uploads", [])
                ]
        return found

    async def delete(self, key: str) -> None:
        """Delete an object; do nothing if it does not exist."""
        with _translated(key):
            await self._client.delete_object(Bucket=self.bucket, Key=key)

    async def presign_get(self, key: str, *, expires_s: int, filename: str | None = None) -> str:
        """Return a URL from which anyone can GET the object for `expires_s`; browsers save it as `filename`."""
        parameters = {"Bucket": self.bucket, "Key": key}
        if filename is not None:
            parameters["ResponseContentDisposition"] = _attachment(filename)
        return await self._presign("get_object", parameters, expires_s)

    async def presign_put(self, key: str, *, expires_s: int, length: int | None = None) -> str:
        """Return a URL to which anyone can PUT the object for `expires_s`; of exactly `length` bytes if that is given.

        The length is signed as the header Content-Length: S3 refuses another one as a wrong signature.
        """
        return await self._presign("put_object", {"Bucket": self.bucket, "Key": key, **_signed(length)}, expires_s)

    async def create_multipart(self, key: str) -> str:
        """Start a multipart upload and return its upload id."""
        with _translated(key):
            response = await self._client.create_multipart_upload(Bucket=self.bucket, Key=key)
        return str(response["UploadId"])

    async def presign_part(
        self, key: str, upload_id: str, part_number: int, *, expires_s: int, length: int | None = None
    ) -> str:
        """Return a URL to which anyone can PUT part `part_number` (from 1) for `expires_s`; `length` as for a PUT."""
        parameters = {"Bucket": self.bucket, "Key": key, "UploadId": upload_id, "PartNumber": part_number}
        return await self._presign("upload_part", parameters | _signed(length), expires_s)

    async def complete_multipart(self, key: str, upload_id: str, parts: Sequence[UploadedPart]) -> None:
        """Complete a multipart upload from its parts.

        Raises
        ------
        MultipartError
            The upload does not exist, or a part or ETag is wrong or missing.
        """
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in sorted(parts, key=lambda p: p.number)]
        try:
            with _translated(key):
                await self._client.complete_multipart_upload(
                    Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
                )
        except PermanentError as error:
            raise MultipartError("The upload_id, or one of the parts' numbers or ETags, is not known.") from error

    async def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        """Return the parts of an open multipart upload. Some servers list a part that was sent twice two times.

        Raises
        ------
        MultipartError
            The upload does not exist, or has been completed or aborted.
        """
        found: list[StoredPart] = []
        try:
            with _translated(key):
                pages = self._client.get_paginator("list_parts").paginate(
                    Bucket=self.bucket, Key=key, UploadId=upload_id
                )
                async for page in pages:
                    found += [
                        StoredPart(
                            int(item["PartNumber"]), item["ETag"], int(item["Size"]), item["LastModified"].timestamp()
                        )
                        for item in page.get("Parts", [])
                    ]
        except PermanentError as error:
            raise MultipartError("The upload_id is not known for this file_key.") from error
        return found

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Abort a multipart upload and delete its parts.

        Raises
        ------
        MultipartError
            The upload does not exist.
        """
        try:
            with _translated(key):
                await self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except PermanentError as error:
            raise MultipartError("The upload_id is not known for this file_key.") from error

    async def _presign(self, operation: str, parameters: dict[str, Any], expires_s: int) -> str:
        with _translated(parameters["Key"]):
            return str(await self._presigner.generate_presigned_url(operation, Params=parameters, ExpiresIn=expires_s))


@dataclass(frozen=True)
class Storage:
    """The two buckets."""

    uploads: Blobs
    results: Blobs

    async def check(self) -> None:
        """Raise unless both buckets answer."""
        await self.uploads.check()
        await self.results.check()


@asynccontextmanager
async def open_storage(settings: ServiceSettings) -> AsyncIterator[Storage]:
    """Connect to S3."""
    session = aioboto3.Session(
        aws_access_key_id=settings.s3_access_key.get_secret_value() if settings.s3_access_key else None,
        aws_secret_access_key=settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else None,
        region_name=settings.s3_region,
    )
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"} if settings.s3_endpoint else None,
        max_pool_connections=32,
        connect_timeout=5,
        read_timeout=60,
        retries={"max_attempts": 3, "mode": "standard"},
        # Servers other than Amazon S3 may not support the newer checksum headers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    public_endpoint = settings.s3_public_endpoint or settings.s3_endpoint
    async with (
        session.client("s3", endpoint_url=settings.s3_endpoint, config=config) as client,
        session.client("s3", endpoint_url=public_endpoint, config=config) as presigner,
    ):
        with closing(RangeRequests()) as ranges:
            yield Storage(
                uploads=Blobs(client, presigner, settings.uploads_bucket, ranges),
                results=Blobs(client, presigner, settings.results_bucket, ranges),
            )
