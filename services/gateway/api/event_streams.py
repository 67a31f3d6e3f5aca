"""Streams of server-sent events that show how a job or a cadence changes.

A stream shows the state that the job store holds. It reads it again as soon as this process has handled an event of the
job, and every few seconds as well, since another gateway may have handled one.
"""

import asyncio
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog
from aiohttp import web

from services.gateway.api import answers
from services.gateway.api.auth import USER, is_still_allowed
from services.gateway.api.errors import ApiError
from services.gateway.settings import Settings
from shared.errors import TransientError
from shared.events import Event

logger = structlog.get_logger(__name__)

LAST_EVENT_ID = "Last-Event-ID"
# How long a client waits before it reconnects, ms.
RETRY_MS = 3000
KEEP_ALIVE = b": keep-alive\n\n"
# A client that accepts no bytes for this long has disconnected.
WRITE_TIMEOUT_S = 10.0
RETRY_AFTER_S = 30

Handle = Callable[[Event], Awaitable[Sequence[Event]]]


class JobChanges:
    """Notifies the streams of a job when this process has handled one of its events."""

    def __init__(self) -> None:
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the process is shutting down."""
        return self._closed

    @contextmanager
    def watch(self, job_id: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set by each change of the job. The caller clears it."""
        changed = asyncio.Event()
        self._watchers[job_id].add(changed)
        try:
            yield changed
        finally:
            self._watchers[job_id].discard(changed)
            if not self._watchers[job_id]:
                del self._watchers[job_id]

    def notify(self, job_id: str) -> None:
        """Set the events of a job's watchers."""
        for changed in self._watchers.get(job_id, ()):
            changed.set()

    def after(self, handle: Handle) -> Handle:
        """Return a handler of worker events that calls `handle`, then notifies the watchers."""

        async def handle_and_notify(event: Event) -> Sequence[Event]:
            outputs = await handle(event)
            self.notify(event.job_id)
            return outputs

        return handle_and_notify

    async def close(self, _app: web.Application) -> None:
        """Notify all watchers for the last time, at shutdown."""
        self._closed = True
        for watchers in self._watchers.values():
            for changed in watchers:
                changed.set()


@dataclass(frozen=True)
class State:
    """What a stream shows at one time: the `name` of its events, an answer, and whether it is the last one."""

    name: str
    answer: answers.Answer
    is_last: bool

    def event(self) -> tuple[str, bytes]:
        """Return the id and text of the event. The id is a hash of the data, the same on every gateway."""
        data = json.dumps(answers.content_of(self.answer), separators=(",", ":"))
        event_id = hashlib.blake2b(data.encode(), digest_size=8).hexdigest()
        return event_id, f"event: {self.name}\nid: {event_id}\ndata: {data}\n\n".encode()


class StreamSlots:
    """How many streams each user has open at this gateway."""

    def __init__(self, per_user: int) -> None:
        self._per_user = per_user
        self._open: Counter[str] = Counter()

    @contextmanager
    def taken(self, user_id: str) -> Iterator[None]:
        """Count a stream that is open in the context.

        Raises
        ------
        ApiError
            429, the user has too many streams open.
        """
        if self._open[user_id] >= self._per_user:
            raise ApiError(
                429,
                "too_many_streams",
                f"You have {self._open[user_id]} event streams open; close one first.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]


def stream_response() -> web.StreamResponse:
    """Return the answer that a stream is written to."""
    response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    response.charset = "utf-8"
    return response


async def begin(request: web.Request, response: web.StreamResponse) -> None:
    """Send the headers, and when a client shall reconnect.

    Raises
    ------
    ConnectionError
        The client has disconnected.
    """
    await response.prepare(request)
    await write(request, response, f"retry: {RETRY_MS}\n\n".encode())


async def write(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    """Send bytes; close the connection of a client that accepts none.

    Raises
    ------
    ConnectionError
        The client has disconnected or has stopped reading.
    """
    try:
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await response.write(data)
    except TimeoutError as error:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("The client has stopped reading.") from error


# Reads the state again; None if there is nothing to show any more.
Read = Callable[[], Awaitable[State | None]]


class EventStreams:
    """The open streams of this gateway."""

    def __init__(self, settings: Settings, changes: JobChanges) -> None:
        self._settings = settings
        self._changes = changes
        self._slots = StreamSlots(settings.events_per_user)

    async def answer(self, request: web.Request, job_id: str, first: State, read: Read) -> web.StreamResponse:
        """Answer with the state now, and after each change until it is final.

        Parameters:
            request: The request.
            job_id: The job, or the cadence, whose events lead to changes.
            first: The state now.
            read: Reads it again.

        Raises
        ------
        ApiError
            429, the user has too many streams open.
        """
        seen = request.headers.get(LAST_EVENT_ID, "")
        if first.is_last and seen == first.event()[0]:
            # The only answer after which an EventSource does not reconnect.
            return web.Response(status=204)
        with self._slots.taken(request[USER].user_id), self._changes.watch(job_id) as changed:
            response = stream_response()
            # A client may disconnect at any time.
            with suppress(ConnectionError):
                await begin(request, response)
                await self._follow(request, response, first, read, changed)
            return response

    async def _follow(
        self, request: web.Request, response: web.StreamResponse, first: State, read: Read, changed: asyncio.Event
    ) -> None:
        clock = asyncio.get_running_loop().time
        written_s = began_s = clock()
        seen = request.headers.get(LAST_EVENT_ID, "")
        shown: State | None = first
        while shown is not None:
            event_id, text = shown.event()
            if event_id != seen:
                await write(request, response, text)
                seen, written_s = event_id, clock()
            elif clock() - written_s >= self._settings.events_keep_alive_s:
                await write(request, response, KEEP_ALIVE)
                written_s = clock()
            if shown.is_last or self._changes.closed or clock() - began_s >= self._settings.events_max_s:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), self._settings.events_poll_s)
            changed.clear()
            if request.transport is None or request.transport.is_closing() or not await is_still_allowed(request):
                return
            try:
                shown = await read()
            except TransientError as error:
                # The stream survives an outage, and shows the next change it can read.
                logger.warning("state not read for a stream", error=error.message)
