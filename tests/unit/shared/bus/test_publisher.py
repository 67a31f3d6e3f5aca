"""How the publisher handles failures of the client library."""

import uuid
from datetime import UTC, datetime

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, MessageSizeTooLargeError, NotEnoughReplicasError

from shared.bus import Publisher
from shared.bus.publisher import partition_of
from shared.errors import PermanentError, TransientError
from shared.events import ChunkPlan, ChunkReady, JobProgress

EVENT = JobProgress.make(job_id="job-1", producer="test", stage="ingest", done=1, total=2)


def in_lane(index, lanes):
    """Return an event of a plan whose chunks are one channel each. Its other content does not matter here."""
    plan = ChunkPlan(n_channels=8, count=8, stride_channels=1, parts=1, overlap_channels=0, lanes=lanes)
    common = {"event_id": uuid.uuid4(), "job_id": "job-1", "occurred_at": datetime.now(UTC), "producer": "test"}
    return ChunkReady.model_construct(**common, chunk=plan.chunk(index), plan=plan)


class Producer:
    """Records what is sent, or raises an error."""

    def __init__(self, failure: Exception | None = None, partitions=frozenset(range(4))) -> None:
        self.sent = []
        self._failure = failure
        self._partitions = partitions

    async def partitions_for(self, topic):
        if self._failure is not None:
            raise self._failure
        return self._partitions

    async def send_and_wait(self, topic, value, *, key, partition, headers):
        if self._failure is not None:
            raise self._failure
        self.sent.append((topic, value, key, partition, headers))


async def test_an_event_goes_to_its_topic_under_its_key():
    producer = Producer()
    await Publisher(producer).publish(EVENT)
    assert producer.sent == [("job.progress", EVENT.to_bytes(), b"job-1", None, [])]


async def test_a_message_with_neither_key_nor_value_can_be_set_aside():
    producer = Producer()
    await Publisher(producer).publish_raw("chunk.ready.dlq", None, None)
    assert producer.sent == [("chunk.ready.dlq", b"", None, None, [])]


@pytest.mark.parametrize("partitions", [4, 3, 1])
async def test_lanes_of_a_job_are_spread_over_the_partitions(partitions):
    producer = Producer(partitions=frozenset(range(partitions)))
    for index in range(8):
        await Publisher(producer).publish(in_lane(index, lanes=4))
    sent_to = [partition for _, _, _, partition, _ in producer.sent]
    assert sent_to[4:] == sent_to[:4]
    assert len(set(sent_to)) == partitions
    assert [key for _, _, key, _, _ in producer.sent] == [f"job-1:{index}".encode() for index in range(8)]


async def test_first_lanes_of_different_jobs_are_spread_too():
    assert {partition_of(f"job-{n}", 0, 4) for n in range(40)} == {0, 1, 2, 3}


async def test_a_missing_topic_is_a_transient_failure():
    with pytest.raises(TransientError, match=r"chunk\.ready"):
        await Publisher(Producer(partitions=None)).publish(in_lane(0, lanes=4))


@pytest.mark.parametrize(
    "failure", [KafkaConnectionError(), KafkaTimeoutError(), NotEnoughReplicasError(), TimeoutError()]
)
async def test_a_broker_that_does_not_acknowledge_is_a_transient_failure(failure):
    with pytest.raises(TransientError, match=type(failure).__name__):
        await Publisher(Producer(failure)).publish(EVENT)


async def test_an_event_that_is_too_large_is_a_permanent_failure():
    with pytest.raises(PermanentError) as caught:
        await Publisher(Producer(MessageSizeTooLargeError())).publish(EVENT)
    assert caught.value.code == "event_too_large"
