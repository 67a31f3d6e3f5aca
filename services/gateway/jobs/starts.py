"""The start of a job or cadence: counted, given a slot, stored, in this order.

Wherever a start is interrupted, nothing runs uncounted, and nothing stays counted for long that does not run: a start
that fails gives back what it took, and the sweeper gives back what a process that died has taken.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from services.gateway.accounts.model import User
from services.gateway.jobs.errors import LimitReachedError
from services.gateway.jobs.idempotency import RequestKey
from services.gateway.jobs.limits import DAY_S, Limit, Slot, retry_after_s
from services.gateway.jobs.ports import IdempotencyKeys, JobStore, Quotas
from services.gateway.jobs.removal import Removal
from services.gateway.settings import Settings, Tier
from shared.errors import TransientError

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Place:
    """What a new job or cadence gets: its id, when it is accepted (unix ms), its slot, its tier, when it expires."""

    job_id: str
    now_ms: int
    slot_ms: int
    tier: Tier

    @property
    def expires_at(self) -> int:
        """When it is removed, unix seconds."""
        return self.now_ms // 1000 + self.tier.retention_days * DAY_S


class Starts:
    """Starts jobs and cadences within their users' limits, one per idempotency key."""

    def __init__(
        self,
        settings: Settings,
        *,
        jobs: JobStore,
        quotas: Quotas,
        keys: IdempotencyKeys,
        removal: Removal,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._quotas = quotas
        self._keys = keys
        self._removal = removal
        self._now_ms = now_ms

    async def repeated(self, key: RequestKey) -> str | None:
        """Return the id of what an earlier request with this key started, or None.

        Raises
        ------
        KeyReusedError
            The key was used with another body before.
        TransientError
            MongoDB is unavailable.
        """
        job_id = await self._keys.find(key, self._now_ms())
        return job_id if job_id is not None and await self._was_started(job_id) else None

    async def start(
        self,
        user: User,
        key: RequestKey | None,
        store: Callable[[Place], Awaitable[bool]],
        *,
        files: int | None = None,
    ) -> str:
        """Start a job or cadence, or find the one that the same request started before. Return its id.

        Parameters:
            user: Whose it is.
            key: The idempotency key of the request, if it has one.
            store: Stores it; returns False if one of this id exists or existed.
            files: How many jobs a cadence starts; without it, this is a job.

        Raises
        ------
        LimitReachedError
            The user has reached a limit of the tier.
        KeyReusedError
            The key was used with another body before.
        TransientError
            MongoDB is unavailable and nothing is started; with a key, a retry continues from here.
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
            files=files,
        )
        if isinstance(slot, Limit):
            if key is not None and await self._was_started(job_id):
                return job_id
            raise _limit_reached(slot, tier, now_ms, files)
        try:
            is_first = await store(Place(job_id, now_ms, slot.taken_ms, tier))
        except Exception:
            # With a key, another request may be about to use this slot; if none does, the sweeper frees it.
            if key is None:
                await self._undo(user.user_id, job_id, slot)
            raise
        if is_first:
            if slot.history_is_full:
                await self._prune(user.user_id)
        elif slot.is_new:
            await self._settle(user.user_id, job_id, slot)
        return job_id

    async def _was_started(self, job_id: str) -> bool:
        return job_id in await self._jobs.started([job_id])

    async def _undo(self, user_id: str, job_id: str, slot: Slot) -> None:
        """Give back what a failed start took, unless it was stored and only the acknowledgement got lost."""
        try:
            if await self._jobs.prevent_insert(job_id, user_id, now_ms=self._now_ms()):
                await self._quotas.undo(user_id, job_id, slot.taken_ms)
        except TransientError as error:
            logger.warning("slot left to the sweeper", job_id=job_id, error=error.message)

    async def _settle(self, user_id: str, job_id: str, slot: Slot) -> None:
        """Free the slot that a repeated request took, if the job does not use it.

        Another request has stored the job since: with this slot, or with an earlier one.
        """
        found = (await self._jobs.started([job_id]))[job_id]
        if found.slot_ms != slot.taken_ms:
            await self._quotas.undo(user_id, job_id, slot.taken_ms)
        elif not found.is_open:
            await self._quotas.give_back(user_id, job_id)

    async def _prune(self, user_id: str) -> None:
        try:
            await self._removal.prune(user_id)
        except TransientError as error:
            # It runs; the history is pruned again when it ends.
            logger.warning("history not pruned", error=error.message)


def _limit_reached(limit: Limit, tier: Tier, now_ms: int, files: int | None) -> LimitReachedError:
    allowed = tier.files_per_month if limit is Limit.MONTHLY else tier.concurrent_jobs
    return LimitReachedError(limit, allowed=allowed, retry_after_s=retry_after_s(limit, now_ms), files=files)
