"""The start of a job: counted, given a slot, stored, published, in this order.

Wherever a start is interrupted, no job runs uncounted, and nothing stays counted for long that does not run: a start
that fails gives back what it took, and the sweeper gives back what a process that died has taken.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from services.gateway.accounts.model import User
from services.gateway.jobs.errors import LimitReachedError
from services.gateway.jobs.idempotency import RequestKey
from services.gateway.jobs.limits import DAY_S, Limit, Slot, retry_after_s
from services.gateway.jobs.model import Job
from services.gateway.jobs.outbox import Outbox
from services.gateway.jobs.ports import IdempotencyKeys, JobStore, Quotas
from services.gateway.jobs.removal import Removal
from services.gateway.settings import Settings, Tier
from shared.errors import TransientError
from shared.events import Event, ObservationSubmitted, SearchParameters, Upload

logger = structlog.get_logger(__name__)

PRODUCER = "gateway"


@dataclass(frozen=True)
class NewJob:
    """The job that a user requests."""

    file_key: str
    filename: str
    source_name: str
    file_size: int
    etag: str | None
    parameters: SearchParameters
    sha256: str | None = None


class Submissions:
    """Starts jobs within their users' limits, one per idempotency key."""

    def __init__(
        self,
        settings: Settings,
        *,
        jobs: JobStore,
        outbox: Outbox,
        quotas: Quotas,
        keys: IdempotencyKeys,
        removal: Removal,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._outbox = outbox
        self._quotas = quotas
        self._keys = keys
        self._removal = removal
        self._now_ms = now_ms

    async def repeated(self, key: RequestKey) -> str | None:
        """Return the id of the job that an earlier request with this key started, or None.

        Raises
        ------
        KeyReusedError
            The key was used with another body before.
        TransientError
            MongoDB is unavailable.
        """
        job_id = await self._keys.find(key, self._now_ms())
        return job_id if job_id is not None and await self._was_started(job_id) else None

    async def start(self, user: User, new: NewJob, key: RequestKey | None) -> str:
        """Start a job, or find the one that the same request started before. Return its id.

        Raises
        ------
        LimitReachedError
            The user has reached a limit of the tier.
        KeyReusedError
            The key was used with another body before.
        TransientError
            MongoDB is unavailable and the job is not started; with a key, a retry continues from here.
        """
        tier = self._settings.tiers[user.tier]
        now_ms = self._now_ms()
        job_id = await self._keys.bind(key, now_ms) if key is not None else str(uuid.uuid4())
        slot = await self._quotas.take(
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
            raise _limit_reached(slot, tier, now_ms)
        job = Job(
            job_id=job_id,
            user_id=user.user_id,
            file_key=new.file_key,
            filename=new.filename,
            source_name=new.source_name,
            file_size=new.file_size,
            etag=new.etag,
            submitted_ms=now_ms,
            expires_at=now_ms // 1000 + tier.retention_days * DAY_S,
            slot_ms=slot.taken_ms,
            parameters=new.parameters,
        )
        try:
            is_first = await self._outbox.submit(job, _submitted(job, new, tier))
        except Exception:
            # With a key, another request may be about to use this slot; if none does, the sweeper frees it.
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
        """Give back what a failed start took, unless the job was stored and only the acknowledgement got lost."""
        try:
            if await self._jobs.prevent_insert(job, now_ms=self._now_ms()):
                await self._quotas.undo(job.user_id, job.job_id, slot.taken_ms)
        except TransientError as error:
            logger.warning("slot left to the sweeper", job_id=job.job_id, error=error.message)

    async def _settle(self, job: Job, slot: Slot) -> None:
        """Free the slot that a repeated request took, if the job does not use it.

        Another request has stored the job since: with this slot, or with an earlier one.
        """
        found = (await self._jobs.started([job.job_id]))[job.job_id]
        if found.slot_ms != slot.taken_ms:
            await self._quotas.undo(job.user_id, job.job_id, slot.taken_ms)
        elif not found.is_open:
            await self._quotas.give_back(job.user_id, job.job_id)

    async def _prune(self, user_id: str) -> None:
        try:
            await self._removal.prune(user_id)
        except TransientError as error:
            # The job runs; the history is pruned again when it ends.
            logger.warning("history not pruned", error=error.message)


def _limit_reached(limit: Limit, tier: Tier, now_ms: int) -> LimitReachedError:
    allowed = tier.files_per_month if limit is Limit.MONTHLY else tier.concurrent_jobs
    return LimitReachedError(limit, allowed=allowed, retry_after_s=retry_after_s(limit, now_ms))


def _submitted(job: Job, new: NewJob, tier: Tier) -> Event:
    upload = Upload(
        file_key=job.file_key,
        file_name=job.filename,
        file_size=job.file_size,
        source_name=job.source_name,
        etag=job.etag,
        sha256=new.sha256,
        submitted_at=datetime.fromtimestamp(job.submitted_ms / 1000, UTC),
    )
    return ObservationSubmitted.make(
        job_id=job.job_id, producer=PRODUCER, upload=upload, parameters=new.parameters, limits=tier.job_limits
    )
