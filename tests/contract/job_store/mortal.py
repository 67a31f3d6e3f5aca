"""A gateway that dies at a given step: each write to the job store and each message to the bus is one."""

from dataclasses import replace
from typing import Any, cast

from services.gateway.app import JobParts, make_job_parts
from services.gateway.mongodb.cadences import MongoCadenceStore
from services.gateway.mongodb.idempotency_keys import MongoIdempotencyKeys
from services.gateway.mongodb.jobs import MongoJobStore
from services.gateway.mongodb.quotas import MongoQuotas
from services.gateway.mongodb.store import Store
from shared.blobs import Storage as RealStorage
from tests.contract.job_store.parts import Bus, Clock, Storage, settings_for

WRITES = {"insert_one", "update_one", "update_many", "delete_one", "delete_many"}


class KilledError(BaseException):
    """The process is dead: nothing handles this."""


class Life:
    """Counts steps; from the given one on, none is done. That one itself is done if `is_late`."""

    def __init__(self, last_step: int, *, is_late: bool) -> None:
        self._left = last_step
        self._is_late = is_late
        self.has_ended = False

    async def step(self, work: Any) -> Any:
        """Do the work, or die before it or after it."""
        self._left -= 1
        if self._left >= 0:
            return await work()
        if self._left == -1 and self._is_late:
            await work()
        self.has_ended = True
        raise KilledError


class _Collection:
    def __init__(self, collection: Any, life: Life) -> None:
        self._collection = collection
        self._life = life

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._collection, name)
        if name not in WRITES:
            return method

        async def write(*args: Any, **more: Any) -> Any:
            async def work() -> Any:
                return await method(*args, **more)

            return await self._life.step(work)

        return write


class _Bus:
    def __init__(self, bus: Bus, life: Life) -> None:
        self._bus = bus
        self._life = life

    async def publish_raw(self, topic: str, key: bytes, value: bytes) -> None:
        async def work() -> None:
            await self._bus.publish_raw(topic, key, value)

        await self._life.step(work)


def mortal_parts(store: Store, bus: Bus, storage: Storage, clock: Clock, life: Life) -> JobParts:
    """Return the parts of a gateway that has this life."""

    def of(name: str) -> Any:
        return _Collection(store.database[name], life)

    mortal = replace(
        store,
        jobs=MongoJobStore(of("jobs")),
        cadences=MongoCadenceStore(of("jobs")),
        quotas=MongoQuotas(of("quotas")),
        idempotency_keys=MongoIdempotencyKeys(of("idempotency_keys")),
    )
    return make_job_parts(
        settings_for("mongodb://unused", "unused"),
        store=mortal,
        storage=cast(RealStorage, storage),
        bus=cast(Bus, _Bus(bus, life)),
        now_ms=clock,
    )
