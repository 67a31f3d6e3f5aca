"""Test that a worker holds few messages in memory, however many wait on the broker."""

import asyncio
import json

PATIENCE_S = 60.0
# Bytes per fetch and partition: the default limit of the client library.
FETCH_BYTES = 2**20
MESSAGE_BYTES = 60_000
COUNT = 60
# Several times the consumer's polling interval.
WHILE_S = 1.0


async def test_worker_fetches_only_once_while_it_handles_a_message(workers, probe, message, until):
    worker = await workers.take()
    in_hand, released, handled = asyncio.Event(), asyncio.Event(), 0

    async def handle(_event):
        nonlocal handled
        handled += 1
        in_hand.set()
        await released.wait()
        return []

    worker.handle = handle
    # Consumers ignore unknown fields.
    padded = [
        json.dumps(json.loads(message(n).to_bytes()) | {"padding": "x" * MESSAGE_BYTES}).encode() for n in range(COUNT)
    ]
    await asyncio.gather(*(probe.send(worker.topic, one) for one in padded))
    await asyncio.wait_for(in_hand.wait(), PATIENCE_S)
    await asyncio.sleep(WHILE_S)
    # The position is the offset of the next fetch. All messages before it were fetched.
    (partition,) = [one for one in worker.consumer._kafka.assignment() if one.partition == 0]
    taken = await worker.consumer._kafka.position(partition)
    assert handled == 1
    assert 1 <= taken <= FETCH_BYTES / MESSAGE_BYTES + 1 < COUNT / 3
    released.set()

    async def all_are_committed():
        return await probe.committed(worker.group, worker.topic) == COUNT

    await until(all_are_committed)
    assert handled == COUNT
    await worker.finish()
