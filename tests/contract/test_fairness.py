"""A job of many chunks does not keep a small one waiting, and has few events on the bus at a time."""

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest

from services.dedoppler import handlers
from services.dedoppler.handlers import Handler
from shared.bus import Consumer
from shared.errors import ObjectNotFoundError
from shared.events import CHUNK_READY, ChunkPlan, ChunkReady, SearchParameters, Upload
from shared.hits import HIT_DTYPE, ChunkHits
from shared.simulator import make_header

PATIENCE_S = 20.0
SEARCH_S = 0.25
MANY, LANES = 64, 2
UPLOAD = Upload(
    file_key="k", file_name="v.fil", file_size=1, source_name="v", submitted_at=datetime(2026, 1, 2, tzinfo=UTC)
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


def first_chunks(job_id, count):
    """What ingest would publish of a job."""
    plan = ChunkPlan(
        n_channels=count * 64, count=count, stride_channels=64, parts=1, overlap_channels=0, lanes=min(LANES, count)
    )
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


@pytest.mark.parametrize("turn", range(2))
async def test_a_small_job_waits_for_no_more_than_the_chunks_in_hand(bus_settings, publisher, monkeypatch, turn):
    large, small = f"large-{uuid.uuid4().hex}", f"small-{turn}-{uuid.uuid4().hex}"
    begun, in_line, most_in_line = [], 0, 0

    def slow_search(*_):
        time.sleep(SEARCH_S)
        return ChunkHits(np.empty(0, HIT_DTYPE), [], {}, np.zeros((1, 1), np.float32))

    async def read(event):
        begun.append(event.job_id)
        return np.zeros((4, 8), np.float32)

    async def counted(event):
        nonlocal in_line, most_in_line
        if event.job_id not in (large, small):
            return []
        outputs = await handler.handle(event)
        in_line += sum(isinstance(output, ChunkReady) for output in outputs) - 1
        most_in_line = max(most_in_line, in_line)
        return outputs

    monkeypatch.setattr(handlers, "search_chunk", slow_search)
    with ThreadPoolExecutor(1) as pool:
        handler = Handler(read, MemoryBlobs(), pool)
        group = f"dedoppler-{uuid.uuid4().hex}"
        consumer = Consumer(bus_settings, group=group, topics=[CHUNK_READY], handle=counted, publisher=publisher)
        stop = asyncio.Event()
        running = asyncio.create_task(consumer.run(stop))
        in_line = LANES
        for event in first_chunks(large, MANY):
            await publisher.publish(event)
        await until(lambda: len(begun) >= 5)
        (event,) = first_chunks(small, 1)
        await publisher.publish(event)
        at = len(begun)
        await until(lambda: small in begun)
        ahead = begun[at:].count(large)
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)
    # Of the sixty that were left, from when the bus has the small job: those in hand, and what its fetch takes.
    assert ahead <= LANES + 2
    assert most_in_line <= LANES


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 -- a list that another task fills
            await asyncio.sleep(0.005)
