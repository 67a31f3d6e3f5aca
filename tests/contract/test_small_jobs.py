"""A small job is labelled and exported while a job with as many hits as a job lists is in hand on its partition."""

import asyncio
import uuid
from datetime import UTC, datetime

import pytest

from services.classify.handlers import LARGE_HITS
from services.classify.handlers import Handler as Classify
from services.classify.measurement import MOST_HITS
from services.classify.model import load_model
from services.export.handlers import Handler as Export
from shared.events import ObservationClassified, ObservationExported
from tests.bench.hits import MemoryBucket
from tests.crowded_job import searched_job

PATIENCE_S = 60.0


class Gate(MemoryBucket):
    """A bucket in which some jobs' objects of one name can't be written before the gate is open."""

    def __init__(self, objects, job_ids, filename):
        super().__init__()
        self._objects.update(objects)
        self._held = {f"jobs/{job_id}/{filename}" for job_id in job_ids}
        self.opened, self.reached = asyncio.Event(), asyncio.Event()

    async def put(self, key, body, content_type="application/octet-stream"):
        if key in self._held:
            self.reached.set()
            await self.opened.wait()
        await super().put(key, body, content_type)


async def order_of_ends(worker, probe, bucket, handle, events, kind):
    """Send the events, the last one when the others are in hand; return the jobs in the order of their ends."""
    ended, all_ended = [], asyncio.Event()

    async def noted(event):
        published = await handle(event)
        ended.extend(output.job_id for output in published if isinstance(output, kind))
        # The last job can't wait for the others: these end after it.
        if events[-1].job_id in ended:
            bucket.opened.set()
        if len(ended) == len(events):
            all_ended.set()
        return []

    worker.handle = noted
    *large, small = events
    for event in large:
        await probe.send(worker.topic, event, key=event.job_id)
    await asyncio.wait_for(bucket.reached.wait(), PATIENCE_S)
    await probe.send(worker.topic, small, key=small.job_id)
    await asyncio.wait_for(all_ended.wait(), PATIENCE_S)
    await worker.finish()
    return ended


@pytest.fixture(scope="module")
def jobs():
    """Return the events of two jobs that are large and of a small one, and their objects."""
    made = [searched_job(str(uuid.uuid4()), hits) for hits in (MOST_HITS, LARGE_HITS + 1, 3)]
    return [event for event, _ in made], {key: raw for _, objects in made for key, raw in objects.items()}


async def started(workers, probe, until):
    topic = await probe.new_topic()
    worker = workers.start(topic, f"group-{topic}", at_once=8)
    await until(worker.has_partitions)
    return worker


def classify(bucket):
    return Classify(bucket, model=load_model(), now=lambda: datetime(2026, 1, 3, tzinfo=UTC))


async def test_a_small_job_is_labelled_while_large_ones_are(workers, probe, until, jobs):
    events, objects = jobs
    bucket = Gate(objects, [event.job_id for event in events[:2]], "results.json")
    worker = await started(workers, probe, until)
    ended = await order_of_ends(worker, probe, bucket, classify(bucket).handle, events, ObservationClassified)
    assert ended[0] == events[-1].job_id
    assert sorted(ended) == sorted(event.job_id for event in events)


async def test_a_small_job_is_exported_while_large_ones_are(workers, probe, until, jobs):
    events, objects = jobs
    bucket = Gate(objects, [event.job_id for event in events[:2]], "catalog.csv")
    labelling = classify(bucket)
    classified = [(await labelling.handle(event))[-1] for event in events]
    worker = await started(workers, probe, until)
    handle = Export(bucket, bucket).handle
    ended = await order_of_ends(worker, probe, bucket, handle, classified, ObservationExported)
    assert ended[0] == events[-1].job_id
    assert sorted(ended) == sorted(event.job_id for event in events)
