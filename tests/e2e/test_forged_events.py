"""Test that forged events on the bus end as dead letters, in little memory, and that no user sees their content."""

import asyncio
import contextlib
import json
import re
import uuid
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from science.simulator import Scene, Tone, make_header, spectra, write_fil
from shared.bus.dead_letters import open_dead_letters
from shared.events import (
    CADENCE_REVIEWED,
    CHUNK_READY,
    CHUNK_SEARCHED,
    JOB_FAILED,
    JOB_PROGRESS,
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    OBSERVATION_REVIEWED,
    OBSERVATION_SUBMITTED,
    REVIEW_EXPORTED,
    JobFailed,
)
from shared.formats import FORMATS
from shared.settings import ServiceSettings
from tests.e2e.jobs import submit, until_done

SERVICES = ("gateway", "ingest", "dedoppler", "classify", "export")
PATIENCE_S = 60
# The bounds and the sound small job take less; believing one of these events takes gigabytes.
MOST_MORE_MB = 300


@pytest.fixture(scope="module")
def small_fil(tmp_path_factory):
    header = make_header(2**16, 8)
    path = tmp_path_factory.mktemp("small") / "small.fil"
    write_fil(path, header, spectra(Scene(header, (Tone(header.frequency_hz(30_000), 0.1, 60.0),))))
    return path


@pytest.fixture(scope="module")
async def jobs(client, small_fil):
    """Two complete jobs."""
    return [await until_done(client, await submit(client, small_fil)) for _ in range(2)]


@pytest.fixture(scope="module")
async def sound(stack, jobs):
    """The sound events of the first job, by topic, as JSON."""
    found = {}
    topics = [OBSERVATION_SUBMITTED, CHUNK_READY, CHUNK_SEARCHED, OBSERVATION_CLASSIFIED, OBSERVATION_EXPORTED]
    async with (
        AIOKafkaProducer(bootstrap_servers=stack.kafka) as producer,
        AIOKafkaConsumer(bootstrap_servers=stack.kafka, auto_offset_reset="earliest") as reader,
    ):
        for topic in [*topics, JOB_PROGRESS]:
            for record in await everything(reader, topic, await producer.partitions_for(topic)):
                event = json.loads(record.value)
                if event["job_id"] == jobs[0]["job_id"]:
                    found[topic] = event
    return found


async def everything(reader, topic, numbers):
    """Return the messages of a topic with partitions of these numbers."""
    partitions = [TopicPartition(topic, number) for number in numbers]
    reader.assign(partitions)
    await reader.seek_to_beginning(*partitions)
    ends, records = await reader.end_offsets(partitions), []
    while any([await reader.position(one) < ends[one] for one in partitions]):
        for batch in (await reader.getmany(timeout_ms=500)).values():
            records += batch
    return records


def reset_peaks(stack):
    """Set the peak of resident memory of every service to what it has now: other tests use the same services."""
    for name in SERVICES:
        Path(f"/proc/{stack.pid_of(name)}/clear_refs").write_text("5")


def peaks_mb(stack):
    """Return the peak of resident memory of every service since it was reset, MB."""
    peaks = {}
    for name in SERVICES:
        status = Path(f"/proc/{stack.pid_of(name)}/status").read_text()
        peaks[name] = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1000
    return peaks


def forged_events(sound, jobs):
    """Yield (topic, JSON) of events that no service of ours makes: each contradicts itself, a bound, or its job."""

    def changed(topic, **changes):
        return topic, {**sound[topic], "event_id": str(uuid.uuid4()), **changes}

    own, other = (job["job_id"] for job in jobs)
    header, chunk = sound[CHUNK_READY]["header"], sound[CHUNK_READY]["chunk"]
    artefact = sound[OBSERVATION_EXPORTED]["artefacts"][0]
    yield changed(
        OBSERVATION_SUBMITTED, upload={**sound[OBSERVATION_SUBMITTED]["upload"], "file_key": f"jobs/{other}/x"}
    )
    yield changed(OBSERVATION_SUBMITTED, job_id="../../etc")
    for topic in (CHUNK_READY, CHUNK_SEARCHED):
        yield changed(topic, chunk={**chunk, "count": 10**8})
        yield changed(topic, chunk={**chunk, "read_stop_channel": 10**12, "stop_channel": 10**12})
        yield changed(topic, header={**header, "n_spectra": 10**15})
    # Within all bounds, but not of this file: 4 billion samples.
    wide = {**chunk, "index": 1, "count": 2, "stop_channel": 2**29, "read_stop_channel": 2**29}
    yield changed(CHUNK_READY, chunk=wide, plan=None, header={**header, "n_channels": 2**29})
    yield changed(CHUNK_READY, chunk=wide, plan=None)
    yield changed(CHUNK_SEARCHED, hits_key=f"jobs/{other}/hits/00000.npz")
    yield changed(OBSERVATION_CLASSIFIED, chunk_count=10**7)
    # As many chunks as an observation may have, but this one has one.
    yield changed(OBSERVATION_CLASSIFIED, chunk_count=100_000, plan=None)
    yield changed(OBSERVATION_CLASSIFIED, results_key=f"jobs/{other}/results.json")
    for key in ("", f"jobs/{other}/{artefact['filename']}", f"jobs/{own}/plan.json"):
        yield changed(OBSERVATION_EXPORTED, artefacts=[{**artefact, "key": key}])
    yield changed(JOB_PROGRESS, total=10**8)
    yield from forged_reviews(sound[OBSERVATION_SUBMITTED]["upload"], own, other)
    failed = JobFailed.make(job_id=own, producer="x", stage="ingest", code="bad_observation", message="x")
    yield JOB_FAILED, {**json.loads(failed.to_bytes()), "message": "<b>\x1b[31m</b>\n"}
    yield JOB_FAILED, {**json.loads(failed.to_bytes()), "code": "<script>"}


def forged_reviews(upload, own, other):
    """Yield (topic, JSON) of events of reviews that no gateway and no export makes."""
    revision = "0" * 32
    common = {"version": 1, "occurred_at": "2026-01-01T00:00:00Z", "producer": "x", "job_id": own, "revision": revision}

    def event(topic, **fields):
        return topic, {**common, "type": topic, "event_id": str(uuid.uuid4()), **fields}

    key, results = f"jobs/{own}/reviewed/{revision}/verdicts.json", f"jobs/{own}/results.json"
    asked = {"verdicts_key": key, "upload": upload, "results_key": results}
    yield event(OBSERVATION_REVIEWED, **asked | {"verdicts_key": f"jobs/{own}/plan.json"})
    yield event(OBSERVATION_REVIEWED, **asked | {"results_key": f"jobs/{other}/results.json"})
    yield event(OBSERVATION_REVIEWED, **asked | {"revision": "../.."})
    yield event(CADENCE_REVIEWED, verdicts_key=key, events_key=f"jobs/{other}/events.json")
    artefact = {"format": "csv", "filename": "catalog.csv", "content_type": "x", "size": 1, "sha256": "0" * 64}
    yield event(REVIEW_EXPORTED, artefacts=[artefact | {"key": f"jobs/{other}/catalog.csv"}])


async def test_each_ends_as_a_dead_letter_in_seconds_and_in_little_memory(stack, client, jobs, sound, small_fil):
    forged = list(forged_events(sound, jobs))
    reset_peaks(stack)
    before = peaks_mb(stack)
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka) as producer:
        sent = set()
        for topic, event in forged:
            raw = json.dumps(event).encode()
            await producer.send_and_wait(topic, raw, key=event["job_id"].encode())
            sent.add((topic, raw))
    left = sent
    async with open_dead_letters(ServiceSettings(kafka_bootstrap=stack.kafka)) as letters:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while left:
                    await asyncio.sleep(0.2)
                    topics = {topic for topic, _ in left}
                    left = left - {(topic, one.value) for topic in topics for one in await letters.read(topic)}
    assert not left
    more = {name: peak - before[name] for name, peak in peaks_mb(stack).items()}
    assert all(one < MOST_MORE_MB for one in more.values()), more
    # The jobs are as they were, their files are their own, and the services go on.
    async with aiohttp.ClientSession(headers={"x-api-key": stack.api_key}) as http:
        for job in jobs:
            # Progress of the last stage may have arrived since.
            assert await client.job(job["job_id"]) | {"progress": 0} == job | {"progress": 0}
            for name in FORMATS:
                async with http.get(f"{stack.url}/jobs/{job['job_id']}/download", params={"format": name}) as response:
                    assert response.status == 200
                    assert name == "csv" or f"/jobs/{job['job_id']}/" in (await response.json())["download_url"]
    assert (await until_done(client, await submit(client, small_fil)))["status"] == "complete"


async def test_markup_in_a_failure_reaches_no_user(stack, client, small_fil):
    file_key = await client.upload(small_fil)
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka) as producer:
        job_id = await client.analyze(file_key, small_fil.name)
        failed = JobFailed.make(
            job_id=job_id, producer="x", stage="ingest", code="bad_observation", message="<script>alert(1)</script>"
        )
        await producer.send_and_wait(JOB_FAILED, failed.to_bytes(), key=job_id.encode())
    job = await until_done(client, job_id)
    # The job may have been complete before the event arrived.
    assert "<" not in json.dumps(job)
