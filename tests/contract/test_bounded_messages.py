"""However many messages wait, a worker holds few of them: what waits is the broker's to keep."""

import asyncio
import json

PATIENCE_S = 20.0
# What one fetch brings of a partition, bytes: the client library's own limit.
FETCH_BYTES = 2**20
MESSAGE_BYTES = 60_000
COUNT = 60
# Several times what the consumer takes from one look for messages to the next.
WHILE_S = 1.0


async def test_while_one_message_is_in_hand_no_more_than_one_fetch_is_taken(workers, probe, message, until):
    worker = await workers.take()
    in_hand, released, handled = asyncio.Event(), asyncio.Event(), 0

    async def handle(_event):
        nonlocal handled
        handled += 1
        in_hand.set()
        await released.wait()
        return []

    worker.handle = handle
    # Fields that a consumer does not know are no hindrance.
    padded = [
        json.dumps(json.loads(message(n).to_bytes()) | {"padding": "x" * MESSAGE_BYTES}).encode() for n in range(COUNT)
    ]
    await asyncio.gather(*(probe.send(worker.topic, one) for one in padded))
    await asyncio.wait_for(in_hand.wait(), PATIENCE_S)
    await asyncio.sleep(WHILE_S)
    # Where the consumer's next fetch of the partition begins: all before it was taken off the broker.
    (partition,) = [one for one in worker.consumer._kafka.assignment() if one.partition == 0]
    taken = await worker.consumer._kafka.position(partition)
    assert handled == 1
    assert 1 <= taken <= FETCH_BYTES / MESSAGE_BYTES + 1 < COUNT / 3
    released.set()

    async def all_are_done():
        return await probe.committed(worker.group, worker.topic) == COUNT

    await until(all_are_done)
    assert handled == COUNT
    await worker.finish()
