"""Uploads: where a client may PUT an observation, and what becomes of the parts."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from services.gateway.auth import USER
from services.gateway.bodies import MAX_PARTS, AbortUploadBody, CompleteUploadBody, UploadUrlBody, read_body
from services.gateway.domain import (
    FileNameError,
    clean_file_name,
    owns_upload_key,
    part_count,
    quoted_etag,
    upload_key,
)
from services.gateway.errors import ApiError
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


class UploadRoutes:
    """POST /upload-url, /complete-upload and /abort-upload."""

    def __init__(self, settings: Settings, uploads: UploadsBucket) -> None:
        self._settings = settings
        self._uploads = uploads

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
        if body.file_size is None or body.file_size <= self._settings.multipart_threshold_bytes:
            url = await self._uploads.presign_put(key, expires_s=expires_s)
            return web.json_response({"upload_url": url, "multipart": False, **common})
        return web.json_response({"multipart": True, **await self._multipart(key, body.file_size), **common})

    async def _multipart(self, key: str, size: int) -> dict[str, object]:
        part_size, expires_s = self._settings.part_size_bytes, self._settings.upload_expires_s
        count = part_count(size, part_size)
        if count > MAX_PARTS:
            raise ApiError(413, "file_too_large", f"The file has {count} parts; S3 takes at most {MAX_PARTS}.")
        upload_id = await self._uploads.create_multipart(key)
        parts = []
        for number in range(1, count + 1):
            url = await self._uploads.presign_part(key, upload_id, number, expires_s=expires_s)
            parts.append({"partNumber": number, "url": url})
            if number % SIGNED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return {"upload_id": upload_id, "parts": parts, "part_size": part_size}

    async def complete_upload(self, request: web.Request) -> web.Response:
        """POST /complete-upload: put the parts together."""
        body = await read_body(request, CompleteUploadBody)
        require_own_key(request, body.file_key)
        numbers = [part.part_number for part in body.parts]
        if len(set(numbers)) < len(numbers):
            raise ApiError(400, "invalid_field", "The field 'parts' names a partNumber twice.")
        parts = [UploadedPart(part.part_number, quoted_etag(part.etag)) for part in body.parts]
        try:
            await self._uploads.complete_multipart(body.file_key, body.upload_id, parts)
        except MultipartError as error:
            # A client whose first answer got lost asks again for what is done: nobody else can have made this key.
            if await self._uploads.size(body.file_key) is None:
                raise ApiError(400, error.code, error.message) from error
        return web.json_response({"message": "Upload complete", "file_key": body.file_key})

    async def abort_upload(self, request: web.Request) -> web.Response:
        """POST /abort-upload: forget the parts."""
        body = await read_body(request, AbortUploadBody)
        require_own_key(request, body.file_key)
        try:
            await self._uploads.abort_multipart(body.file_key, body.upload_id)
        except MultipartError as error:
            raise ApiError(404, "upload_not_found", error.message) from error
        return web.json_response({"message": "Upload aborted"})


def file_not_found() -> ApiError:
    return ApiError(404, "file_not_found", "The file was not found: upload it first, to the URL of POST /upload-url.")


def require_own_key(request: web.Request, key: str) -> None:
    """Another user's key is answered as one that is not there, so that nothing is told about it."""
    if not owns_upload_key(request[USER].user_id, key):
        raise file_not_found()


def require_size(size: int, tier: Tier) -> None:
    if size > tier.max_file_bytes:
        raise ApiError(413, "file_too_large", f"The file exceeds your tier's limit of {tier.max_file_mb} MB.")
