"""What users have used up: jobs of the month, and places among the jobs that are active at a time.

One document per user, and every change is one conditional update of it: a limit can't be passed, however many requests
race on however many gateways, and whatever is repeated changes nothing. `used` counts the jobs of `month`. `active`
maps each job that has a place to the time it got it, unix ms, and `active_count` is its size: a map, since not every
server can tell by a condition that an array does not hold a job.

`kept` says when a history may have to be pruned, without a look at it: the user has at most so many jobs. It grows with
each job that is counted, before that is stored, and shrinks with each start that is undone. Jobs that are removed leave
it as it is: whoever prunes the history counts it, and corrects `kept`. Failures of the server are `TransientError`.
"""

from collections.abc import AsyncIterator
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.gateway.jobs.limits import FRESH_MS, Limit, PruningTurn, Slot, month_of
from services.gateway.mongodb.errors import translated
from shared.errors import TransientError

# Each try but the last was crossed by another change, so that somebody got on.
TRIES = 100
# More than any tier keeps: nobody has counted yet.
UNCOUNTED = 10**9


class Quotas:
    """Usage counters and slots in MongoDB."""

    def __init__(self, quotas: Any) -> None:
        self._quotas = quotas

    async def ensure_indexes(self) -> None:
        """Create the indexes that the queries below use, and the count that documents of old do not have."""
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
    ) -> Slot | Limit:
        """Count a job and give it a slot; a job that has one keeps it, uncounted. Else the limit that is reached.

        `history` is how many jobs the user's tier keeps. Where nobody else can know the `job_id`, and this is the only
        call with it (not `is_repeatable`), it is not looked for a slot. Mostly one update is all there is to it.

        Raises:
            TransientError: MongoDB is away, or so busy that no try came through.
        """
        month = month_of(now_ms)
        # A month that is ahead was begun by a gateway whose clock is: it is never turned back.
        free: dict[str, Any] = {
            "_id": user_id,
            "month": {"$gte": month},
            "used": {"$lt": per_month},
            "active_count": {"$lt": at_a_time},
        }
        if is_repeatable:
            free[_slot(job_id)] = {"$exists": False}
        changes = {"$inc": {"used": 1, "active_count": 1, "kept": 1}, "$set": {_slot(job_id): now_ms}}
        for _ in range(TRIES):
            if await self._update({**free, "kept": {"$lt": history}}, changes):
                return Slot(now_ms, is_new=True)
            found = await self._find(user_id)
            if found is None:
                await self._create(user_id, month)
            elif job_id in found["active"]:
                return await self._renewed(user_id, job_id, found["active"][job_id], now_ms)
            elif found["month"] < month:
                await self._update({"_id": user_id, "month": found["month"]}, {"$set": {"month": month, "used": 0}})
            elif found["used"] >= per_month:
                return Limit.MONTHLY
            elif found["active_count"] >= at_a_time:
                return Limit.CONCURRENT
            elif found["kept"] >= history and await self._update(free, changes):
                return Slot(now_ms, is_new=True, history_is_full=True)
        raise TransientError("The quota of this user is changing too fast.")

    async def give_back(self, user_id: str, job_id: str) -> bool:
        """Free the slot of a job that has ended; False where it has none."""
        return await self._update(
            {"_id": user_id, _slot(job_id): {"$exists": True}},
            {"$inc": {"active_count": -1}, "$unset": {_slot(job_id): ""}},
        )

    async def undo(self, user_id: str, job_id: str, taken_ms: int) -> bool:
        """Free the slot, and uncount the job, of a start that failed; False where the slot is another one by now."""
        slot = {"_id": user_id, _slot(job_id): taken_ms}
        freed = {"$unset": {_slot(job_id): ""}}
        same_month = {**slot, "month": month_of(taken_ms), "used": {"$gt": 0}}
        if await self._update(same_month, {"$inc": {"used": -1, "active_count": -1, "kept": -1}, **freed}):
            return True
        return await self._update(slot, {"$inc": {"active_count": -1, "kept": -1}, **freed})

    async def used_this_month(self, user_id: str, now_ms: int) -> int:
        """How many jobs the user has started in this calendar month, UTC."""
        found = await self._find(user_id)
        return int(found["used"]) if found is not None and found["month"] >= month_of(now_ms) else 0

    async def slots(self) -> AsyncIterator[tuple[str, dict[str, int]]]:
        """Every user who has active jobs, and since when each of these has its slot, unix ms."""
        with translated():
            async for found in self._quotas.find({"active_count": {"$gt": 0}}, {"active": 1}):
                yield found["_id"], found["active"]

    async def kept_at_most(self, user_id: str) -> int:
        """A number that the user's jobs are no more than."""
        found = await self._find(user_id)
        return int(found["kept"]) if found is not None else UNCOUNTED

    async def begin_pruning(self, user_id: str, *, now_ms: int, until_ms: int) -> bool:
        """Ask for the user's history to be pruned; True where the caller is to do it, and nobody else until `until_ms`.

        False means that somebody is at it, who will see in `end_pruning` that there was another wish.
        """
        wish = {"$inc": {"prunings_wanted": 1}}
        if not await self._update({"_id": user_id}, wish):
            await self._create(user_id, month_of(now_ms))
            await self._update({"_id": user_id}, wish)
        return await self._update(
            {"_id": user_id, "pruned_until_ms": {"$lt": now_ms}}, {"$set": {"pruned_until_ms": until_ms}}
        )

    async def pruning_turn(self, user_id: str, *, until_ms: int) -> PruningTurn | None:
        """What the caller, whose turn it is, should know before a look at the history; None where it is over."""
        found = await self._find(user_id)
        if found is None or found["pruned_until_ms"] != until_ms:
            return None
        return PruningTurn(int(found["prunings_wanted"]), int(found["kept"]), frozenset(found["active"]))

    async def end_pruning(self, user_id: str, turn: PruningTurn, *, until_ms: int, kept: int) -> bool:
        """Correct `kept` by what the caller, whose turn it is, counted; end its turn, unless there was another wish.

        To be counted are the jobs that the caller saw and those that had a slot when the turn was read, stored or not.
        What was added to `kept` or taken from it since then stays added or taken: it is corrected by a difference. As
        only whoever has the turn corrects, and reads it anew before it corrects again, nothing is taken off twice.
        """
        mine = {"_id": user_id, "pruned_until_ms": until_ms}
        corrected = {"$inc": {"kept": kept - turn.kept}}
        no_other_wish = {**mine, "prunings_wanted": turn.wanted}
        if await self._update(no_other_wish, {**corrected, "$set": {"pruned_until_ms": 0}}):
            return True
        await self._update(mine, corrected)
        return False

    async def abandoned_prunings(self, now_ms: int) -> list[str]:
        """Users whose history somebody began to prune, and did not end in time."""
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
            # Another request was quicker: there is one document all the same.
            return

    async def _find(self, user_id: str) -> dict[str, Any] | None:
        with translated():
            found: dict[str, Any] | None = await self._quotas.find_one({"_id": user_id})
        if found is not None and "kept" not in found:
            # A gateway of an earlier version made it after this one had started.
            await self._update({"_id": user_id, "kept": {"$exists": False}}, {"$set": {"kept": UNCOUNTED}})
            found["kept"] = UNCOUNTED
        return found

    async def _update(self, query: dict[str, Any], changes: dict[str, Any]) -> bool:
        with translated():
            return bool((await self._quotas.update_one(query, changes)).matched_count)


def _slot(job_id: str) -> str:
    return f"active.{job_id}"
