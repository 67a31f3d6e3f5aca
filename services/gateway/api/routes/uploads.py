"""Uploads: where a client may PUT an observation, and what becomes of the parts."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from aiohttp import web

from services.gateway.api.auth import USER
from services.gateway.api.bodies import MAX_PARTS, AbortUploadBody, CompleteUploadBody, UploadUrlBody, read_body
from services.gateway.api.errors import ApiError
from services.gateway.domain import (
    FileNameError,
    clean_file_name,
    owns_upload_key,
    part_count,
    quoted_etag,
    shown_file_name,
    upload_key,
)
from services.gateway.mongodb.uploads import UploadRecord
from services.gateway.settings import Settings, Tier
from shared.blobs import MultipartError, UploadedPart

# Signing is work for the processor alone: other requests get their turn after so many.
SIGNED_AT_ONCE = 50


class UploadsBucket(Protocol):
    """What the routes need of the uploads bucket (see `shared.blobs`)."""

    async def size(self, key: str) -> int | None: ...
    async def presign_put(self, key: str, *, expires_s: int) -> str: ...
    async def create_multipart(self, key: str) -> str: ...
    async def presign_part(self, key: str, upload_id: str, part_number: int, *, expires_s: int) -> str: ...
    async def complete_multipart(self, key: str, upload_id: str, parts: Sequence[UploadedPart]) -> None: ...
    async def abort_multipart(self, key: str, upload_id: str) -> None: ...
    async def delete(self, key: str) -> None: ...


class UploadRecords(Protocol):
    """What the routes need to remember of uploads."""

    async def add(self, record: UploadRecord) -> None:
        """Store a new record."""

    async def get(self, file_key: str) -> UploadRecord | None:
        """The record of an upload, or None."""


class UploadRoutes:
    """POST /upload-url, /complete-upload and /abort-upload."""

    def __init__(
        self, settings: Settings, uploads: UploadsBucket, records: UploadRecords, *, now_ms: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._uploads = uploads
        self._records = records
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """Method and path of each."""
        return [
            web.post("/upload-url", self.upload_url),
            web.post("/complete-upload", self.complete_upload),
            web.post("/abort-upload", self.abort_upload),
        ]

    async def upload_url(self, request: web.Request) -> web.Response:
        """POST /upload-url: where to PUT a file, whole or, above the threshold, in parts."""
        body = await read_body(request, UploadUrlBody)
        tier = self._settings.tiers[request[USER].tier]
        try:
            file_name = clean_file_name(body.filename)
        except FileNameError as error:
            raise ApiError(400, error.code, str(error)) from error
        if body.file_size is not None:
            require_size(body.file_size, tier)
        key = upload_key(request[USER].user_id, uuid.uuid4(), file_name)
        expires_s = self._settings.upload_expires_s
        common = {"file_key": key, "expires_in": expires_s, "max_size_mb": tier.max_file_mb}
        shown = shown_file_name(body.filename)
        if body.file_size is None or body.file_size <= self._settings.multipart_threshold_bytes:
            await self._records.add(UploadRecord(key, shown, None, self._now_ms()))
            url = await self._uploads.presign_put(key, expires_s=expires_s)
            return web.json_response({"upload_url": url, "multipart": False, **common})
        count = part_count(body.file_size, self._settings.part_size_bytes)
        if count > MAX_PARTS:
            raise ApiError(413, "file_too_large", f"The file has {count} parts; S3 takes at most {MAX_PARTS}.")
        await self._records.add(UploadRecord(key, shown, count, self._now_ms()))
        return web.json_response({"multipart": True, **await self._multipart(key, count), **common})

    async def _multipart(self, key: str, count: int) -> dict[str, object]:
        part_size, expires_s = self._settings.part_size_bytes, self._settings.upload_expires_s
        upload_id = await self._uploads.create_multipart(key)
        parts = []
        for number in range(1, count + 1):
            url = await self._uploads.presign_part(key, upload_id, number, expires_s=expires_s)
            parts.append({"partNumber": number, "url": url})
            if number % SIGNED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return {"upload_id": upload_id, "parts": parts, "part_size": part_size}

    async def complete_upload(self, request: web.Request) -> web.Response:
        """POST /complete-upload: put the parts together.

        Raises:
            ApiError: 400, a part is missing, named twice or not known; 404, the key is not the user's; 413, the parts
                make a file that is larger than was announced, and than the tier allows: it is removed.
        """
        body = await read_body(request, CompleteUploadBody)
        require_own_key(request, body.file_key)
        record = await self._records.get(body.file_key)
        require_all_parts(body, record.parts if record is not None else None)
        parts = [UploadedPart(part.part_number, quoted_etag(part.etag)) for part in body.parts]
        refusal: MultipartError | None = None
        try:
            await self._uploads.complete_multipart(body.file_key, body.upload_id, parts)
        except MultipartError as error:
            refusal = error
        size = await self._uploads.size(body.file_key)
        if size is None:
            raise not_put_together(refusal)
        # A client whose first answer got lost asks again for what is done: nobody else can have made this key.
        await self._require_real_size(request, body.file_key, size)
        return web.json_response({"message": "Upload complete", "file_key": body.file_key})

    async def _require_real_size(self, request: web.Request, key: str, size: int) -> None:
        try:
            require_size(size, self._settings.tiers[request[USER].tier])
        except ApiError:
            await self._uploads.delete(key)
            raise

    async def abort_upload(self, request: web.Request) -> web.Response:
        """POST /abort-upload: forget the parts."""
        body = await read_body(request, AbortUploadBody)
        require_own_key(request, body.file_key)
        try:
            await self._uploads.abort_multipart(body.file_key, body.upload_id)
        except MultipartError as error:
            raise ApiError(404, "upload_not_found", error.message) from error
        return web.json_response({"message": "Upload aborted"})


def require_all_parts(body: CompleteUploadBody, announced: int | None) -> None:
    """Refuse to put together a file with a hole, or one that ends early."""
    count = announced if announced is not None else len(body.parts)
    if sorted(part.part_number for part in body.parts) != list(range(1, count + 1)):
        raise ApiError(400, "invalid_parts", f"The field 'parts' must name each partNumber from 1 to {count} once.")


def not_put_together(refusal: MultipartError | None) -> ApiError:
    if refusal is None:
        return file_not_found()
    return ApiError(400, refusal.code, refusal.message)


def file_not_found() -> ApiError:
    return ApiError(404, "file_not_found", "The file was not found: upload it first, to the URL of POST /upload-url.")


def require_own_key(request: web.Request, key: str) -> None:
    """Another user's key is answered as one that is not there, so that nothing is told about it."""
    if not owns_upload_key(request[USER].user_id, key):
        raise file_not_found()


def require_size(size: int, tier: Tier) -> None:
    if size > tier.max_file_bytes:
        raise ApiError(413, "file_too_large", f"The file exceeds your tier's limit of {tier.max_file_mb} MB.")
