"""One bucket of objects."""

import string
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote

from shared.blobs.errors import MultipartError, RangeBeyondEndError, translated
from shared.blobs.stored import OpenMultipart, StoredObject, StoredPart, UploadedPart
from shared.content import Content
from shared.cors_rules import PageRule, with_rule
from shared.errors import ObjectChangedError, ObjectNotFoundError, PermanentError
from shared.range_requests import Range, RangeRequests, is_behind_proxy

# Bytes copied at a time when a stream is read into a buffer.
MAX_PART_BYTES = 256 * 1024
# A URL for ranges is used for a minute. It outlives the longest request, and clocks that differ by some minutes.
RANGE_URL_EXPIRES_S = 900
RANGE_URL_USED_S = 60.0
PLAIN_FILENAME = frozenset(string.ascii_letters + string.digits + "._- ")


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
        with translated(self.bucket):
            await self._client.head_bucket(Bucket=self.bucket)

    async def allow_pages(self, rule: PageRule) -> bool:
        """Let web pages use presigned URLs as the rule says. Return whether the bucket's rules had to be changed."""
        found: list[dict[str, Any]] = []
        with suppress(ObjectNotFoundError), translated(self.bucket):
            found = (await self._client.get_bucket_cors(Bucket=self.bucket)).get("CORSRules", [])
        rules = with_rule(found, rule)
        if rules == found:
            return False
        with translated(self.bucket):
            await self._client.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": rules})
        return True

    async def get(self, key: str) -> bytes:
        """Return a whole object; for objects that are known to be small."""
        with translated(key):
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
        with translated(key):
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
        with translated(key):
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
            with translated(key):
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
            with translated(key):
                return await self._client.get_object(Bucket=self.bucket, Key=key, Range=bounds, **condition)
        except RangeBeyondEndError:
            # A server that ignores the condition answers so for a shorter object in place of the one that was meant.
            _require_etag(key, await self._head(key), etag)
            return None

    async def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        """Write a whole object."""
        with translated(key):
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
        with translated(key):
            found: Mapping[str, Any] = await self._client.head_object(Bucket=self.bucket, Key=key)
        return found

    async def list_keys(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`, sorted."""
        keys: list[str] = []
        with translated(prefix):
            async for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                keys += [item["Key"] for item in page.get("Contents", [])]
        return sorted(keys)

    async def list_pages(self, prefix: str) -> AsyncIterator[list[StoredObject]]:
        """Yield the objects whose keys start with `prefix` in pages, since all of them may not fit into memory."""
        with translated(prefix):
            async for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                yield [
                    StoredObject(item["Key"], int(item["Size"]), item["LastModified"].timestamp())
                    for item in page.get("Contents", [])
                ]

    async def list_multiparts(self, prefix: str) -> list[OpenMultipart]:
        """Return the open multipart uploads whose keys start with `prefix`."""
        found: list[OpenMultipart] = []
        with translated(prefix):
            paginator = self._client.get_paginator("list_multipart_uploads")
            async for page in paginator.paginate(Bucket=self.bucket, Prefix=prefix):
                found += [
                    OpenMultipart(item["Key"], item["UploadId"], item["Initiated"].timestamp())
                    for item in page.get("Uploads", [])
                ]
        return found

    async def copy(self, source: str, key: str) -> None:
        """Copy an object of this bucket; the server does it.

        Raises
        ------
        ObjectNotFoundError
            There is no object at `source`.
        """
        with translated(source):
            await self._client.copy_object(
                Bucket=self.bucket, Key=key, CopySource={"Bucket": self.bucket, "Key": source}
            )

    async def delete(self, key: str) -> None:
        """Delete an object; do nothing if it does not exist."""
        with translated(key):
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
        with translated(key):
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
            with translated(key):
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
            with translated(key):
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
            with translated(key):
                await self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except PermanentError as error:
            raise MultipartError("The upload_id is not known for this file_key.") from error

    async def _presign(self, operation: str, parameters: dict[str, Any], expires_s: int) -> str:
        with translated(parameters["Key"]):
            return str(await self._presigner.generate_presigned_url(operation, Params=parameters, ExpiresIn=expires_s))
