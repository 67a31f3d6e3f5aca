"""Test rebalances: no result is published twice, and no message is counted as a crash of its process."""

import asyncio
import signal
import sys

import pytest

import shared.bus.consumer
from deploy.local.servers import REPOSITORY
from shared.bus.attempts import PREFIX
from shared.events import JOB_PROGRESS, decode

PATIENCE_S = 60.0


async def starts_on_record(probe, worker, partition=0):
    """Return the committed number of starts of the next message of the worker's group."""
    metadata = await probe.committed_metadata(worker.group, worker.topic, partition)
    return int(metadata.removeprefix(PREFIX)) if metadata.startswith(PREFIX) else 0


# A worker whose first message takes long enough to be frozen during it. It prints a line when a message is in hand.
FROZEN_WORKER = """
import asyncio, sys
import shared.bus.consumer
from shared.bus import Consumer, open_publisher
from shared.events import decode
from shared.settings import ServiceSettings

shared.bus.consumer.MAX_STARTS = 1
# The group does not wait for the message, so it is delivered again.
shared.bus.consumer.HAND_OVER_S = 0.0

async def main(topic, group, output):
    stop, count = asyncio.Event(), 0
    async def handle(event):
        nonlocal count
        count += 1
        print("in hand", flush=True)
        for _ in range(30 if count == 1 else 0):
            await asyncio.sleep(0.05)  # one long sleep would be over when the process resumes
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
    """Wait until the frozen worker has the message in hand. Its log lines are on the same stream."""
    async with asyncio.timeout(PATIENCE_S):
        while (line := await process.stdout.readline()) != b"in hand\n":
            assert line, "the worker ended"


async def test_frozen_process_is_not_counted_as_a_crash(probe, job_id, message, result):
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
        # Meanwhile the group removes it.
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

    async def no_start_is_recorded():
        return await starts_on_record(probe, worker) == 0

    await until(no_start_is_recorded)
    assert await probe.committed(worker.group, worker.topic) == 0
    released.set()
    await worker.ended()
    assert await probe.committed(worker.group, worker.topic) == 1


@pytest.fixture
def many_members(bus_settings, request):
    """Skip the test if the server allows only one member per group."""
    if "kafka" not in request.node.callspec.id:
        pytest.skip("the embedded broker allows one member per group")


@pytest.mark.usefixtures("many_members")
async def test_rebalances_lose_and_repeat_no_message(workers, probe, job_id, message, result, monkeypatch):
    # With one allowed start, a start left on record by a rebalance would make the message a dead letter.
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
    # Messages in hand were finished before their partition moved.
    assert sorted(handled) == list(range(100))
    published = [decode(record.value).event_id for record in await probe.of_job(JOB_PROGRESS, job_id)]
    assert sorted(published) == sorted(result(n).event_id for n in range(100))
    assert await probe.everything(f"{worker.topic}.dlq") == []


async def joined(worker):
    while not await worker.has_partitions():  # noqa: ASYNC110 -- polls a server
        await asyncio.sleep(0.02)
