"""Test that a job of many chunks does not delay a small job, and has few events on the bus at a time."""

import asyncio
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest

from science.simulator import make_header
from services.dedoppler import handlers
from services.dedoppler.handlers import Handler
from services.dedoppler.noise.scratch import Scratch
from shared.bus import Consumer
from shared.bus.publisher import partition_of
from shared.errors import ObjectNotFoundError
from shared.events import CHUNK_READY, ChunkPlan, ChunkReady, SearchParameters, Upload
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise

PATIENCE_S = 60.0
MANY = 64
LOOK_S, QUIET_LOOKS = 0.005, 4
UPLOAD = Upload(
    file_key="uploads/u/1/v.fil",
    file_name="v.fil",
    file_size=1,
    source_name="v",
    submitted_at=datetime(2026, 1, 2, tzinfo=UTC),
)


class MemoryBlobs:
    def __init__(self):
        self.objects = {}

    async def get(self, key):
        if key not in self.objects:
            raise ObjectNotFoundError(key)
        return self.objects[key]

    async def put(self, key, body, content_type="application/octet-stream"):
        self.objects[key] = body


def first_chunks(job_id, count, lanes):
    """Return the events that ingest would publish for a job."""
    plan = ChunkPlan(n_channels=count * 64, count=count, stride_channels=64, parts=1, overlap_channels=0, lanes=lanes)
    return [
        ChunkReady.make(
            job_id=job_id,
            producer="test",
            step=str(lane),
            upload=UPLOAD,
            parameters=SearchParameters(),
            header=make_header(count * 64, 4),
            chunk=plan.chunk(lane),
            plan=plan,
        )
        for lane in range(plan.lanes)
    ]


class Traffic:
    """Counts the announced chunks of two jobs, and the chunks that the worker has in hand."""

    def __init__(self, publisher, handle, partitions):
        self._publisher = publisher
        self._handle = handle
        self._partitions = partitions
        self._waiting, self._in_hand = Counter(), Counter()
        # Expected number of chunks on the bus, after the last searched chunk has announced the next one.
        self.expected = 0
        self.most = 0
        self.is_over = False

    async def publish(self, event):
        await self._publisher.publish(event)
        if event.topic == CHUNK_READY:
            self._waiting[self._partition(event)] += 1
            self.most = max(self.most, self._waiting.total())

    async def handle(self, event):
        partition = self._partition(event)
        self._in_hand[partition] += 1
        outputs = await self._handle(event)
        self._in_hand[partition] -= 1
        self._waiting[partition] -= 1
        return outputs

    def is_quiet(self):
        """Return whether all expected chunks are on the bus, and each partition with chunks has one in hand."""
        taken = all(self._in_hand[at] for at, waiting in list(self._waiting.items()) if waiting)
        return self.is_over or (taken and self._waiting.total() == self.expected)

    def _partition(self, event):
        return partition_of(event.job_id, event.lane, self._partitions)


def job_in(partition, partitions):
    """Return the name of a job whose first lane is on a given partition."""
    names = (str(uuid.uuid4()) for _ in range(1_000))
    return next(name for name in names if partition_of(name, 0, partitions) == partition)


@pytest.mark.parametrize(("lanes", "small_is_behind"), [(1, True), (2, True), (2, False), (3, True)])
async def test_a_small_job_waits_for_the_chunks_in_hand(bus_settings, publisher, monkeypatch, lanes, small_is_behind):
    partitions = await publisher.partition_count(CHUNK_READY)
    large, small = job_in(0, partitions), job_in(0 if small_is_behind else lanes, partitions)
    begun = []

    def slow_search(_power, header, *_):
        # A search lasts until the bus has finished all other work.
        begun.append(large if header.n_channels > 64 else small)
        quiet = 0
        while quiet < QUIET_LOOKS:
            time.sleep(LOOK_S)
            quiet = quiet + 1 if traffic.is_quiet() else 0
        return ChunkHits(np.empty(0, HIT_DTYPE), [], None, ChunkNoise(), np.zeros((1, 1), np.float32))

    async def read(_event):
        return np.zeros((4, 8), np.float32)

    async def handle(event):
        return await traffic.handle(event) if event.job_id in (large, small) else []

    monkeypatch.setattr(handlers, "search_chunk", slow_search)
    settings = bus_settings.model_copy(update={"kafka_fetch_max_wait_ms": 20})
    with ThreadPoolExecutor(1) as pool:
        traffic = Traffic(publisher, Handler(read, MemoryBlobs(), pool, Scratch()).handle, partitions)
        group = f"dedoppler-{uuid.uuid4().hex}"
        consumer = Consumer(settings, group=group, topics=[CHUNK_READY], handle=handle, publisher=traffic)
        stop = asyncio.Event()
        running = asyncio.create_task(consumer.run(stop))
        traffic.expected = lanes
        try:
            for event in first_chunks(large, MANY, lanes):
                await traffic.publish(event)
            await until(lambda: len(begun) >= 5)
            (event,) = first_chunks(small, 1, 1)
            traffic.expected = lanes + 1
            await traffic.publish(event)
            at = len(begun)
            await until(lambda: small in begun)
            ahead = begun[at:].index(small)
        finally:
            traffic.is_over = True
            stop.set()
            await asyncio.wait_for(running, PATIENCE_S)
    # Chunks of the large job (about 60 are left) that start after the small job is on the bus and before its search.
    assert ahead <= 2 * (lanes - 1)
    assert traffic.most <= lanes + 1


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 -- a list that another task fills
            await asyncio.sleep(0.005)
