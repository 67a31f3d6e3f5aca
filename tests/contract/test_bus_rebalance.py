"""Partitions that come and go: no result twice, and no message that is taken for one that kills its process."""

import asyncio
import signal
import sys

import pytest

import shared.bus.consumer
from deploy.local.servers import REPOSITORY
from shared.bus.attempts import PREFIX
from shared.events import JOB_PROGRESS, decode

PATIENCE_S = 20.0


async def starts_on_record(probe, worker, partition=0):
    """How many starts are committed for the message that the worker's group goes on from."""
    metadata = await probe.committed_metadata(worker.group, worker.topic, partition)
    return int(metadata.removeprefix(PREFIX)) if metadata.startswith(PREFIX) else 0


# A worker that takes long enough over its first message to be frozen in the middle of it, and that says what it does.
FROZEN_WORKER = """
import asyncio, sys
import shared.bus.consumer
from shared.bus import Consumer, open_publisher
from shared.events import decode
from shared.settings import ServiceSettings

shared.bus.consumer.MAX_STARTS = 1
# Its message takes longer than the group waits, and comes again.
shared.bus.consumer.HAND_OVER_S = 0.0

async def main(topic, group, output):
    stop, count = asyncio.Event(), 0
    async def handle(event):
        nonlocal count
        count += 1
        print("in hand", flush=True)
        for _ in range(30 if count == 1 else 0):
            await asyncio.sleep(0.05)  # one long sleep would be over when the process goes on
        if count > 1:
            stop.set()
        return [decode(output.encode())]
    settings = ServiceSettings()
    async with open_publisher(settings) as publisher:
        consumer = Consumer(
            settings, group=group, topics=[topic], handle=handle, publisher=publisher, stage="dedoppler"
        )
        await consumer.run(stop)

asyncio.run(main(*sys.argv[1:]))
"""


async def until_in_hand(process):
    """Wait until that worker has the message in hand; its log is on the same stream."""
    async with asyncio.timeout(PATIENCE_S):
        while (line := await process.stdout.readline()) != b"in hand\n":
            assert line, "the worker ended"


async def test_a_process_that_was_frozen_is_not_taken_for_one_that_died(probe, job_id, message, result):
    topic, settings = await probe.new_topic(), probe.settings
    await probe.send(topic, message(), key=job_id)
    environment = {
        "WATERHOLE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "WATERHOLE_KAFKA_SESSION_TIMEOUT_MS": str(settings.kafka_session_timeout_ms),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FROZEN_WORKER, topic, f"group-{topic}", result().to_bytes().decode()),
        env=environment,
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await until_in_hand(process)
        process.send_signal(signal.SIGSTOP)
        # The group gives it up meanwhile.
        await asyncio.sleep(settings.kafka_session_timeout_ms / 1000 + 1.0)
        process.send_signal(signal.SIGCONT)
        await until_in_hand(process)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert await probe.committed(f"group-{topic}", topic) == 1
    assert await probe.everything(f"{topic}.dlq") == []
    published = {decode(record.value).event_id for record in await probe.of_job(JOB_PROGRESS, job_id)}
    assert published == {result().event_id}


async def test_sigterm_counts_no_start_even_if_a_kill_follows(workers, probe, message, until):
    worker = await workers.take()
    in_hand, released = asyncio.Event(), asyncio.Event()

    async def handle(_event):
        in_hand.set()
        await released.wait()
        return []

    worker.handle = handle
    await probe.send(worker.topic, message())
    await asyncio.wait_for(in_hand.wait(), PATIENCE_S)
    assert await starts_on_record(probe, worker) == 1
    worker.stop.set()

    async def is_taken_back():
        return await starts_on_record(probe, worker) == 0

    await until(is_taken_back)
    assert await probe.committed(worker.group, worker.topic) == 0
    released.set()
    await worker.ended()
    assert await probe.committed(worker.group, worker.topic) == 1


@pytest.fixture
def many_members(bus_settings, request):
    """Skips where the server takes one member per group alone."""
    if "kafka" not in request.node.callspec.id:
        pytest.skip("the embedded broker takes one member per group")


@pytest.mark.usefixtures("many_members")
async def test_members_that_come_and_go_lose_and_double_nothing(workers, probe, job_id, message, result, monkeypatch):
    # No start is left on record that was survived, however often partitions move.
    monkeypatch.setattr(shared.bus.consumer, "MAX_STARTS", 1)
    worker = await workers.take()
    handled = []

    async def handle(event):
        handled.append(event.done)
        await asyncio.sleep(0.02)
        return [result(event.done)]

    worker.handle = handle
    for n in range(100):
        await probe.send(worker.topic, message(n), key=job_id, partition=n % 4)
    for _ in range(3):
        other = workers.start(worker.topic, worker.group)
        other.handle = handle
        await asyncio.wait_for(joined(other), PATIENCE_S)
        await other.finish()
    async with asyncio.timeout(PATIENCE_S):
        while [await probe.committed(worker.group, worker.topic, p) for p in range(4)] != [25] * 4:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await worker.finish()
    # What was in hand when partitions moved was finished first.
    assert sorted(handled) == list(range(100))
    published = [decode(record.value).event_id for record in await probe.of_job(JOB_PROGRESS, job_id)]
    assert sorted(published) == sorted(result(n).event_id for n in range(100))
    assert await probe.everything(f"{worker.topic}.dlq") == []


async def joined(worker):
    while not await worker.has_partitions():  # noqa: ASYNC110 -- only the group knows
        await asyncio.sleep(0.02)
