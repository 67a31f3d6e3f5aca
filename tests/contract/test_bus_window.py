"""Test several messages of one partition in hand: small jobs pass large ones, and no guarantee is weaker."""

import asyncio
import signal
import sys
from collections import defaultdict
from functools import partial

import pytest

import shared.bus.consumer
from deploy.local.servers import REPOSITORY
from shared.errors import TransientError
from shared.events import JOB_PROGRESS, decode

PATIENCE_S = 60.0
AT_ONCE = 3


@pytest.fixture
async def worker(workers, probe, until):
    topic = await probe.new_topic()
    started = workers.start(topic, f"group-{topic}", at_once=AT_ONCE)
    await until(started.has_partitions)
    return started


class Doors:
    """A handler whose messages are in hand until the test opens their doors."""

    def __init__(self, result=None):
        self._result = result
        self._opened = defaultdict(asyncio.Event)
        self.begun, self.ended = [], []

    def open(self, *numbers):
        for number in numbers:
            self._opened[number].set()

    async def __call__(self, event):
        self.begun.append(event.done)
        await self._opened[event.done].wait()
        self.ended.append(event.done)
        return [self._result(event.done)] if self._result else []

    async def have_begun(self, *numbers):
        return set(numbers) <= set(self.begun)

    async def have_ended(self, *numbers):
        return set(numbers) <= set(self.ended)


async def committed_at(probe, worker, offset, metadata):
    found = await probe.committed(worker.group, worker.topic)
    return (found, await probe.committed_metadata(worker.group, worker.topic)) == (offset, metadata)


async def test_a_message_that_comes_later_passes_one_that_is_in_hand(worker, probe, until, message, result, job_id):
    worker.handle = doors = Doors(result)
    await probe.send(worker.topic, message(0), key="large")
    await until(partial(doors.have_begun, 0))
    await probe.send(worker.topic, message(1), key="small")
    doors.open(1)
    await until(partial(doors.have_ended, 1))
    # The offset does not pass what is not done, and only what is in hand has a start on record.
    await until(partial(committed_at, probe, worker, 0, "starts=1"))
    published = [decode(record.value) for record in await probe.of_job(JOB_PROGRESS, job_id)]
    assert [event.event_id for event in published] == [result(1).event_id]
    doors.open(0)
    await until(partial(committed_at, probe, worker, 2, ""))
    await worker.finish()
    assert doors.ended == [1, 0]


async def test_a_key_s_messages_are_handled_in_order_and_one_at_a_time(worker, probe, until, message):
    worker.handle = doors = Doors()
    keys = ["a", "a", "b", "b", "a", "c"]
    for number, key in enumerate(keys):
        await probe.send(worker.topic, message(number), key=key)
    await until(partial(doors.have_begun, 0, 2, 5))
    assert len(doors.begun) == AT_ONCE
    doors.open(*range(len(keys)))
    await until(partial(committed_at, probe, worker, len(keys), ""))
    await worker.finish()
    for key in "abc":
        own = [number for number, of in enumerate(keys) if of == key]
        assert [number for number in doors.begun if number in own] == own
    assert sorted(doors.ended) == list(range(len(keys)))


async def test_stop_finishes_what_is_in_hand_and_begins_nothing(worker, probe, until, message):
    worker.handle = doors = Doors()
    for number in range(AT_ONCE + 2):
        await probe.send(worker.topic, message(number), key=f"key-{number}")
    await until(partial(doors.have_begun, *range(AT_ONCE)))
    worker.stop.set()
    # The process may be killed while it stops, for which its messages are not to blame.
    await until(partial(committed_at, probe, worker, 0, "starts=0"))
    doors.open(*range(AT_ONCE + 2))
    await worker.ended()
    assert sorted(doors.ended) == list(range(AT_ONCE))
    assert await committed_at(probe, worker, AT_ONCE, "")


async def test_what_is_in_hand_at_a_cancellation_leaves_no_start_and_is_handled_again(
    worker, workers, probe, until, message
):
    worker.handle = doors = Doors()
    for number in range(AT_ONCE):
        await probe.send(worker.topic, message(number), key=f"key-{number}")
    await until(partial(doors.have_begun, *range(AT_ONCE)))
    doors.open(1)
    await until(partial(committed_at, probe, worker, 0, "starts_at=0:1,2:1"))
    worker.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker.task
    assert await committed_at(probe, worker, 0, "starts=0")
    successor = workers.start(worker.topic, worker.group, at_once=AT_ONCE)
    successor.handle = again = Doors()
    again.open(*range(AT_ONCE))
    await until(partial(committed_at, probe, worker, AT_ONCE, ""))
    await successor.finish()
    assert sorted(again.ended) == list(range(AT_ONCE))


async def test_an_outage_leaves_no_start_of_any_message(worker, probe, until, message, monkeypatch):
    monkeypatch.setattr(shared.bus.consumer, "FIRST_WAIT_S", 0.01)
    doors = Doors()

    async def handle(event):
        if event.done == 1:
            await until(partial(doors.have_begun, 0))
            raise TransientError("S3 is unavailable.")
        return await doors(event)

    worker.handle = handle
    for number in range(2):
        await probe.send(worker.topic, message(number), key=f"key-{number}")
    with pytest.raises(TransientError, match="S3 is unavailable"):
        await worker.ended()
    assert await committed_at(probe, worker, 0, "starts=0")


# A worker that dies with two messages of a partition in hand, or with the one that kills it.
DYING_WORKER = """
import asyncio, os, signal, sys
from shared.bus import Consumer, open_publisher
from shared.settings import ServiceSettings

async def main(topic, group, alone):
    both = asyncio.Barrier(2)
    async def handle(event):
        if not alone:
            await both.wait()
        if event.done == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.Event().wait()
    settings = ServiceSettings()
    async with open_publisher(settings) as publisher:
        consumer = Consumer(settings, group=group, topics=[topic], handle=handle, publisher=publisher, at_once=3)
        await consumer.run(asyncio.Event())

asyncio.run(main(sys.argv[1], sys.argv[2], len(sys.argv) > 3))
"""


async def die(settings, *arguments):
    environment = {
        "WATERHOLE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "WATERHOLE_KAFKA_SESSION_TIMEOUT_MS": str(settings.kafka_session_timeout_ms),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DYING_WORKER, *arguments, env=environment, cwd=REPOSITORY
    )
    try:
        return await asyncio.wait_for(process.wait(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_of_two_in_hand_only_the_message_that_kills_its_process_becomes_a_dead_letter(
    workers, probe, until, message, monkeypatch
):
    monkeypatch.setattr(shared.bus.consumer, "MAX_STARTS", 2)
    topic = await probe.new_topic()
    group = f"group-{topic}"
    for number in range(2):
        await probe.send(topic, message(number), key=f"key-{number}")
    assert await die(probe.settings, topic, group) == -signal.SIGKILL
    assert await probe.committed_metadata(group, topic) == "starts_at=0:1,1:1"
    # Now they are handled one by one, so that the next death tells which of them it was.
    assert await die(probe.settings, topic, group, "alone") == -signal.SIGKILL
    assert await probe.committed_metadata(group, topic) == "starts_at=0:2,1:1"
    survivor = workers.start(topic, group, at_once=3)
    survivor.handle = doors = Doors()
    doors.open(1)
    await until(partial(committed_at, probe, survivor, 2, ""))
    await survivor.finish()
    assert doors.ended == [1]
    (letter,) = await probe.everything(f"{topic}.dlq")
    assert decode(letter.value).done == 0
    assert dict(letter.headers)["error_code"] == b"worker_crashed"


async def test_after_a_death_messages_are_in_hand_one_by_one_until_all_of_them_are_done(workers, probe, until, message):
    topic = await probe.new_topic()
    group = f"group-{topic}"
    await probe.commit_for(group, topic, 0, "starts_at=0:1,2:1")
    for number in range(5):
        await probe.send(topic, message(number), key=f"key-{number}")
    survivor = workers.start(topic, group, at_once=AT_ONCE)
    survivor.handle = doors = Doors()
    for number in range(3):
        await until(partial(doors.have_begun, number))
        assert doors.begun == list(range(number + 1))
        doors.open(number)
    await until(partial(doors.have_begun, 3, 4))
    doors.open(3, 4)
    await until(partial(committed_at, probe, survivor, 5, ""))
    await survivor.finish()
