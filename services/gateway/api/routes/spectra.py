"""Samples of an observation itself, read from the uploaded file."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import NamedTuple, TypeVar

import structlog
from aiohttp import hdrs, web

from services.gateway.api.auth import USER
from services.gateway.api.channel_query import channels_of
from services.gateway.api.immutable import Immutable
from services.gateway.api.user_turns import UserTurns
from services.gateway.jobs.access import own_job
from services.gateway.jobs.errors import UnknownFormatError
from services.gateway.jobs.model import Job
from services.gateway.jobs.ports import JobStore
from services.gateway.observations.errors import ObservationError
from services.gateway.observations.headers import Headers
from services.gateway.observations.selection import Selection
from services.gateway.observations.sigproc_header import sigproc_header
from services.gateway.observations.spectra import Spectra
from services.gateway.observations.spectra_formats import CSV, FIL, RAW, SPECTRA_FORMATS, selection_for
from services.gateway.observations.spectra_table import spectra_table
from shared.errors import TransientError, WaterholeError

logger = structlog.get_logger(__name__)

PATH = "/jobs/{job_id}/spectra"
# The longest that a whole file takes.
FILE_S = 600.0
# Of one user at one gateway. Each file holds up to 9 MiB while its client is slow, and each table keeps a thread busy.
FILES_AT_ONCE = 4
TABLES_AT_ONCE = 2
BINARY = "application/octet-stream"

T = TypeVar("T")


class _Wanted(NamedTuple):
    """What a request asks for, once it is known to be allowed and possible."""

    job: Job
    form: str
    channels: range
    selection: Selection
    etag: str | None
    answer: Immutable


class SpectraRoutes:
    """GET /jobs/{job_id}/spectra."""

    def __init__(self, jobs: JobStore, headers: Headers, spectra: Spectra, *, part_s: float) -> None:
        """`part_s` limits what is done before the first byte, and how long a client may accept none."""
        self._jobs = jobs
        self._headers = headers
        self._spectra = spectra
        self._part_s = part_s
        self._files = UserTurns(FILES_AT_ONCE, wait_s=part_s)
        self._tables = UserTurns(TABLES_AT_ONCE, wait_s=part_s)

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get(PATH, self.get_spectra)]

    async def get_spectra(self, request: web.Request) -> web.StreamResponse:
        """GET /jobs/{job_id}/spectra: samples of some channels, as they are, as a SIGPROC file or as a table.

        A client may be slow to take a file, so the parts of the request have time limits, and not the whole.

        Raises
        ------
        UnknownFormatError
            `format` is not valid.
        BadChannelsError
            The channels are no range of the observation.
        RangeTooLargeError
            The answer would be too large.
        SpectraNotReadableError
            The file is not one of which some channels can be read.
        ObservationGoneError
            The file was removed or replaced.
        ApiError
            429, the user reads too many files or tables at a time.
        """
        wanted = await self._in_time(self._wanted(request))
        if wanted.answer.is_known:
            return wanted.answer.not_modified()
        user_id = request[USER].user_id
        if wanted.form == FIL:
            async with self._files.taken(user_id):
                return await self._streamed(request, wanted)
        if wanted.form == CSV:
            async with self._tables.taken(user_id):
                return await self._in_time(self._in_memory(wanted))
        return await self._in_time(self._in_memory(wanted))

    async def _wanted(self, request: web.Request) -> _Wanted:
        job = await own_job(self._jobs, request.match_info["job_id"], request[USER].user_id)
        form = request.query.get("format", RAW)
        if form not in SPECTRA_FORMATS:
            raise UnknownFormatError(SPECTRA_FORMATS)
        header = await self._headers.find(job)
        channels = channels_of(request.query, header.n_channels)
        selection = selection_for(header, channels, form)
        etag = await self._spectra.etag(job)
        return _Wanted(job, form, channels, selection, etag, Immutable(request, job.job_id, etag))

    def _pieces(self, wanted: _Wanted) -> AbstractAsyncContextManager[AsyncGenerator[bytes, None]]:
        return aclosing(self._spectra.read(wanted.job, wanted.etag, wanted.selection))

    async def _in_memory(self, wanted: _Wanted) -> web.Response:
        async with self._pieces(wanted) as pieces:
            raw = b"".join([piece async for piece in pieces])
        if wanted.form == RAW:
            return await wanted.answer.response(raw, BINARY, _headers(wanted.selection))
        table = await asyncio.to_thread(spectra_table, wanted.selection, raw, wanted.channels)
        headers: dict[str, str] = {hdrs.CONTENT_DISPOSITION: _attachment(wanted.channels, CSV)}
        return await wanted.answer.response(table.encode(), "text/csv", headers)

    async def _streamed(self, request: web.Request, wanted: _Wanted) -> web.StreamResponse:
        selection, head = wanted.selection, sigproc_header(wanted.selection)
        chosen = range(selection.start, selection.stop)
        headers = _headers(selection) | {hdrs.CONTENT_DISPOSITION: _attachment(chosen, FIL)}
        response = web.StreamResponse(headers=headers)
        response.content_type = BINARY
        response.content_length = len(head) + selection.n_bytes
        wanted.answer.describe(response)
        async with self._pieces(wanted) as pieces:
            # What is wrong at once is answered as an error.
            first = await self._in_time(anext(pieces))
            await response.prepare(request)
            if request.method == hdrs.METH_HEAD:
                return response
            try:
                async with asyncio.timeout(FILE_S):
                    await self._write(response, head + first)
                    async for piece in pieces:
                        await self._write(response, piece)
            except ConnectionError:
                logger.info("client disconnected")
            except (ObservationError, WaterholeError, TimeoutError) as error:
                # The client sees by the length that the file is not whole.
                logger.warning("spectra not sent completely", error=str(error) or type(error).__name__)
                if request.transport is not None:
                    request.transport.abort()
        return response

    async def _in_time(self, work: Awaitable[T]) -> T:
        """Await a part of an answer that does not depend on the client's speed.

        Raises
        ------
        TransientError
            It took too long.
        """
        try:
            async with asyncio.timeout(self._part_s) as timer:
                return await work
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise TransientError(f"The spectra were not read within {self._part_s:g} s.") from error

    async def _write(self, response: web.StreamResponse, piece: bytes) -> None:
        async with asyncio.timeout(self._part_s):
            await response.write(piece)


def _headers(selection: Selection) -> dict[str, str]:
    """Return the headers that say how samples are stored, and of which channels."""
    header = selection.header
    return {
        "X-Sample-Bits": str(header.n_bits),
        "X-Sample-Signed": "1" if header.signed else "0",
        "X-Ifs": str(header.n_ifs),
        "X-Spectra": str(header.n_spectra),
        "X-Start-Channel": str(selection.start),
        "X-Stop-Channel": str(selection.stop),
    }


def _attachment(channels: range, suffix: str) -> str:
    return f'attachment; filename="channels_{channels.start}_{channels.stop}.{suffix}"'
