"""Test the bus without failures: commits after acknowledged results, order per key, partitions in parallel."""

import asyncio
import time
from collections import defaultdict

import pytest

import shared.bus.consumer
from shared.errors import TransientError
from shared.events import JOB_PROGRESS, decode

PATIENCE_S = 60.0


async def test_results_are_published_and_the_offset_moves_on(workers, probe, job_id, message, result):
    worker = await workers.take()
    handled = []

    async def handle(event):
        handled.append(event)
        if len(handled) == 3:
            worker.stop.set()
        return [result(2 * event.done), result(2 * event.done + 1)]

    worker.handle = handle
    sent = [message(n) for n in range(3)]
    await probe.send(worker.topic, sent[0])
    await probe.send_together(worker.topic, sent[1:])
    await worker.ended()
    assert handled == sent
    published = [decode(record.value) for record in await probe.of_job(JOB_PROGRESS, job_id)]
    assert [event.event_id for event in published] == [result(n).event_id for n in range(6)]
    assert await probe.committed(worker.group, worker.topic) == 3


async def test_the_offset_moves_only_after_every_result_is_acknowledged(workers, probe, job_id, message, result):
    worker = await workers.take()
    n_published = 0
    second, released = asyncio.Event(), asyncio.Event()

    async def before():
        nonlocal n_published
        n_published += 1
        if n_published == 2:
            second.set()
            await released.wait()

    async def handle(_event):
        return [result(0), result(1)]

    worker.publisher.before, worker.handle = before, handle
    await probe.send(worker.topic, message())
    await asyncio.wait_for(second.wait(), PATIENCE_S)
    assert await probe.committed(worker.group, worker.topic) == 0
    worker.stop.set()
    assert len(await probe.of_job(JOB_PROGRESS, job_id)) == 1
    released.set()
    await worker.ended()
    assert await probe.committed(worker.group, worker.topic) == 1
    assert len(await probe.of_job(JOB_PROGRESS, job_id)) == 2


async def test_messages_of_one_key_are_handled_in_order_and_one_at_a_time(workers, probe, message):
    worker = await workers.take()
    seen, in_hand, most_in_hand = defaultdict(list), defaultdict(int), 0
    n_seen, all_seen = 0, asyncio.Event()

    async def handle(event):
        nonlocal n_seen, most_in_hand
        key = event.done % 5
        in_hand[key] += 1
        most_in_hand = max(most_in_hand, in_hand[key])
        # Long enough for the next message of the partition to overtake this one if the order were not kept.
        for _ in range(3):
            await asyncio.sleep(0)
        in_hand[key] -= 1
        seen[key].append(event.done)
        n_seen += 1
        if n_seen == 60:
            all_seen.set()
        return []

    worker.handle = handle
    for n in range(60):
        await probe.send_by_key(worker.topic, message(n), f"key-{n % 5}")
    await asyncio.wait_for(all_seen.wait(), PATIENCE_S)
    await worker.finish()
    assert most_in_hand == 1
    assert dict(seen) == {key: list(range(key, 60, 5)) for key in range(5)}


async def test_partitions_are_handled_in_parallel(workers, probe, message):
    worker = await workers.take()
    both = asyncio.Barrier(2)

    async def handle(_event):
        # The barrier opens only if the other partition's message is also in hand.
        await asyncio.wait_for(both.wait(), PATIENCE_S)
        worker.stop.set()
        return []

    worker.handle = handle
    for partition in (0, 1):
        await probe.send(worker.topic, message(partition), partition=partition)
    await worker.ended()
    assert [await probe.committed(worker.group, worker.topic, partition) for partition in (0, 1)] == [1, 1]


async def test_a_message_is_handled_again_after_a_crash_between_publish_and_commit(
    workers, probe, job_id, message, result
):
    worker = await workers.take()

    async def handle(_event):
        return [result()]

    async def crash():
        worker.task.cancel()
        await asyncio.Event().wait()

    worker.publisher.after, worker.handle = crash, handle
    first = message()
    await probe.send(worker.topic, first)
    with pytest.raises(asyncio.CancelledError):
        await worker.ended()
    assert await probe.committed(worker.group, worker.topic) == 0

    successor = workers.start(worker.topic, worker.group)
    handled = []

    async def handle_again(event):
        handled.append(event)
        successor.stop.set()
        return [result()]

    successor.handle = handle_again
    await successor.ended()
    assert handled == [first]
    assert await probe.committed(worker.group, worker.topic) == 1
    # The repeated result has the same event_id, so readers can detect it.
    published = [decode(record.value) for record in await probe.of_job(JOB_PROGRESS, job_id)]
    assert [event.event_id for event in published] == [result().event_id] * 2


async def test_stop_finishes_only_the_message_in_hand(workers, probe, job_id, message, result):
    worker = await workers.take()
    in_hand, released = asyncio.Event(), asyncio.Event()
    handled = []

    async def handle(event):
        handled.append(event.done)
        in_hand.set()
        await released.wait()
        return [result()]

    worker.handle = handle
    await probe.send_together(worker.topic, [message(n) for n in range(3)])
    await asyncio.wait_for(in_hand.wait(), PATIENCE_S)
    worker.stop.set()
    done, _ = await asyncio.wait([worker.task], timeout=0.5)
    assert not done
    released.set()
    await worker.ended()
    assert handled == [0]
    assert len(await probe.of_job(JOB_PROGRESS, job_id)) == 1
    assert await probe.committed(worker.group, worker.topic) == 1


async def test_draining_has_a_time_limit(workers, probe, message, monkeypatch):
    monkeypatch.setattr(shared.bus.consumer, "DRAIN_S", 0.1)
    worker = await workers.take()
    in_hand = asyncio.Event()

    async def handle(_event):
        in_hand.set()
        await asyncio.Event().wait()

    worker.handle = handle
    await probe.send(worker.topic, message())
    await asyncio.wait_for(in_hand.wait(), PATIENCE_S)
    await worker.finish()
    assert await probe.committed(worker.group, worker.topic) == 0


async def test_work_in_a_thread_may_take_longer_than_the_session(workers, probe, job_id, message, result):
    worker = await workers.take()
    duration_s = probe.settings.kafka_session_timeout_ms / 1000 + 1
    n_handled, is_done = 0, asyncio.Event()

    async def handle(_event):
        nonlocal n_handled
        n_handled += 1
        await asyncio.to_thread(time.sleep, duration_s)
        is_done.set()
        return [result()]

    worker.handle = handle
    await probe.send(worker.topic, message())
    await asyncio.wait_for(is_done.wait(), 2 * duration_s)
    await worker.finish()
    assert n_handled == 1
    assert await probe.committed(worker.group, worker.topic) == 1
    assert len(await probe.of_job(JOB_PROGRESS, job_id)) == 1


async def test_new_group_starts_at_the_oldest_message_and_is_ready_with_partitions(workers, probe, message):
    topic = await probe.new_topic()
    await probe.send(topic, message(7))
    worker = workers.start(topic, f"group-{topic}")
    with pytest.raises(TransientError):
        await worker.consumer.check()
    handled = asyncio.get_running_loop().create_future()

    async def handle(event):
        handled.set_result(event.done)
        return []

    worker.handle = handle
    assert await asyncio.wait_for(handled, PATIENCE_S) == 7
    await worker.consumer.check()
    await worker.finish()
