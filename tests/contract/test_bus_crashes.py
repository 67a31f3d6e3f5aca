"""Test messages that crash their process, and a broker that is killed while consumers run."""

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

import shared.bus.consumer
from shared.bus import Consumer, open_publisher
from shared.bus.consumer import MAX_STARTS
from shared.errors import TransientError
from shared.events import JOB_FAILED, JobProgress, decode
from shared.settings import ServiceSettings

PATIENCE_S = 60.0
POISON, BYSTANDER = 0, 1

# A worker that dies while it handles the poison message: as soon as the bystander message is in hand, or after 0.5 s.
DYING_WORKER = """
import asyncio, ctypes, os, signal, sys
from shared.bus import Consumer, open_publisher
from shared.settings import ServiceSettings

def die(how):
    if how == "segfault":
        ctypes.string_at(0)
    # The kernel sends SIGKILL to a process when memory runs out.
    os.kill(os.getpid(), signal.SIGKILL)

async def main(topic, group, how):
    bystander = asyncio.Event()
    async def handle(event):
        if event.done == 0:
            try:
                await asyncio.wait_for(bystander.wait(), 0.5)
            finally:
                die(how)
        bystander.set()
        await asyncio.sleep(0.2)
        return []
    settings = ServiceSettings()
    async with open_publisher(settings) as publisher:
        consumer = Consumer(
            settings, group=group, topics=[topic], handle=handle, publisher=publisher, stage="dedoppler"
        )
        await consumer.run(asyncio.Event())

asyncio.run(main(*sys.argv[1:]))
"""


async def run_dying_worker(settings, topic, group, how):
    """Run `DYING_WORKER` and return its exit status, which is negative for a signal."""
    environment = {
        "WATERHOLE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "WATERHOLE_KAFKA_SESSION_TIMEOUT_MS": str(settings.kafka_session_timeout_ms),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DYING_WORKER, topic, group, how, env=environment, cwd=Path(__file__).parents[2]
    )
    try:
        return await asyncio.wait_for(process.wait(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass
class Crash:
    """Two messages and a worker that dies while it handles one of them and may hold the other."""

    topic: str
    group: str
    job_id: str
    poison: JobProgress
    exit_status: asyncio.Task[int]


DEATHS = {"segfault": signal.SIGSEGV, "out of memory": signal.SIGKILL}


@pytest.fixture(scope="module", autouse=True)
async def crashes(probe) -> AsyncIterator[Mapping[str, Crash]]:
    """Start the dying workers with the first test of this file, because they take time to start, join and die."""
    started = {how: await start_crash(probe, how) for how in DEATHS}
    yield started
    await asyncio.gather(*(crash.exit_status for crash in started.values()))


async def start_crash(probe, how) -> Crash:
    topic, job_id = await probe.new_topic(), str(uuid.uuid4())
    sent = []
    for partition in (POISON, BYSTANDER):
        event = JobProgress.make(
            job_id=job_id, producer="test", step=f"{partition}", stage="ingest", done=partition, total=2
        )
        await probe.send(topic, event, key=job_id, partition=partition)
        # The commit of an earlier process that died with both messages in hand.
        await probe.commit_for("crash-" + topic, topic, 0, "starts=1", partition)
        sent.append(event)
    dying = asyncio.create_task(run_dying_worker(probe.settings, topic, "crash-" + topic, how))
    return Crash(topic, "crash-" + topic, job_id, sent[POISON], dying)


async def test_message_is_started_at_most_max_starts_times(workers, probe, job_id, message):
    topic, group = await probe.new_topic(), f"group-{job_id}"
    # Commits of earlier processes: one start left; no start left; no start left for the first of two messages.
    last_try, spent, moved_on = 0, 1, 2
    await probe.send(topic, message(last_try), partition=last_try)
    await probe.commit_for(group, topic, 0, f"starts={MAX_STARTS - 1}", last_try)
    await probe.send(topic, message(spent), partition=spent)
    await probe.commit_for(group, topic, 0, f"starts={MAX_STARTS}", spent)
    for _ in range(2):
        await probe.send(topic, message(moved_on), partition=moved_on)
    await probe.commit_for(group, topic, 0, f"starts={MAX_STARTS}", moved_on)
    worker = workers.start(topic, group)
    handled = []

    async def handle(event):
        handled.append(event.done)
        if len(handled) == 2:
            worker.stop.set()
        return []

    worker.handle = handle
    await worker.ended()
    assert sorted(handled) == [last_try, moved_on]
    letters = await probe.everything(f"{topic}.dlq")
    assert sorted(dict(letter.headers)["origin_partition"] for letter in letters) == [b"1", b"2"]
    committed = [await probe.committed(group, topic, partition) for partition in (last_try, spent, moved_on)]
    assert committed == [1, 1, 2]


@pytest.fixture
async def broker(tmp_path: Path, until) -> AsyncIterator[tuple[asyncio.subprocess.Process, ServiceSettings]]:
    """Run an embedded broker that the test can kill. Yield its process and settings that name it."""
    address = tmp_path / "address"
    quiet = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "deploy.local.broker", str(address), **quiet)

    async def is_up():
        return address.exists()

    await until(is_up)
    yield process, ServiceSettings(kafka_bootstrap=address.read_text(), kafka_session_timeout_ms=3_000)
    if process.returncode is None:
        process.kill()
        await process.wait()


async def is_ready(checked):
    try:
        await checked.check()
    except TransientError:
        return False
    return True


async def is_unavailable(checked):
    return not await is_ready(checked)


async def test_consumers_end_correctly_while_the_broker_is_unavailable(broker, message, until, monkeypatch):
    process, settings = broker
    monkeypatch.setattr(shared.bus.consumer, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(shared.bus.consumer, "LAST_COMMIT_S", 0.1)
    in_hand, carry_on = asyncio.Event(), asyncio.Event()

    async def handle(_event):
        in_hand.set()
        await carry_on.wait()
        raise TransientError("Everything is unavailable.")

    async with open_publisher(settings) as publisher:
        assert await is_ready(publisher)
        await publisher.publish_raw("work", b"key", message().to_bytes())
        busy = Consumer(settings, group="busy", topics=["work"], handle=handle, publisher=publisher, stage="dedoppler")
        idle = Consumer(settings, group="idle", topics=["nothing"], handle=handle, publisher=publisher)
        stop = asyncio.Event()
        busy_run, idle_run = asyncio.create_task(busy.run(asyncio.Event())), asyncio.create_task(idle.run(stop))
        await asyncio.wait_for(in_hand.wait(), PATIENCE_S)
        await until(partial(is_ready, idle))
        process.kill()
        await process.wait()
        await until(partial(is_unavailable, publisher))
        carry_on.set()
        stop.set()
        # Neither task may end as cancelled, because a task group would take it for finished.
        with pytest.raises(TransientError, match="Everything is unavailable"):
            await asyncio.wait_for(busy_run, PATIENCE_S)
        await asyncio.wait_for(idle_run, PATIENCE_S)


async def test_missing_broker_is_a_transient_error():
    settings = ServiceSettings(kafka_bootstrap="127.0.0.1:1", kafka_session_timeout_ms=3_000)
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1"):
        async with open_publisher(settings):
            pass

    async def handle(_event):
        return []

    consumer = Consumer(settings, group="group", topics=["work"], handle=handle, publisher=None)
    with pytest.raises(TransientError, match="unavailable"):
        await consumer.run(asyncio.Event())


@pytest.mark.parametrize("how", DEATHS)
async def test_only_the_message_that_kills_its_process_becomes_a_dead_letter(
    how, crashes, workers, probe, until, monkeypatch
):
    monkeypatch.setattr(shared.bus.consumer, "MAX_STARTS", 2)
    crash = crashes[how]
    assert await crash.exit_status == -DEATHS[how]
    assert await probe.committed(crash.group, crash.topic, POISON) == 0
    survivor = workers.start(crash.topic, crash.group)
    handled = []

    async def handle(event):
        handled.append(event)
        return []

    survivor.handle = handle

    async def both_are_committed():
        offsets = [await probe.committed(crash.group, crash.topic, partition) for partition in (POISON, BYSTANDER)]
        return offsets == [1, 1]

    await until(both_are_committed)
    await survivor.finish()
    # The bystander may have been handled before the process died.
    assert crash.poison not in handled
    (letter,) = await probe.everything(f"{crash.topic}.dlq")
    assert letter.value == crash.poison.to_bytes()
    assert dict(letter.headers)["error_code"] == b"worker_crashed"
    (failed,) = [decode(record.value) for record in await probe.of_job(JOB_FAILED, crash.job_id)]
    assert (failed.stage, failed.code) == ("dedoppler", "worker_crashed")
