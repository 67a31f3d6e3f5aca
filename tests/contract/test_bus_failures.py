"""Test how the bus handles transient failures, permanent failures, bugs and undecodable messages."""

import asyncio
import json
import uuid
from itertools import pairwise

import pytest

import shared.bus.consumer
from shared.bus.consumer import TRIES
from shared.errors import BadObservationError, TransientError
from shared.events import JOB_FAILED, JOB_PROGRESS, decode

PATIENCE_S = 60.0
FIRST_WAIT_S = 0.02


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(shared.bus.consumer, "FIRST_WAIT_S", FIRST_WAIT_S)


async def failures_of(probe, job_id):
    """Return the `job.failed` events of a job."""
    return [decode(record.value) for record in await probe.of_job(JOB_FAILED, job_id)]


async def set_aside(probe, worker):
    """Return the messages on the dead-letter topic of a worker's topic."""
    return await probe.everything(f"{worker.topic}.dlq")


async def test_a_transient_failure_is_retried_in_place_with_growing_waits(workers, probe, job_id, message, result):
    worker = await workers.take()
    loop = asyncio.get_running_loop()
    tries_at = []

    async def handle(_event):
        tries_at.append(loop.time())
        if len(tries_at) < TRIES:
            raise TransientError("S3 is unavailable.")
        worker.stop.set()
        return [result()]

    worker.handle = handle
    await probe.send(worker.topic, message())
    await worker.ended()
    assert len(tries_at) == TRIES
    waits = [after - before for before, after in pairwise(tries_at)]
    assert all(wait >= FIRST_WAIT_S * 2**n for n, wait in enumerate(waits))
    assert await probe.committed(worker.group, worker.topic) == 1
    assert len(await probe.of_job(JOB_PROGRESS, job_id)) == 1
    assert await set_aside(probe, worker) == []
    assert await failures_of(probe, job_id) == []


async def test_transient_failure_after_all_retries_ends_the_run_without_a_commit(workers, probe, job_id, message):
    worker = await workers.take()
    n_tries = 0

    async def handle(_event):
        nonlocal n_tries
        n_tries += 1
        raise TransientError("S3 is unavailable.")

    worker.handle = handle
    sent = message()
    await probe.send(worker.topic, sent)
    with pytest.raises(TransientError, match="S3 is unavailable"):
        await worker.ended()
    assert n_tries == TRIES
    assert await probe.committed(worker.group, worker.topic) == 0
    assert await set_aside(probe, worker) == []

    successor = workers.start(worker.topic, worker.group)
    handled = []

    async def handle_again(event):
        handled.append(event)
        successor.stop.set()
        return []

    successor.handle = handle_again
    await successor.ended()
    assert handled == [sent]
    assert await probe.committed(worker.group, worker.topic) == 1
    assert await failures_of(probe, job_id) == []


async def test_an_outage_does_not_count_as_a_crash_of_other_partitions_messages(workers, probe, message, monkeypatch):
    monkeypatch.setattr(shared.bus.consumer, "MAX_STARTS", 1)
    worker = await workers.take()
    slow_in_hand = asyncio.Event()

    async def handle(event):
        if event.done == 0:
            slow_in_hand.set()
            await asyncio.Event().wait()
        await slow_in_hand.wait()
        raise TransientError("S3 is unavailable.")

    worker.handle = handle
    for partition in (0, 1):
        await probe.send(worker.topic, message(partition), partition=partition)
    with pytest.raises(TransientError):
        await worker.ended()

    successor = workers.start(worker.topic, worker.group)
    handled = set()

    async def handle_again(event):
        handled.add(event.done)
        if len(handled) == 2:
            successor.stop.set()
        return []

    successor.handle = handle_again
    await successor.ended()
    assert handled == {0, 1}
    assert await set_aside(probe, worker) == []


async def test_permanent_failure_becomes_a_dead_letter_and_the_next_message_is_handled(workers, probe, job_id, message):
    worker = await workers.take()

    async def handle(event):
        if event.done == 1:
            raise BadObservationError("The file 'a.fil' has no channels (nchans is 0).")
        if event.done == 2:
            worker.stop.set()
        return []

    worker.handle = handle
    for n in range(3):
        await probe.send(worker.topic, message(n), key=job_id, partition=1)
    await worker.ended()
    assert await probe.committed(worker.group, worker.topic, 1) == 3
    (letter,) = await set_aside(probe, worker)
    original = (await probe.everything(worker.topic))[1]
    assert (letter.key, letter.value) == (original.key, original.value)
    assert dict(letter.headers) == {
        "origin_topic": worker.topic.encode(),
        "origin_partition": b"1",
        "origin_offset": b"1",
        "error_code": b"bad_observation",
        "error": b"The file 'a.fil' has no channels (nchans is 0).",
        "group": worker.group.encode(),
    }
    (failed,) = await failures_of(probe, job_id)
    assert (failed.stage, failed.code) == ("dedoppler", "bad_observation")
    assert failed.message == "The file 'a.fil' has no channels (nchans is 0)."


async def test_a_consumer_without_a_stage_publishes_no_failure(workers, probe, job_id, message):
    worker = await workers.take(stage=None)

    async def handle(event):
        if event.done == 0:
            raise BadObservationError("no")
        worker.stop.set()
        return []

    worker.handle = handle
    for n in range(2):
        await probe.send(worker.topic, message(n), key=job_id)
    await worker.ended()
    assert len(await set_aside(probe, worker)) == 1
    assert await failures_of(probe, job_id) == []


def variant(event, **changes):
    """Return the JSON of an event with some fields changed. A change to None removes the field."""
    fields = json.loads(event.to_bytes()) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


async def test_undecodable_bytes_become_dead_letters_unchanged(workers, probe, job_id, message):
    worker = await workers.take()
    handled = []

    async def handle(event):
        handled.append(event)
        worker.stop.set()
        return []

    worker.handle = handle
    good = message()
    bad = [
        b"not JSON",
        b"",
        None,
        b"\xff\xfe",
        b"[" * 200_000,
        b"3",
        variant(good, version=2),
        variant(good, type="job.unheard_of"),
        variant(good, stage=None),
        variant(good, done="many"),
    ]
    job_ids = [str(uuid.uuid4()) for _ in bad]
    for bad_job_id, raw in zip(job_ids, bad, strict=True):
        await probe.send(worker.topic, raw, key=f"{bad_job_id}:17")
    await probe.send(worker.topic, good)
    await worker.ended()
    assert handled == [good]
    assert await probe.committed(worker.group, worker.topic) == len(bad) + 1
    letters = await set_aside(probe, worker)
    # The letters are on several partitions. The origin's offset identifies them.
    letters.sort(key=lambda letter: int(dict(letter.headers)["origin_offset"]))
    assert [letter.value for letter in letters] == bad
    assert {dict(letter.headers)["error_code"] for letter in letters} == {b"undecodable_event"}
    failures = [decode(record.value) for record in await probe.everything(JOB_FAILED)]
    failures = {failed.job_id: failed for failed in failures if failed.job_id in job_ids}
    assert set(failures) == set(job_ids)
    assert {failed.code for failed in failures.values()} == {"undecodable_event"}
    # The message is general, because the user did not send the event and can't correct it.
    assert {failed.message for failed in failures.values()} == {"An internal message could not be read."}


async def test_undecodable_bytes_without_a_key_become_dead_letters(workers, probe, message):
    worker = await workers.take()

    async def handle(_event):
        worker.stop.set()
        return []

    worker.handle = handle
    await probe.send(worker.topic, b"not JSON")
    await probe.send(worker.topic, message())
    await worker.ended()
    (letter,) = await set_aside(probe, worker)
    assert (letter.key, letter.value) == (None, b"not JSON")


@pytest.mark.parametrize(("bug", "code"), [(ZeroDivisionError, "internal_error"), (MemoryError, "out_of_memory")])
async def test_bug_is_retried_then_becomes_a_dead_letter_without_its_text(workers, probe, job_id, message, bug, code):
    worker = await workers.take()
    n_tries = 0

    async def handle(event):
        nonlocal n_tries
        if event.done == 1:
            worker.stop.set()
            return []
        n_tries += 1
        raise bug("secret detail")

    worker.handle = handle
    for n in range(2):
        await probe.send(worker.topic, message(n), key=job_id)
    await worker.ended()
    assert n_tries == TRIES
    assert await probe.committed(worker.group, worker.topic) == 2
    (letter,) = await set_aside(probe, worker)
    assert dict(letter.headers)["error_code"] == code.encode()
    (failed,) = await failures_of(probe, job_id)
    assert failed.code == code
    assert "secret detail" not in failed.message


async def test_result_too_large_for_the_bus_becomes_a_dead_letter(workers, probe, job_id, message, result):
    worker = await workers.take()

    async def handle(event):
        if event.done == 1:
            worker.stop.set()
            return []
        return [result().model_copy(update={"producer": "x" * 5_000_000})]

    worker.handle = handle
    for n in range(2):
        await probe.send(worker.topic, message(n), key=job_id)
    await worker.ended()
    assert await probe.committed(worker.group, worker.topic) == 2
    assert len(await set_aside(probe, worker)) == 1
    (failed,) = await failures_of(probe, job_id)
    assert failed.code == "event_too_large"


async def test_unavailable_bus_during_a_dead_letter_moves_no_offset(workers, probe, message):
    worker = await workers.take()
    letters = []

    async def fail(*letter):
        letters.append(letter)
        raise TransientError("The bus is unavailable.")

    async def handle(_event):
        raise BadObservationError("no")

    worker.publisher.publish_raw, worker.handle = fail, handle
    await probe.send(worker.topic, message())
    with pytest.raises(TransientError, match="The bus is unavailable"):
        await worker.ended()
    assert len(letters) == TRIES
    assert await probe.committed(worker.group, worker.topic) == 0


async def test_cancelled_error_raised_by_a_handler_is_treated_as_a_bug(workers, probe, job_id, message):
    worker = await workers.take()

    async def handle(event):
        if event.done == 0:
            raise asyncio.CancelledError
        worker.stop.set()
        return []

    worker.handle = handle
    for n in range(2):
        await probe.send(worker.topic, message(n), key=job_id)
    # The run may not end as cancelled, because a task group would take it for finished.
    await worker.ended()
    assert await probe.committed(worker.group, worker.topic) == 2
    (failed,) = await failures_of(probe, job_id)
    assert failed.code == "internal_error"
