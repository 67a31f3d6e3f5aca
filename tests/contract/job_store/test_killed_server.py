"""A job store whose server is killed keeps every write that it acknowledged."""

import asyncio
import uuid
from typing import Any

from services.gateway.jobs.limits import Slot
from services.gateway.mongodb.store import Store, open_store
from shared.errors import TransientError
from tests.contract.job_store.parts import a_job, settings_for, submitted
from tests.servers.containers import MongodbServer

ROUNDS = 3
WRITERS, JOBS = 4, 50
LIMITS = {"per_month": 10**6, "at_a_time": 10**6, "history": 10**6}


async def start_jobs(store: Store, user_id: str, acknowledged: list[str], are_many: asyncio.Event) -> None:
    """Start one job after another until the server stops."""
    had = len(acknowledged)
    while True:
        job = a_job(user_id=user_id)
        try:
            slot = await store.quotas.take(user_id, job.job_id, **LIMITS, now_ms=job.submitted_ms)
            assert isinstance(slot, Slot)
            assert await store.jobs.insert(job, submitted(job).to_bytes().decode(), due_ms=0)
        except TransientError:
            return
        acknowledged.append(job.job_id)
        if len(acknowledged) - had >= JOBS:
            are_many.set()


async def test_no_acknowledged_write_is_lost(killable: Any) -> None:
    """Allow one exception: the stand-in for MongoDB sometimes acknowledges a writer's last write a moment too early."""
    settings = settings_for(killable.url, f"killed_{uuid.uuid4().hex[:8]}").model_copy(
        update={"mongodb_timeout_s": 2.0}
    )
    acknowledged: dict[str, list[str]] = {f"u{n}": [] for n in range(WRITERS)}
    excused: set[str] = set()
    for _ in range(ROUNDS):
        async with open_store(settings) as store:
            assert store.database.write_concern.document == {"w": "majority", "j": True}
            are_many = asyncio.Event()
            writers = [
                asyncio.create_task(start_jobs(store, user_id, jobs, are_many))
                for user_id, jobs in acknowledged.items()
            ]
            await are_many.wait()
            await killable.kill()
            await asyncio.gather(*writers)
        if isinstance(killable, MongodbServer):
            excused |= {jobs[-1] for jobs in acknowledged.values()}
        await killable.start()
        async with open_store(settings.model_copy(update={"mongodb_timeout_s": 30.0})) as store:
            for user_id, jobs in acknowledged.items():
                lost = {job_id for job_id in jobs if await store.jobs.get(job_id) is None}
                assert lost - excused == set()
                assert await store.quotas.used_this_month(user_id, a_job().submitted_ms) >= len(jobs) - len(lost)
