"""The start of a job: counted, given a slot, stored, published, in this order.

Whatever stops it on the way, no job runs uncounted, and nothing is counted for long that does not run: a start that
fails gives back what it took, and what a process that dies has taken, the sweeper gives back.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from services.gateway.api.errors import ApiError
from services.gateway.domain import Job, User
from services.gateway.jobs.limits import DAY_S, Limit, Slot, StartedJob, retry_after_s
from services.gateway.mongodb.idempotency_keys import RequestKey
from services.gateway.settings import Settings, Tier
from shared.errors import TransientError
from shared.events import Event, ObservationSubmitted, SearchParameters, Upload

logger = structlog.get_logger(__name__)

PRODUCER = "gateway"


@dataclass(frozen=True)
class NewJob:
    """What a user asks for."""

    file_key: str
    filename: str
    source_name: str
    file_size: int
    parameters: SearchParameters


class StartedJobs(Protocol):
    """What is needed of the job store."""

    async def started(self, job_ids: Sequence[str]) -> Mapping[str, StartedJob]:
        """Those of the jobs that were ever started, removed ones too."""

    async def void(self, job: Job, *, now_ms: int) -> bool:
        """See that a job which was to be inserted never will be; False where it was."""


class Outgoing(Protocol):
    """What is needed of the outbox."""

    async def submit(self, job: Job, event: Event) -> bool:
        """Store a new job and see that its event gets published; False for a job of old."""


class Slots(Protocol):
    """What is needed of the quotas."""

    async def take(
        self,
        user_id: str,
        job_id: str,
        *,
        per_month: int,
        at_a_time: int,
        history: int,
        now_ms: int,
        is_repeatable: bool = True,
    ) -> Slot | Limit:
        """Count a job and give it a slot; a job that has one keeps it. Else the limit that is reached."""

    async def give_back(self, user_id: str, job_id: str) -> bool:
        """Free the slot of a job that has ended."""

    async def undo(self, user_id: str, job_id: str, taken_ms: int) -> bool:
        """Free the slot, and uncount the job, of a start that failed."""


class RequestKeys(Protocol):
    """What is needed of the idempotency keys."""

    async def find(self, key: RequestKey, now_ms: int) -> str | None:
        """The job that a key stands for, or None."""

    async def bind(self, key: RequestKey, now_ms: int) -> str:
        """The job that a key stands for, from now on where it stood for none."""


class History(Protocol):
    """What is needed of the removal of jobs."""

    async def prune(self, user_id: str) -> int:
        """Remove the oldest ended jobs of a user beyond what the tier keeps."""


class Submissions:
    """Starts jobs within their users' limits, and each request once."""

    def __init__(
        self,
        settings: Settings,
        *,
        jobs: StartedJobs,
        outbox: Outgoing,
        slots: Slots,
        keys: RequestKeys,
        history: History,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._outbox = outbox
        self._slots = slots
        self._keys = keys
        self._history = history
        self._now_ms = now_ms

    async def repeated(self, key: RequestKey) -> str | None:
        """The job that an earlier request with this key started, or None.

        Raises:
            ApiError: 409, the key came with another body before.
            TransientError: MongoDB is away.
        """
        job_id = await self._keys.find(key, self._now_ms())
        return job_id if job_id is not None and await self._was_started(job_id) else None

    async def start(self, user: User, new: NewJob, key: RequestKey | None) -> str:
        """Start a job, or find the one that the same request started; returns its id.

        Raises:
            ApiError: 429, a limit is reached; 409, the key came with another body before.
            TransientError: MongoDB is away, and the job is not started; with a key, the next try goes on from here.
        """
        tier = self._settings.tiers[user.tier]
        now_ms = self._now_ms()
        job_id = await self._keys.bind(key, now_ms) if key is not None else str(uuid.uuid4())
        slot = await self._slots.take(
            user.user_id,
            job_id,
            per_month=tier.files_per_month,
            at_a_time=tier.concurrent_jobs,
            history=tier.history_jobs,
            now_ms=now_ms,
            is_repeatable=key is not None,
        )
        if isinstance(slot, Limit):
            if key is not None and await self._was_started(job_id):
                return job_id
            raise _refused(slot, tier, now_ms)
        job = Job(
            job_id=job_id,
            user_id=user.user_id,
            file_key=new.file_key,
            filename=new.filename,
            source_name=new.source_name,
            file_size=new.file_size,
            submitted_ms=now_ms,
            expires_at=now_ms // 1000 + tier.retention_days * DAY_S,
            slot_ms=slot.taken_ms,
            parameters=new.parameters,
        )
        try:
            is_first = await self._outbox.submit(job, _submitted(job, new.parameters))
        except Exception:
            # With a key, another request may be about to use this very slot; should none be, the sweeper frees it.
            if key is None:
                await self._undo(job, slot)
            raise
        if is_first:
            logger.info("job accepted", job_id=job_id, file_size=new.file_size)
            if slot.history_is_full:
                await self._prune(user.user_id)
        elif slot.is_new:
            await self._settle(job, slot)
        return job_id

    async def _was_started(self, job_id: str) -> bool:
        return job_id in await self._jobs.started([job_id])

    async def _undo(self, job: Job, slot: Slot) -> None:
        """Give back what a start took that failed, unless the job was stored and just the answer got lost."""
        try:
            if await self._jobs.void(job, now_ms=self._now_ms()):
                await self._slots.undo(job.user_id, job.job_id, slot.taken_ms)
        except TransientError as error:
            logger.warning("slot left to the sweeper", job_id=job.job_id, error=error.message)

    async def _settle(self, job: Job, slot: Slot) -> None:
        """A repeat took a slot, and the job was stored meanwhile: with this slot, or with one that it had before."""
        found = (await self._jobs.started([job.job_id]))[job.job_id]
        if found.slot_ms != slot.taken_ms:
            await self._slots.undo(job.user_id, job.job_id, slot.taken_ms)
        elif not found.is_open:
            await self._slots.give_back(job.user_id, job.job_id)

    async def _prune(self, user_id: str) -> None:
        try:
            await self._history.prune(user_id)
        except TransientError as error:
            # The job runs. When it ends, the history is pruned again.
            logger.warning("history not pruned", error=error.message)


def _refused(limit: Limit, tier: Tier, now_ms: int) -> ApiError:
    message = {
        Limit.MONTHLY: f"Your tier's {tier.files_per_month} jobs of this month are used up; the next month begins at "
        "00:00 UTC of its first day.",
        Limit.CONCURRENT: f"You have {tier.concurrent_jobs} jobs running, as many as may run at a time; wait for one "
        "to finish, or delete one.",
    }[limit]
    return ApiError(429, limit.value, message, retry_after_s=retry_after_s(limit, now_ms))


def _submitted(job: Job, parameters: SearchParameters) -> Event:
    upload = Upload(
        file_key=job.file_key,
        file_name=job.filename,
        file_size=job.file_size,
        source_name=job.source_name,
        submitted_at=datetime.fromtimestamp(job.submitted_ms / 1000, UTC),
    )
    return ObservationSubmitted.make(job_id=job.job_id, producer=PRODUCER, upload=upload, parameters=parameters)
