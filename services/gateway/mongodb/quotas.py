"""Quotas in MongoDB: jobs started this month, slots of active jobs, and turns to prune a history.

There is one document per user, and every change is one conditional update of it. So no number of racing requests, on
any number of gateways, exceeds a limit, and repeating a change has no effect. `used` counts the jobs of `month`.
`active` maps each job that has a slot to the time it took it, unix ms, and `active_count` is the size of that map. It
is a map because not every server can test that an array does not hold a job. A cadence has one slot, and counts as many
jobs as it starts: `files` maps it to that number while it has the slot.

`kept` is an upper limit of the user's jobs, and of the user's cadences. It shows whether a history may have to be
pruned, without reading it. It grows with each job that is counted, before that job is stored, and shrinks when a start
is undone. Removals do not change it: the process that prunes the history counts the jobs and corrects `kept`.
"""

from collections.abc import AsyncIterator
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.gateway.jobs.limits import FRESH_MS, Limit, PruningTurn, Slot, month_of
from services.gateway.mongodb.errors import translated
from shared.errors import TransientError

# A try only fails if another change came first, so some request always makes progress.
TRIES = 100
# More than any tier keeps: the jobs are not counted yet.
UNCOUNTED = 10**9


class MongoQuotas:
    """The collection `quotas`. Implements `services.gateway.jobs.ports.Quotas`."""

    def __init__(self, quotas: Any) -> None:
        self._quotas = quotas

    async def ensure_indexes(self) -> None:
        """Create the indexes that the queries below use, and the field `kept` in documents of earlier versions."""
        with translated():
            await self._quotas.create_index([("active_count", ASCENDING)])
            await self._quotas.create_index([("pruned_until_ms", ASCENDING)])
            await self._quotas.update_many({"kept": {"$exists": False}}, {"$set": {"kept": UNCOUNTED}})

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
        files: int | None = None,
    ) -> Slot | Limit:
        """Count a job and give it a slot; a job that has one keeps it and is not counted again.

        In most cases this is one update.

        Parameters:
            user_id: The owner of the job.
            job_id: The job.
            per_month: Jobs that the tier allows per calendar month.
            at_a_time: Jobs that the tier allows at a time.
            history: Jobs that the tier keeps.
            now_ms: The present time, unix ms.
            is_repeatable: Whether another call may have the same `job_id`. If not, no existing slot is looked for.
            files: How many jobs a cadence starts, which may be none; without it, this is a job.

        Returns
        -------
        The slot, or the limit that is reached.

        Raises
        ------
        TransientError
            MongoDB is unavailable, or other changes came first in every try.
        """
        month = month_of(now_ms)
        counted, kept = (1, 1) if files is None else (files, max(files, 1))
        # A later month was started by a gateway whose clock is ahead: it is never set back.
        free: dict[str, Any] = {
            "_id": user_id,
            "month": {"$gte": month},
            "used": {"$lte": per_month - counted},
            "active_count": {"$lt": at_a_time},
        }
        if is_repeatable:
            free[_slot(job_id)] = {"$exists": False}
        slot = {_slot(job_id): now_ms} | ({} if files is None else {_files(job_id): files})
        changes = {"$inc": {"used": counted, "active_count": 1, "kept": kept}, "$set": slot}
        for _ in range(TRIES):
            if await self._update({**free, "kept": {"$lte": history - kept}}, changes):
                return Slot(now_ms, is_new=True)
            found = await self._find(user_id)
            if found is None:
                await self._create(user_id, month)
            elif job_id in found["active"]:
                return await self._renewed(user_id, job_id, found["active"][job_id], now_ms)
            elif found["month"] < month:
                await self._update({"_id": user_id, "month": found["month"]}, {"$set": {"month": month, "used": 0}})
            elif found["used"] > per_month - counted:
                return Limit.MONTHLY
            elif found["active_count"] >= at_a_time:
                return Limit.CONCURRENT
            elif found["kept"] > history - kept and await self._update(free, changes):
                return Slot(now_ms, is_new=True, history_is_full=True)
        raise TransientError("The quota of this user is changing too fast.")

    async def retake(self, user_id: str, job_id: str, *, now_ms: int) -> None:
        """Give a reopened job a slot, beyond the limit if need be, unless it has one. It is not counted again."""
        await self._update(
            {"_id": user_id, _slot(job_id): {"$exists": False}},
            {"$inc": {"active_count": 1}, "$set": {_slot(job_id): now_ms}},
        )

    async def give_back(self, user_id: str, job_id: str) -> bool:
        """Free the slot of an ended job. Return False if it has none."""
        return await self._update(
            {"_id": user_id, _slot(job_id): {"$exists": True}},
            {"$inc": {"active_count": -1}, "$unset": {_slot(job_id): "", _files(job_id): ""}},
        )

    async def undo(self, user_id: str, job_id: str, taken_ms: int) -> bool:
        """Free the slot, and uncount the job, of a failed start. Return False if the slot has changed since."""
        found = await self._find(user_id)
        files = found.get("files", {}).get(job_id) if found is not None else None
        counted, kept = (1, 1) if files is None else (files, max(files, 1))
        slot = {"_id": user_id, _slot(job_id): taken_ms, _files(job_id): {"$exists": False} if files is None else files}
        freed = {"$unset": {_slot(job_id): "", _files(job_id): ""}}
        same_month = {**slot, "month": month_of(taken_ms), "used": {"$gte": counted}}
        if await self._update(same_month, {"$inc": {"used": -counted, "active_count": -1, "kept": -kept}, **freed}):
            return True
        return await self._update(slot, {"$inc": {"active_count": -1, "kept": -kept}, **freed})

    async def used_this_month(self, user_id: str, now_ms: int) -> int:
        """Return how many jobs the user has started in this calendar month, UTC."""
        found = await self._find(user_id)
        return int(found["used"]) if found is not None and found["month"] >= month_of(now_ms) else 0

    async def slots(self) -> AsyncIterator[tuple[str, dict[str, int]]]:
        """Yield each user with active jobs, and when each of these took its slot, unix ms."""
        with translated():
            async for found in self._quotas.find({"active_count": {"$gt": 0}}, {"active": 1}):
                yield found["_id"], found["active"]

    async def with_slot(self, user_id: str) -> frozenset[str]:
        """Return the user's jobs and cadences that have a slot."""
        found = await self._find(user_id)
        return frozenset(found["active"]) if found is not None else frozenset()

    async def max_job_count(self, user_id: str) -> int:
        """Return an upper limit of the number of jobs, and of that of cadences, that the user has."""
        found = await self._find(user_id)
        return int(found["kept"]) if found is not None else UNCOUNTED

    async def begin_pruning(self, user_id: str, *, now_ms: int, until_ms: int) -> bool:
        """Request that the user's history is pruned. Return True if the caller has the turn, until `until_ms`.

        False means that another process has the turn; its `end_pruning` will find this request.
        """
        request = {"$inc": {"prunings_wanted": 1}}
        if not await self._update({"_id": user_id}, request):
            await self._create(user_id, month_of(now_ms))
            await self._update({"_id": user_id}, request)
        return await self._update(
            {"_id": user_id, "pruned_until_ms": {"$lt": now_ms}}, {"$set": {"pruned_until_ms": until_ms}}
        )

    async def pruning_turn(self, user_id: str, *, until_ms: int) -> PruningTurn | None:
        """Return the state to prune from, to be read before the history, or None if the caller's turn is over."""
        found = await self._find(user_id)
        if found is None or found["pruned_until_ms"] != until_ms:
            return None
        files = {job_id: int(count) for job_id, count in found.get("files", {}).items()}
        return PruningTurn(int(found["prunings_wanted"]), int(found["kept"]), frozenset(found["active"]), files)

    async def end_pruning(self, user_id: str, turn: PruningTurn, *, until_ms: int, kept: int) -> bool:
        """Correct `kept` by the caller's count, and end its turn unless pruning was requested again.

        The count covers the jobs in the list and those that had a slot when the turn was read, stored or not, with
        those that a cadence with a slot starts. Of jobs and cadences, the greater number counts. `kept` is corrected by
        a difference, so changes made to it since then are preserved. Only the process that has the turn corrects it,
        and reads the turn again before it corrects again, so no difference is applied twice.

        Returns
        -------
        False if pruning was requested again: then the caller keeps the turn.
        """
        mine = {"_id": user_id, "pruned_until_ms": until_ms}
        corrected = {"$inc": {"kept": kept - turn.kept}}
        not_requested_again = {**mine, "prunings_wanted": turn.requested}
        if await self._update(not_requested_again, {**corrected, "$set": {"pruned_until_ms": 0}}):
            return True
        await self._update(mine, corrected)
        return False

    async def abandoned_prunings(self, now_ms: int) -> list[str]:
        """Return users whose pruning began and did not end in time."""
        with translated():
            query = {"pruned_until_ms": {"$gt": 0, "$lt": now_ms}}
            return [found["_id"] async for found in self._quotas.find(query, {"_id": 1})]

    async def _renewed(self, user_id: str, job_id: str, taken_ms: int, now_ms: int) -> Slot:
        slot = {"_id": user_id, _slot(job_id): taken_ms}
        if now_ms - taken_ms > FRESH_MS and await self._update(slot, {"$set": {_slot(job_id): now_ms}}):
            return Slot(now_ms, is_new=False)
        return Slot(taken_ms, is_new=False)

    async def _create(self, user_id: str, month: int) -> None:
        document = {
            "_id": user_id,
            "month": month,
            "used": 0,
            "active_count": 0,
            "active": {},
            "kept": UNCOUNTED,
            "prunings_wanted": 0,
            "pruned_until_ms": 0,
        }
        try:
            with translated():
                await self._quotas.insert_one(document)
        except DuplicateKeyError:
            # Another request has created it.
            return

    async def _find(self, user_id: str) -> dict[str, Any] | None:
        with translated():
            found: dict[str, Any] | None = await self._quotas.find_one({"_id": user_id})
        if found is not None and "kept" not in found:
            # A gateway of an earlier version created it after this one had started.
            await self._update({"_id": user_id, "kept": {"$exists": False}}, {"$set": {"kept": UNCOUNTED}})
            found["kept"] = UNCOUNTED
        return found

    async def _update(self, query: dict[str, Any], changes: dict[str, Any]) -> bool:
        with translated():
            return bool((await self._quotas.update_one(query, changes)).matched_count)


def _slot(job_id: str) -> str:
    return f"active.{job_id}"


def _files(job_id: str) -> str:
    return f"files.{job_id}"
