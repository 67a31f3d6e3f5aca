"""The event loop of a worker gets its turns while a job with as many hits as a job lists is in hand.

The loop answers Kafka's heartbeats, which come every 1.7 s. What keeps it waiting is compiled code that holds the
interpreter. So the waits are measured in processor time of the process: other programs on the machine don't count.
"""

import asyncio
import gc
import time
from datetime import UTC, datetime

import pytest

from services.classify.compile import compile_kernels
from services.classify.handlers import Handler as Classify
from services.classify.measurement import MOST_HITS
from services.classify.model import load_model
from services.export.artefacts import warm_up
from services.export.handlers import Handler as Export
from tests.bench import crowd
from tests.bench.hits import MemoryBucket
from tests.crowded_job import searched_job

# Measured: at most 0.07 s. Before hits were written and read in portions, it was 0.6 s.
LONGEST_WAIT_S = 0.4
LINES_SPACING = 6
JOB = "a1b2c3d4-0000-4000-8000-000000000013"


@pytest.fixture(autouse=True)
def _as_in_a_service():
    """Keep the garbage collector from what the tests have loaded, as `shared.service` does."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


async def longest_wait_s(work):
    """Return the result of some work, the most processor time between two turns of the loop, and all of it."""
    waits = []

    async def tick():
        while True:
            before = time.process_time()
            await asyncio.sleep(0.001)
            waits.append(time.process_time() - before)

    ticking, began = asyncio.create_task(tick()), time.process_time()
    await asyncio.sleep(0)
    result = await work
    took = time.process_time() - began
    # A wait that the work ended in is noticed at the next turn.
    await asyncio.sleep(0.01)
    ticking.cancel()
    return result, max(waits), took


async def test_classify_and_export_give_the_loop_its_turns():
    model = load_model()
    compile_kernels(model)
    warm_up()
    event, objects = searched_job(JOB)
    bucket = MemoryBucket()
    for key, raw in objects.items():
        await bucket.put(key, raw)
    labelling = Classify(bucket, model=model, now=lambda: datetime(2026, 1, 3, tzinfo=UTC)).handle(event)
    events, wait_s, took_s = await longest_wait_s(labelling)
    assert events[-1].summary.raw_hits == MOST_HITS
    assert wait_s < LONGEST_WAIT_S < took_s
    exported, wait_s, took_s = await longest_wait_s(Export(bucket, bucket).handle(events[-1]))
    assert len(exported[0].artefacts) == 10
    assert wait_s < LONGEST_WAIT_S < took_s


async def test_dedoppler_gives_the_loop_its_turns():
    band = crowd.Band("", 2**17, 2**17, LINES_SPACING)
    # Once unmeasured: kernels are compiled, or loaded, which holds the interpreter.
    await crowd._search(band, MemoryBucket())
    done, wait_s, took_s = await longest_wait_s(crowd._search(band, MemoryBucket()))
    assert done.n_hits > 1000
    assert wait_s < LONGEST_WAIT_S < took_s
