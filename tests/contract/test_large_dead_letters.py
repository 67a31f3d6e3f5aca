"""Test that a message which is too large for a dead letter ends as one all the same, without its bytes."""

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from shared.bus.dead_letters import open_dead_letters
from shared.bus.publisher import LEFT_OUT
from shared.errors import PermanentError
from shared.events import JOB_FAILED, decode

# Just below what this project's client sends and what Kafka accepts, bytes: there is no place for a letter's headers.
SIZES = (4 * 2**20 - 150, 1_048_588 - 150)
MIB = 2**20


async def largest(producer, topic, key, size_of):
    """Send the largest message that the broker accepts; return its size."""
    for size in SIZES:
        try:
            sent_key, value = size_of(size)
            await producer.send_and_wait(topic, value, key=sent_key or key, partition=0)
        except MessageSizeTooLargeError:
            continue
        return size
    raise AssertionError("no message was accepted")


@pytest.mark.parametrize("is_long_key", [False, True])
async def test_a_message_without_place_for_a_letters_headers_ends_as_a_letter(
    workers, probe, bus_settings, job_id, message, is_long_key
):
    worker, sent = await workers.take(), message()
    handled = []

    async def handle(event):
        handled.append(event)
        worker.stop.set()
        return []

    worker.handle = handle

    def parts(size):
        return (b"k" * size, b"x") if is_long_key else (None, b"x" * size)

    async with AIOKafkaProducer(bootstrap_servers=bus_settings.kafka_bootstrap, max_request_size=16 * MIB) as producer:
        size = await largest(producer, worker.topic, job_id.encode(), parts)
        await probe.send(worker.topic, sent)
        await worker.ended()
    # The partition goes on.
    assert handled == [sent]
    assert await probe.committed(worker.group, worker.topic) == 2
    async with open_dead_letters(bus_settings) as letters:
        (letter,) = await letters.read(worker.topic)
        assert letter.headers[LEFT_OUT] == str(1 if is_long_key else size)
        assert (letter.headers["origin_offset"], letter.headers["error_code"]) == ("0", "undecodable_event")
        with pytest.raises(PermanentError, match="is too large for a letter"):
            await letters.replay(letter, "ada")
        await letters.drop(letter)
        assert [one.outcome for one in await letters.read(worker.topic)] == ["dropped"]
    if not is_long_key:
        (failed,) = [decode(record.value) for record in await probe.of_job(JOB_FAILED, job_id)]
        assert failed.code == "undecodable_event"
