"""Test that an operator who replays a dead letter reopens its job: its user sees `processing`, then the result."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from deploy.local.client import Waterhole
from science.simulator import Scene, Tone, make_header, spectra, write_fil
from shared.bus.dead_letters import open_dead_letters
from shared.events import CHUNK_READY, OBSERVATION_SUBMITTED
from shared.settings import ServiceSettings
from tests.e2e.jobs import until_done

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 60


@pytest.fixture
def files(tmp_path):
    """Write two observations of the same size; the first has a tone."""
    header = make_header(2**16, 8)
    scenes = Scene(header, (Tone(header.frequency_hz(30_000), 0.1, 60.0),), seed=1), Scene(header, seed=2)
    paths = [tmp_path / "accepted.fil", tmp_path / "other.fil"]
    for path, scene in zip(paths, scenes, strict=True):
        write_fil(path, header, spectra(scene))
    return paths


@pytest.fixture
async def user(stack):
    """A user with no other jobs."""
    key = (await stack.create_user("researcher"))["api_key"]
    async with Waterhole(stack.url, key) as client, aiohttp.ClientSession(headers={"x-api-key": key}) as http:
        yield client, http


@contextlib.contextmanager
def stopped(pid):
    """Keep a process from running in the context."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def put(url, path):
    async with aiohttp.ClientSession() as http, http.put(url, data=path.read_bytes()) as response:
        assert response.status == 200


async def replay(stack, topic, job_id):
    """Run `python -m shared.bus replay` as an operator would."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.bus", "replay", "--topic", topic, "--job", job_id, "--operator", "ada"),
        cwd=REPOSITORY,
        env=os.environ | {"WATERHOLE_KAFKA_BOOTSTRAP": stack.kafka},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (process.returncode, errors.decode().splitlines()[0]) == (0, "1 replayed.")


async def streamed(http, stack, job_id, last_id, until):
    """Follow a job's event stream until a state of it fits; return the states and the id of the last event."""
    states = []
    async with (
        asyncio.timeout(PATIENCE_S),
        http.get(f"{stack.url}/jobs/{job_id}/events", headers={"Last-Event-ID": last_id}) as response,
    ):
        assert response.status == 200
        async for line in response.content:
            name, _, value = line.decode().strip().partition(": ")
            if name == "id":
                last_id = value
            if name == "data":
                states.append(json.loads(value))
                if until(states[-1]):
                    break
    return states, last_id


async def usage(http, stack):
    async with http.get(f"{stack.url}/usage") as response:
        return (await response.json())["usage_this_month"]


@pytest.mark.parametrize(("worker", "topic"), [("ingest", OBSERVATION_SUBMITTED), ("dedoppler", CHUNK_READY)])
async def test_its_user_sees_processing_then_the_result_and_it_counts_once(stack, user, files, worker, topic):
    client, http = user
    accepted, other = files
    async with http.post(f"{stack.url}/upload-url", json={"filename": "o.fil"}) as response:
        target = await response.json()
    await put(target["upload_url"], accepted)
    with stopped(stack.pid_of(worker)):
        job_id = await client.analyze(target["file_key"], "o.fil")
        if worker == "dedoppler":
            planned, _ = await streamed(http, stack, job_id, "", lambda job: "progress" in job)
            assert planned[-1]["status"] == "processing"
        # What can be mended: the file is not the one that was accepted, until its owner uploads that again.
        await put(target["upload_url"], other)
    failed = await until_done(client, job_id)
    assert (failed["status"], failed["error_detail"]) == ("failed", {"code": "file_replaced", "stage": worker})
    assert await usage(http, stack) == 1
    _, last_id = await streamed(http, stack, job_id, "", lambda job: job["status"] == "failed")
    # A client that has seen the failure is told not to come back.
    async with http.get(f"{stack.url}/jobs/{job_id}/events", headers={"Last-Event-ID": last_id}) as response:
        assert response.status == 204

    await put(target["upload_url"], accepted)
    with stopped(stack.pid_of(worker)):
        await replay(stack, topic, job_id)
        reopened, last_id = await streamed(http, stack, job_id, last_id, lambda job: job["status"] == "processing")
        job = await client.job(job_id)
        assert job["status"] == reopened[-1]["status"] == "processing"
        assert not {"error", "error_detail", "completed_at", "results"} & job.keys()
    states, _ = await streamed(http, stack, job_id, last_id, lambda job: job.get("exports_ready", False))
    statuses = [state["status"] for state in states]
    assert statuses == sorted(statuses, key=("processing", "complete").index)
    job = await until_done(client, job_id)
    assert (job["status"], job["results"]["raw_hits"]) == ("complete", 1)
    assert await usage(http, stack) == 1
    # Replayed once more, by mistake, the letter changes nothing: a job that is complete stays so.
    async with open_dead_letters(ServiceSettings(kafka_bootstrap=stack.kafka)) as letters:
        (letter,) = [letter for letter in await letters.read(topic) if letter.job_id == job_id]
        assert letter.outcome == "replayed"
        await letters.replay(letter, "ada")
    for _ in range(10):
        await asyncio.sleep(0.1)
        assert await client.job(job_id) == job
    assert await usage(http, stack) == 1
