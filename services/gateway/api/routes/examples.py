"""Example observations: which there are, and a copy of one among the user's uploads."""

import asyncio
import uuid
from collections.abc import Callable

from aiohttp import web

from services.gateway.api import answers, example_answers
from services.gateway.api.auth import USER
from services.gateway.api.upload_names import clean_file_name, upload_key
from services.gateway.api.uploaded_files import require_size
from services.gateway.jobs.errors import UnknownExampleError
from services.gateway.jobs.ports import UploadRecords, UploadsBucket
from services.gateway.jobs.upload_record import UploadRecord
from services.gateway.jobs.upload_space import UploadSpace
from services.gateway.settings import Settings
from shared.errors import ObjectNotFoundError

PATH = "/examples"
ONE = "/examples/{name}"


class ExampleRoutes:
    """GET /examples and POST /examples/{name}."""

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
        return [web.get(PATH, self.list_examples), web.post(ONE, self.copy_example)]

    async def list_examples(self, _request: web.Request) -> web.Response:
        """GET /examples: the observations of the settings whose files are there."""
        examples = self._settings.examples
        sizes = await asyncio.gather(*(self._uploads.size(example.key) for example in examples))
        listed = [
            example_answers.Example(
                name=example.name, filename=example.filename, size=size, description=example.description
            )
            for example, size in zip(examples, sizes, strict=True)
            if size is not None
        ]
        return answers.json_response(example_answers.Examples(examples=listed))

    async def copy_example(self, request: web.Request) -> web.Response:
        """POST /examples/{name}: copy an example to a new upload, which counts as any other.

        Raises
        ------
        UnknownExampleError
            There is no example of this name.
        FileTooLargeError
            The file exceeds the tier's limit.
        UploadLimitError
            The user has too many uploads open, or they would take too many bytes.
        """
        user, name = request[USER], request.match_info["name"]
        example = next((one for one in self._settings.examples if one.name == name), None)
        size = await self._uploads.size(example.key) if example is not None else None
        if example is None or size is None:
            raise UnknownExampleError
        require_size(size, self._settings.tiers[user.tier])
        key = upload_key(user.user_id, uuid.uuid4(), clean_file_name(example.filename))
        async with self._space.taken(user, key, size, is_multipart=False):
            await self._records.add(UploadRecord(key, example.filename, None, self._now_ms(), size))
            try:
                await self._uploads.copy(example.key, key)
            except ObjectNotFoundError as error:
                # The copy is uncounted when it would be analyzed, or its place expires.
                raise UnknownExampleError from error
        copied = example_answers.ExampleCopied(file_key=key, filename=example.filename)
        return answers.json_response(copied, status=201)
