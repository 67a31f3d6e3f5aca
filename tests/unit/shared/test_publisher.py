"""What the publisher makes of the client library's failures."""

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, MessageSizeTooLargeError, NotEnoughReplicasError

from shared.bus import Publisher
from shared.errors import PermanentError, TransientError
from shared.events import JobProgress

EVENT = JobProgress.make(job_id="job-1", producer="test", stage="ingest", done=1, total=2)


class Producer:
    """Keeps what is sent, or raises."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.sent = []
        self._failure = failure

    async def send_and_wait(self, topic, value, *, key, headers):
        if self._failure is not None:
            raise self._failure
        self.sent.append((topic, value, key, headers))


async def test_an_event_goes_to_its_topic_under_its_key():
    producer = Producer()
    await Publisher(producer).publish(EVENT)
    assert producer.sent == [("job.progress", EVENT.to_bytes(), b"job-1", [])]


@pytest.mark.parametrize(
    "failure", [KafkaConnectionError(), KafkaTimeoutError(), NotEnoughReplicasError(), TimeoutError()]
)
async def test_a_broker_that_does_not_acknowledge_is_a_transient_failure(failure):
    with pytest.raises(TransientError, match=type(failure).__name__):
        await Publisher(Producer(failure)).publish(EVENT)


async def test_an_event_that_is_too_large_always_will_be():
    with pytest.raises(PermanentError) as caught:
        await Publisher(Producer(MessageSizeTooLargeError())).publish(EVENT)
    assert caught.value.code == "event_too_large"
