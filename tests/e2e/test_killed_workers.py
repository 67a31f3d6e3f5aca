"""Test that jobs complete with the same results when a worker is killed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer

from science.simulator import Scene, Tone, make_header, spectra, write_fil
from shared.events import CHUNK_READY, CHUNK_SEARCHED, OBSERVATION_CLASSIFIED, OBSERVATION_SUBMITTED, decode
from tests.e2e.jobs import results_of, submit, until_done, without_identity

CHUNKS = 12
CHUNK_CHANNELS = 2**17


@pytest.fixture(scope="module")
def many_chunks(tmp_path_factory):
    """Write a file of twelve coarse channels with one tone each. One tone drifts into the next channel."""
    path = tmp_path_factory.mktemp("many") / "many_chunks.fil"
    header = make_header(CHUNKS * CHUNK_CHANNELS, coarse_channel_width=CHUNK_CHANNELS, has_dc_spike=True)
    starts = [chunk * CHUNK_CHANNELS + 1000 * (chunk + 1) for chunk in range(CHUNKS - 1)] + [3 * CHUNK_CHANNELS - 10]
    tones = tuple(Tone(header.frequency_hz(start), -0.05 * at, 40.0 + at) for at, start in enumerate(starts, start=1))
    write_fil(path, header, spectra(Scene(header, tones, seed=7)))
    return path


@pytest.fixture(scope="module")
async def undisturbed(client, many_chunks, tmp_path_factory):
    """Return the results of a job without a killed worker."""
    job = await until_done(client, await submit(client, many_chunks))
    results = await results_of(client, job["job_id"], tmp_path_factory.mktemp("undisturbed"))
    assert len(results["raw_hits"]) == CHUNKS
    assert len(results["noise"]) == CHUNKS
    return results


@contextlib.asynccontextmanager
async def listening(stack, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer for the messages published on a topic from now on, as a user's program would."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=stack.kafka, group_id=None, auto_offset_reset="latest", fetch_max_wait_ms=20
    )
    await consumer.start()
    try:
        # Set the start positions now. By default they are set with the first fetch.
        for partition in consumer.assignment():
            await consumer.position(partition)
        yield consumer
    finally:
        await consumer.stop()


# Each worker is killed after `count` events on a topic: its input, or part of its output.
@pytest.mark.parametrize(
    ("worker", "topic", "count"),
    [
        ("ingest", OBSERVATION_SUBMITTED, 1),
        ("dedoppler", CHUNK_READY, 1),
        ("dedoppler", CHUNK_SEARCHED, 3),
        ("classify", CHUNK_SEARCHED, CHUNKS),
        ("export", OBSERVATION_CLASSIFIED, 1),
    ],
)
async def test_job_completes_with_the_same_results(
    stack, client, many_chunks, undisturbed, tmp_path, worker, topic, count
):
    pid = stack.pid_of(worker)
    file_key = await client.upload(many_chunks)
    async with listening(stack, topic) as consumer, asyncio.timeout(60):
        job_id = await client.analyze(file_key, many_chunks.name)
        seen = 0
        while seen < count:
            message = await consumer.getone()
            seen += decode(message.value).job_id == job_id
        os.kill(pid, signal.SIGKILL)
    job = await until_done(client, job_id)
    assert job["status"] == "complete"
    assert stack.pid_of(worker) != pid
    results = await results_of(client, job_id, tmp_path / "results")
    assert without_identity(results) == without_identity(undisturbed)
