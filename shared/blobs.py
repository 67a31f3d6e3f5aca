"""Objects in S3: the only place that a worker's results live.

Keys are deterministic, so that doing the same work twice writes the same object. Failures of the server are
`TransientError`; an object that is not there is `ObjectNotFoundError`.
"""

import string
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aioboto3
from aiohttp import ClientError as HttpClientError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from shared.errors import ObjectNotFoundError, PermanentError, TransientError
from shared.settings import ServiceSettings

MISSING_CODES = {"404", "NoSuchKey", "NotFound"}
# A bucket that is missing is one that has yet to be made: no object's fault.
TRANSIENT_CODES = {"NoSuchBucket", "SlowDown", "InternalError", "RequestTimeout"}
# Of a stream that is read into a buffer: this much is copied at a time.
MAX_PART_BYTES = 256 * 1024
PLAIN_FILENAME = frozenset(string.ascii_letters + string.digits + "._- ")


class MultipartError(PermanentError):
    """S3 refused to put the parts of an upload together."""

    code = "invalid_multipart_upload"


class RangeBeyondEndError(PermanentError):
    """A range begins at or after the end of its object."""

    code = "range_beyond_end"


@dataclass(frozen=True)
class UploadedPart:
    """One part of a multipart upload as the client reports it."""

    number: int
    etag: str


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing tells of it; `modified_s` is unix time."""

    key: str
    size: int
    modified_s: float


@dataclass(frozen=True)
class OpenMultipart:
    """A multipart upload that was neither completed nor aborted yet; `initiated_s` is unix time."""

    key: str
    upload_id: str
    initiated_s: float


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """Turn the S3 client's errors into ours."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in TRANSIENT_CODES or status >= 500 or status == 429:
            raise TransientError(f"Storage could not serve {key!r}: {code}") from error
        if code in MISSING_CODES or status == 404:
            raise ObjectNotFoundError(f"The object {key!r} is not in storage.") from error
        if code == "InvalidRange" or status == 416:
            raise RangeBeyondEndError(f"The object {key!r} ends before that range.") from error
        raise PermanentError(f"Storage refused {key!r}: {code}", code="storage_refused") from error
    except ParamValidationError as error:
        raise PermanentError(f"No object can be named {key!r}.", code="storage_refused") from error
    except (BotoCoreError, HttpClientError, OSError, TimeoutError) as error:
        raise TransientError(f"Storage is out of reach: {type(error).__name__}") from error


def _attachment(filename: str) -> str:
    """Content-Disposition (RFC 6266) that has browsers save a download as `filename`."""
    if PLAIN_FILENAME.issuperset(filename):
        return f'attachment; filename="{filename}"'
    return f"attachment; filename*=UTF-8''{quote(filename, safe='')}"


class Blobs:
    """The objects of one bucket."""

    def __init__(self, client: Any, presigner: Any, bucket: str) -> None:
        self._client = client
        self._presigner = presigner
        self.bucket = bucket

    async def check(self) -> None:
        """Raise unless the bucket answers."""
        with _translated(self.bucket):
            await self._client.head_bucket(Bucket=self.bucket)

    async def get(self, key: str) -> bytes:
        """The whole object; only for objects that are known to be small."""
        with _translated(key):
            response = await self._client.get_object(Bucket=self.bucket, Key=key)
            async with response["Body"] as body:
                return bytes(await body.read())

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from byte `start`; fewer where the object ends."""
        if length <= 0:
            return b""
        try:
            with _translated(key):
                response = await self._client.get_object(
                    Bucket=self.bucket, Key=key, Range=f"bytes={start}-{start + length - 1}"
                )
                async with response["Body"] as body:
                    return bytes(await body.read())
        except RangeBeyondEndError:
            return b""

    async def get_range_into(self, key: str, start: int, buffer: memoryview) -> int:
        """Fill `buffer` (of bytes) from byte `start`, without a copy of it in between.

        Returns the number of bytes, fewer than `buffer` has where the object ends.
        """
        filled = 0
        if not len(buffer):
            return filled
        try:
            with _translated(key):
                response = await self._client.get_object(
                    Bucket=self.bucket, Key=key, Range=f"bytes={start}-{start + len(buffer) - 1}"
                )
                async with response["Body"] as _:
                    while part := await response["Body"].readinto(buffer[filled : filled + MAX_PART_BYTES]):
                        filled += part
        except RangeBeyondEndError:
            return 0
        return filled

    async def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        """Write an object, whole."""
        with _translated(key):
            await self._client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)

    async def size(self, key: str) -> int | None:
        """Bytes of an object, or None where there is none."""
        try:
            with _translated(key):
                return int((await self._client.head_object(Bucket=self.bucket, Key=key))["ContentLength"])
        except ObjectNotFoundError:
            return None

    async def list_keys(self, prefix: str) -> list[str]:
        """Sorted keys that start with `prefix`."""
        keys: list[str] = []
        with _translated(prefix):
            async for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                keys += [item["Key"] for item in page.get("Contents", [])]
        return sorted(keys)

    async def list_pages(self, prefix: str) -> AsyncIterator[list[StoredObject]]:
        """The objects whose keys start with `prefix`, a page at a time: there may be more than memory should hold."""
        with _translated(prefix):
            async for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                yield [
                    StoredObject(item["Key"], int(item["Size"]), item["LastModified"].timestamp())
                    for item in page.get("Contents", [])
                ]

    async def list_multiparts(self, prefix: str) -> list[OpenMultipart]:
        """The multipart uploads under way whose keys start with `prefix`."""
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
        """Remove an object; one that is not there is fine."""
        with _translated(key):
            await self._client.delete_object(Bucket=self.bucket, Key=key)

    async def presign_get(self, key: str, *, expires_s: int, filename: str | None = None) -> str:
        """A URL from which anybody can GET the object for `expires_s`; browsers save it as `filename`."""
        parameters = {"Bucket": self.bucket, "Key": key}
        if filename is not None:
            parameters["ResponseContentDisposition"] = _attachment(filename)
        return await self._presign("get_object", parameters, expires_s)

    async def presign_put(self, key: str, *, expires_s: int) -> str:
        """A URL to which the holder can PUT the object for `expires_s`."""
        return await self._presign("put_object", {"Bucket": self.bucket, "Key": key}, expires_s)

    async def create_multipart(self, key: str) -> str:
        """Start a multipart upload; returns its upload id."""
        with _translated(key):
            response = await self._client.create_multipart_upload(Bucket=self.bucket, Key=key)
        return str(response["UploadId"])

    async def presign_part(self, key: str, upload_id: str, part_number: int, *, expires_s: int) -> str:
        """A URL to which the holder can PUT part `part_number` (from 1)."""
        parameters = {"Bucket": self.bucket, "Key": key, "UploadId": upload_id, "PartNumber": part_number}
        return await self._presign("upload_part", parameters, expires_s)

    async def complete_multipart(self, key: str, upload_id: str, parts: Sequence[UploadedPart]) -> None:
        """Put the parts together.

        Raises:
            MultipartError: S3 knows no such upload, or a part or ETag is wrong or missing.
        """
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in sorted(parts, key=lambda p: p.number)]
        try:
            with _translated(key):
                await self._client.complete_multipart_upload(
                    Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
                )
        except PermanentError as error:
            raise MultipartError("The upload_id, or one of the parts' numbers or ETags, is not known.") from error

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Forget a multipart upload and its parts.

        Raises:
            MultipartError: S3 knows no such upload.
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
    """Connect to S3 as the settings say."""
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
        # Other servers than Amazon's need not know the newer checksum headers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    public_endpoint = settings.s3_public_endpoint or settings.s3_endpoint
    async with (
        session.client("s3", endpoint_url=settings.s3_endpoint, config=config) as client,
        session.client("s3", endpoint_url=public_endpoint, config=config) as presigner,
    ):
        yield Storage(
            uploads=Blobs(client, presigner, settings.uploads_bucket),
            results=Blobs(client, presigner, settings.results_bucket),
        )
