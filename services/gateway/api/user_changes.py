"""What has changed among the jobs and cadences of the users who have a stream open.

The database is the only thing that gateways share, so each of them asks it for the changes since the last time: one
small query every half a second, whatever the number of streams, and none while no stream is open. A query looks back
further than the last one, because a change that got its time first may be visible later. What was told already is
known by its revision.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import structlog
from aiohttp import web

from services.gateway.api import answers
from services.gateway.api.cadence_answers import Cadence as ShownCadence
from services.gateway.jobs.change import Change
from services.gateway.jobs.ports import CadenceStore, Changes, JobStore
from services.gateway.settings import Settings
from shared.errors import TransientError

logger = structlog.get_logger(__name__)

# Far longer than a change takes from its time to its visibility, and than the clocks of two database servers differ.
OVERLAP_MS = 5000
# Jobs read in one query.
READ_AT_ONCE = 100


def event_text(name: str, content: object) -> bytes:
    """Return a server-sent event."""
    return f"event: {name}\ndata: {json.dumps(content, separators=(',', ':'))}\n\n".encode()


class Watcher:
    """One stream: the events that it has not sent yet, the last one of each job and cadence.

    So a client that reads slowly costs no more memory than its user's list.
    """

    def __init__(self, is_gone: Callable[[], bool]) -> None:
        self.is_gone = is_gone
        self.changed = asyncio.Event()
        self._waiting: dict[str, bytes] = {}

    def put(self, job_id: str, text: bytes) -> None:
        """Add an event; it replaces an older one of the same job or cadence."""
        self._waiting.pop(job_id, None)
        self._waiting[job_id] = text
        self.changed.set()

    def take(self) -> bytes:
        """Return all events that wait, in order, and forget them."""
        texts = b"".join(self._waiting.values())
        self._waiting.clear()
        self.changed.clear()
        return texts


class UserChanges:
    """Tells the streams of each user what has changed."""

    def __init__(
        self,
        settings: Settings,
        *,
        changes: Changes,
        jobs: JobStore,
        cadences: CadenceStore,
        now_ms: Callable[[], int],
    ) -> None:
        """`now_ms` is the time by the database's clock."""
        self._poll_s = settings.changes_poll_s
        self._changes = changes
        self._jobs = jobs
        self._cadences = cadences
        self._now_ms = now_ms
        self._watchers: defaultdict[str, set[Watcher]] = defaultdict(set)
        # The last change that was told, or needed not to be, of all that the next query may find again.
        self._known: dict[str, Change] = {}
        self._read_ms = 0
        self.closed = False

    @contextmanager
    def watch(self, user_id: str, is_gone: Callable[[], bool]) -> Iterator[Watcher]:
        """Yield a watcher that gets every change made from now on.

        Parameters:
            user_id: Whose changes.
            is_gone: Whether the client has disconnected; then the watcher is told that something has changed.
        """
        if not self._watchers:
            self._read_ms = self._now_ms()
        watcher = Watcher(is_gone)
        self._watchers[user_id].add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[user_id].discard(watcher)
            if not self._watchers[user_id]:
                del self._watchers[user_id]

    async def run(self, stop: asyncio.Event) -> None:
        """Tell changes until `stop` is set."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._poll_s)
                return
            if self._watchers:
                try:
                    await self.poll()
                except TransientError as error:
                    # The next query looks back as far as this one did.
                    logger.warning("changes not read for streams", error=error.message)

    async def close(self, _app: web.Application) -> None:
        """End all streams, at shutdown."""
        self.closed = True
        for watcher in self._all():
            watcher.changed.set()

    async def poll(self) -> None:
        """Tell what has changed since the last time.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        for watcher in self._all():
            if watcher.is_gone():
                watcher.changed.set()
        began_ms = self._now_ms()
        found = await self._changes.since(self._read_ms - OVERLAP_MS)
        new = [one for one in found if self._is_new(one) and one.user_id in self._watchers]
        if new:
            await self._tell(new)
        self._known = {one.job_id: one for one in found}
        self._read_ms = began_ms

    def _all(self) -> list[Watcher]:
        return [watcher for watchers in self._watchers.values() for watcher in watchers]

    def _is_new(self, change: Change) -> bool:
        known = self._known.get(change.job_id)
        return known is None or known.revision != change.revision

    async def _tell(self, new: Sequence[Change]) -> None:
        changed = [one for one in new if not one.is_removed]
        jobs = [one.job_id for one in changed if not one.is_cadence]
        cadences = {one.job_id for one in changed if one.is_cadence} | await self._cadences_of(new)
        for one in new:
            if one.is_removed:
                content = {"kind": "cadence" if one.is_cadence else "job", "id": one.job_id}
                self._put(one.user_id, one.job_id, event_text("removed", content))
        # What is removed meanwhile is not found, and is told next time.
        for some in _some(jobs):
            for job in await self._jobs.some(some):
                self._put(job.user_id, job.job_id, event_text("job", answers.content_of(answers.Job.of(job))))
        for some in _some(sorted(cadences)):
            await self._tell_cadences(some)

    async def _tell_cadences(self, cadence_ids: Sequence[str]) -> None:
        found = await self._cadences.some(cadence_ids)
        jobs = await self._cadences.scan_jobs(sorted({scan.job_id for one in found for scan in one.scans}))
        for one in found:
            content = answers.content_of(ShownCadence.of(one, jobs))
            self._put(one.user_id, one.job_id, event_text("cadence", content))

    async def _cadences_of(self, new: Iterable[Change]) -> set[str]:
        """Return the cadences that show the status of a job which has changed."""
        cadences: set[str] = set()
        ended: defaultdict[str, list[str]] = defaultdict(list)
        for one in new:
            known = self._known.get(one.job_id)
            if known is None or known.status != one.status or one.has_ended:
                cadences |= one.cadences
                if one.uses and one.has_ended:
                    ended[one.user_id].append(one.job_id)
        for user_id, job_ids in ended.items():
            # An ended cadence has let go of its jobs, and still shows their status.
            cadences |= await self._changes.cadences_with(user_id, job_ids)
        return cadences

    def _put(self, user_id: str, job_id: str, text: bytes) -> None:
        for watcher in self._watchers.get(user_id, ()):
            watcher.put(job_id, text)


def _some(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), READ_AT_ONCE):
        yield ids[start : start + READ_AT_ONCE]
