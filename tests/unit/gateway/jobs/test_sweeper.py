"""The sweeper continues after failures."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.gateway.jobs.model import RemovedJob, StartedJob
from services.gateway.jobs.sweeper import Sweeper
from services.gateway.jobs.upload_record import UploadRecord
from services.gateway.settings import Settings
from shared.blobs import MultipartError, OpenMultipart, StoredObject
from shared.errors import PermanentError, TransientError, WaterholeError

NOW_MS = 1_712_444_400_000
NOW_S = NOW_MS / 1000
DAY_S = 86_400


class World:
    """Everything that the sweeper reads; each part can be made to fail."""

    def __init__(self) -> None:
        self.failure: WaterholeError | None = None
        self.calls: list[str] = []
        self.third_sweep = asyncio.Event()
        self.deleted: list[str] = []
        self.aborted: list[str] = []
        self.objects: list[StoredObject] = []
        self.multiparts: list[OpenMultipart] = []
        self.records: dict[str, UploadRecord] = {}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.calls.count("slots") == 3:
            self.third_sweep.set()
        if self.failure is not None:
            raise self.failure

    async def started(self, _job_ids: Any) -> dict[str, StartedJob]:
        return {}

    async def check_due(self) -> int:
        self._called("check_due")
        return 0

    async def expired(self, _now_s: int, _limit: int) -> list[str]:
        self._called("expired")
        return []

    async def due_purges(self, _now_ms: int, _limit: int) -> list[RemovedJob]:
        self._called("due_purges")
        return []

    async def files_in_use(self, file_keys: list[str]) -> set[str]:
        assert len(file_keys) <= 200
        return {key for key in file_keys if "used" in key}

    async def slots(self) -> AsyncIterator[tuple[str, dict[str, int]]]:
        self._called("slots")
        return
        yield

    async def abandoned_prunings(self, _now_ms: int) -> list[str]:
        self._called("abandoned_prunings")
        return []

    async def delete_expired(self, _now_ms: int) -> int:
        self._called("delete_expired")
        return 0

    async def delete_ended(self, now_s: int) -> int:
        assert 0 <= now_s - NOW_S <= 3600
        self._called("delete_ended")
        return 0

    async def delete_before(self, _asked_ms: int) -> int:
        return 0

    async def get(self, file_key: str) -> UploadRecord | None:
        return self.records.get(file_key)

    async def list_pages(self, prefix: str) -> AsyncIterator[list[StoredObject]]:
        self._called("list_pages")
        found = [one for one in self.objects if one.key.startswith(prefix)]
        yield found[:700]
        yield found[700:]

    async def list_multiparts(self, _prefix: str) -> list[OpenMultipart]:
        self._called("list_multiparts")
        return self.multiparts

    async def abort_multipart(self, key: str, _upload_id: str) -> None:
        if "gone" in key:
            raise MultipartError("Not known.")
        self.aborted.append(key)

    async def delete(self, key: str) -> None:
        self.deleted.append(key)


class Clock:
    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sweeper(world: World, clock: Clock) -> Sweeper:
    settings = Settings(api_key_pepper="a pepper of some length", sweep_interval_s=0.01)
    parts: Any = dict.fromkeys(
        ("jobs", "cadences", "quotas", "removal", "keys", "records", "uploads", "sessions"), world
    )
    return Sweeper(settings, now_ms=clock, **parts)


OFTEN = ["slots", "check_due", "expired", "abandoned_prunings", "due_purges", "delete_ended"]
SELDOM = ["list_pages", "list_multiparts", "delete_expired"]


async def test_storage_is_searched_less_often(sweeper: Sweeper, world: World, clock: Clock) -> None:
    await sweeper.sweep()
    assert world.calls == OFTEN + SELDOM
    clock.ms += 3_599_000
    await sweeper.sweep()
    assert world.calls == OFTEN + SELDOM + OFTEN
    clock.ms += 1_000
    await sweeper.sweep()
    assert world.calls == (OFTEN + SELDOM + OFTEN) + OFTEN + SELDOM


@pytest.mark.parametrize("failure", [TransientError("away"), PermanentError("refused", code="storage_refused")])
async def test_every_step_runs_although_others_fail_and_is_retried_soon(
    sweeper: Sweeper, world: World, failure: WaterholeError
) -> None:
    before = REGISTRY.get_sample_value("waterhole_sweeps_failed_total", {"step": "uploads"}) or 0.0
    world.failure = failure
    await sweeper.sweep()
    world.failure = None
    await sweeper.sweep()
    assert world.calls == 2 * (OFTEN + SELDOM)
    assert REGISTRY.get_sample_value("waterhole_sweeps_failed_total", {"step": "uploads"}) == before + 1


async def test_the_sweeper_runs_until_it_is_stopped(sweeper: Sweeper, world: World) -> None:
    world.failure = TransientError("away")
    stop = asyncio.Event()
    running = asyncio.create_task(sweeper.run(stop))
    async with asyncio.timeout(10):
        await world.third_sweep.wait()
        stop.set()
        await running


async def test_only_old_unused_uploads_are_deleted(sweeper: Sweeper, world: World) -> None:
    old, new = NOW_S - DAY_S - 1, NOW_S - DAY_S + 1
    many = [f"uploads/u/{number}/x.fil" for number in range(900)]
    world.objects = [StoredObject(key, 1, old) for key in many]
    world.objects += [StoredObject("uploads/u/used/x.fil", 1, old), StoredObject("uploads/u/new/x.fil", 1, new)]
    assert await sweeper.delete_unused_uploads() == 900
    assert world.deleted == many


async def test_only_old_multipart_uploads_are_aborted(sweeper: Sweeper, world: World) -> None:
    old, new = NOW_S - DAY_S - 1, NOW_S - DAY_S + 1
    world.multiparts = [OpenMultipart("gone", "1", old), OpenMultipart("old", "2", old), OpenMultipart("new", "3", new)]
    assert await sweeper.abort_multiparts() == 1
    assert world.aborted == ["old"]


async def test_a_multipart_upload_that_is_continued_is_kept_for_another_day(
    sweeper: Sweeper, world: World, clock: Clock
) -> None:
    world.multiparts = [OpenMultipart("u", "1", NOW_S - 3 * DAY_S)]
    world.records = {"u": UploadRecord("u", "u.fil", 9, NOW_MS)}
    assert await sweeper.abort_multiparts() == 0
    clock.ms += 1000 * DAY_S + 1
    assert await sweeper.abort_multiparts() == 1
