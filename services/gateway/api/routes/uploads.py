"""Uploads: presigned URLs for an observation, and the completion or abort of a multipart upload."""

import uuid
from collections.abc import Callable, Sequence

from aiohttp import web

from services.gateway.api import answers
from services.gateway.api.auth import USER
from services.gateway.api.bodies import (
    MAX_PARTS,
    AbortUploadBody,
    CompleteUploadBody,
    UploadUrlBody,
    read_body,
    read_object,
    validated,
)
from services.gateway.api.rate_limits import give_back
from services.gateway.api.upload_bodies import ResumeUploadBody, kind_of
from services.gateway.api.upload_names import (
    clean_file_name,
    is_upload_key_of_another_user,
    part_count,
    quoted_etag,
    shown_file_name,
    upload_key,
)
from services.gateway.api.upload_parts import PartPlan, chosen, part_urls
from services.gateway.api.uploaded_files import require_own_key, require_size, require_stored_size
from services.gateway.jobs.errors import (
    JobError,
    MissingPartsError,
    TooManyPartsError,
    UnknownMultipartError,
    UploadNotFoundError,
    UploadOfAnotherUserError,
    UploadRefusedError,
)
from services.gateway.jobs.ports import UploadRecords, UploadsBucket
from services.gateway.jobs.upload_record import UploadRecord
from services.gateway.jobs.upload_space import UploadSpace
from services.gateway.settings import Settings, Tier
from shared.blobs import MultipartError, UploadedPart

NOT_KNOWN = "The upload_id is not known for this file_key."
# A client that continues an upload asks for so many URLs at a time without being counted as one that begins an upload.
FREE_URLS = 100


class UploadRoutes:
    """POST /upload-url, /complete-upload and /abort-upload."""

    def __init__(
        self,
        settings: Settings,
        uploads: UploadsBucket,
        records: UploadRecords,
        space: UploadSpace,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._uploads = uploads
        self._records = records
        self._space = space
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/upload-url", self.upload_url),
            web.post("/complete-upload", self.complete_upload),
            web.post("/abort-upload", self.abort_upload),
        ]

    async def upload_url(self, request: web.Request) -> web.Response:
        """POST /upload-url: presigned URLs for a file in one piece or, above the threshold, in parts.

        With the key and id of a multipart upload: URLs for the parts that are missing.

        Raises
        ------
        FileNameError
            The file name cannot be used.
        FileTooLargeError
            The file exceeds the tier's limit.
        TooManyPartsError
            The file would have more parts than S3 accepts.
        UploadLimitError
            The user has too many uploads open, or they would take too many bytes.
        UploadOfAnotherUserError
            The upload to continue is another user's.
        UploadNotFoundError
            The file_key is none of an upload.
        UnknownMultipartError
            The upload to continue is not known, or has ended.
        """
        content = await read_object(request)
        body = validated(content, kind_of(content))
        if isinstance(body, ResumeUploadBody):
            return await self._resume(request, body)
        return await self._begin(request, body)

    async def _begin(self, request: web.Request, body: UploadUrlBody) -> web.Response:
        tier = self._settings.tiers[request[USER].tier]
        file_name = clean_file_name(body.filename)
        if body.file_size is not None:
            require_size(body.file_size, tier)
        key = upload_key(request[USER].user_id, uuid.uuid4(), file_name)
        shown = shown_file_name(body.filename)
        size = body.file_size
        if size is None or size <= self._settings.multipart_threshold_bytes:
            async with self._space.taken(request[USER], key, size, is_multipart=False):
                await self._records.add(UploadRecord(key, shown, None, self._now_ms(), size))
                return answers.json_response(await self._single(key, size, tier))
        part_size = self._settings.part_size_bytes
        plan = PartPlan(part_count(size, part_size), part_size, size)
        if plan.count > MAX_PARTS:
            raise TooManyPartsError(plan.count, MAX_PARTS)
        async with self._space.taken(request[USER], key, size, is_multipart=True):
            await self._records.add(UploadRecord(key, shown, plan.count, self._now_ms(), size, part_size))
            upload_id = await self._uploads.create_multipart(key)
            numbers = chosen(plan, body.part_numbers)
            return answers.json_response(await self._multipart(key, upload_id, plan, numbers, tier))

    async def _resume(self, request: web.Request, body: ResumeUploadBody) -> web.Response:
        user, key = request[USER], body.file_key
        if is_upload_key_of_another_user(user.user_id, key):
            raise UploadOfAnotherUserError
        require_own_key(user, key)
        record = await self._records.get(key)
        if record is None or record.parts is None:
            raise UnknownMultipartError(NOT_KNOWN)
        try:
            listed = await self._uploads.list_parts(key, body.upload_id)
        except MultipartError as error:
            raise UnknownMultipartError(error.message) from error
        plan = PartPlan(record.parts, record.part_size or self._settings.part_size_bytes, record.size)
        stored = plan.stored(listed)
        numbers = chosen(plan, body.part_numbers, stored)
        if len(numbers) <= FREE_URLS:
            give_back(request)
        # The URLs are valid from now on, so the upload is open, and is kept, as long as a new one.
        await self._records.renew(key, self._now_ms())
        await self._space.renew(user, key, record.size)
        uploaded = [answers.UploadedPart(part_number=one.number, etag=one.etag, size=one.size) for one in stored]
        tier = self._settings.tiers[user.tier]
        return answers.json_response(await self._multipart(key, body.upload_id, plan, numbers, tier, uploaded))

    async def _single(self, key: str, size: int | None, tier: Tier) -> answers.SingleUpload:
        expires_s = self._settings.upload_expires_s
        url = await self._uploads.presign_put(key, expires_s=expires_s, length=size)
        return answers.SingleUpload(upload_url=url, file_key=key, expires_in=expires_s, max_size_mb=tier.max_file_mb)

    async def _multipart(
        self,
        key: str,
        upload_id: str,
        plan: PartPlan,
        numbers: Sequence[int],
        tier: Tier,
        uploaded: list[answers.UploadedPart] | None = None,
    ) -> answers.MultipartUpload:
        expires_s = self._settings.upload_expires_s
        parts = await part_urls(self._uploads, key, upload_id, plan, numbers=numbers, expires_s=expires_s)
        return answers.MultipartUpload(
            upload_id=upload_id,
            parts=parts,
            uploaded=uploaded,
            part_size=plan.part_size,
            file_key=key,
            expires_in=expires_s,
            max_size_mb=tier.max_file_mb,
        )

    async def complete_upload(self, request: web.Request) -> web.Response:
        """POST /complete-upload: combine the parts into one file.

        Raises
        ------
        MissingPartsError
            A part is missing or named twice.
        UploadRefusedError
            Storage does not accept the parts.
        UploadNotFoundError
            The key does not exist or is another user's.
        FileTooLargeError
            The file is larger than announced and than the tier allows; it is deleted.
        """
        body = await read_body(request, CompleteUploadBody)
        user = request[USER]
        require_own_key(user, body.file_key)
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
            raise _not_completed(refusal)
        # The file exists, so a refusal means that a client retries after a lost answer: only it knows this key.
        await require_stored_size(self._uploads, body.file_key, size, self._settings.tiers[user.tier])
        return answers.json_response(answers.UploadComplete(file_key=body.file_key))

    async def abort_upload(self, request: web.Request) -> web.Response:
        """POST /abort-upload: delete the parts.

        Raises
        ------
        UploadNotFoundError
            The key is another user's.
        UnknownMultipartError
            Storage does not know the upload.
        """
        body = await read_body(request, AbortUploadBody)
        require_own_key(request[USER], body.file_key)
        try:
            await self._uploads.abort_multipart(body.file_key, body.upload_id)
        except MultipartError as error:
            raise UnknownMultipartError(error.message) from error
        await self._space.release(request[USER].user_id, body.file_key)
        return answers.json_response(answers.UploadAborted())


def require_all_parts(body: CompleteUploadBody, announced: int | None) -> None:
    """Raise `MissingPartsError` unless the body names each announced part once."""
    count = announced if announced is not None else len(body.parts)
    if sorted(part.part_number for part in body.parts) != list(range(1, count + 1)):
        raise MissingPartsError(count)


def _not_completed(refusal: MultipartError | None) -> JobError:
    if refusal is None:
        return UploadNotFoundError()
    return UploadRefusedError(refusal.code, refusal.message)
