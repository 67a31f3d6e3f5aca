"""Test that jobs run correctly on machines whose clocks are wrong by a minute.

Each service is a separate process. One has its time of day a minute ahead, another a minute behind.
"""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from deploy.local.client import Waterhole
from deploy.local.ports import free_ports
from deploy.local.stack import running_stack
from science.simulator import Scene, Tone, make_header, spectra, write_fil
from shared.events import (
    CHUNK_SEARCHED,
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    OBSERVATION_SUBMITTED,
    decode,
)
from tests.chaos.messages import everything
from tests.e2e.jobs import submit, until_done

SKEWED = Path(__file__).with_name("skewed")
# Shift by module, s. All other services and the servers have the correct time.
CLOCKS = {"services.gateway": 60, "services.dedoppler": -60}
# A larger difference comes from a shifted clock, a smaller one from a slow machine.
CLEARLY_S = 30


@pytest.fixture(scope="module")
async def stack(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(SKEWED), prepend=os.pathsep)
        patched.setenv("WATERHOLE_TEST_CLOCKS", ",".join(f"{module}={skew_s}" for module, skew_s in CLOCKS.items()))
        async with running_stack(tmp_path_factory.mktemp("stack"), port=free_ports(1)[0]) as running:
            yield running


@pytest.fixture(scope="module")
def observation(tmp_path_factory):
    path = tmp_path_factory.mktemp("observation") / "small.fil"
    header = make_header(2**14)
    write_fil(path, header, spectra(Scene(header, (Tone(header.frequency_hz(5000), 0.1, 40.0),), seed=3)))
    return path


async def test_job_runs_once_and_completes(stack, observation, tmp_path):
    started_s = time.time()
    async with Waterhole(stack.url, stack.api_key) as client:
        # One clock signs the URLs of upload and download, another checks them.
        job = await until_done(client, await submit(client, observation))
        assert (await client.download(job["job_id"], "fits", tmp_path)).stat().st_size > 0
        assert (await client.job(job["job_id"]))["status"] == "complete"
    # Users see times of the database, in the order of the events.
    assert started_s - 1 <= job["created_at"] <= job["completed_at"] <= time.time() + 1
    assert 0 <= job["results"]["processing_time_seconds"] < CLEARLY_S
    assert job["results"]["raw_hits"] == 1

    # More than two outbox intervals, in which the job must not be submitted again.
    await asyncio.sleep(2.5)
    events = [
        (topic, decode(record.value))
        for topic, records in (await everything(stack.kafka)).items()
        for record in records
    ]
    counts = Counter(topic for topic, event in events if event.job_id == job["job_id"])
    assert not [topic for topic in counts if topic.endswith(".dlq")]
    for topic in (OBSERVATION_SUBMITTED, CHUNK_SEARCHED, OBSERVATION_CLASSIFIED, OBSERVATION_EXPORTED):
        assert counts[topic] == 1
    # Check that the clocks were shifted.
    off_s = {topic: event.occurred_at.timestamp() - time.time() for topic, event in events}
    assert abs(off_s[OBSERVATION_SUBMITTED] - CLOCKS["services.gateway"]) < CLEARLY_S
    assert abs(off_s[CHUNK_SEARCHED] - CLOCKS["services.dedoppler"]) < CLEARLY_S
    assert abs(off_s[OBSERVATION_CLASSIFIED]) < CLEARLY_S


async def test_new_key_works_at_once_and_usage_is_shown(stack):
    # The command that creates the user has the correct time.
    user = await stack.create_user("researcher")
    async with aiohttp.ClientSession(stack.url, headers={"x-api-key": user["api_key"]}) as session:
        async with session.post("/api-keys", json={"name": "mine", "ttl_days": 1}) as answer:
            assert answer.status == 201
            made = await answer.json()
        async with session.get("/jobs", headers={"x-api-key": made["api_key"]}) as answer:
            assert answer.status == 200
        async with session.get("/usage") as answer:
            assert (await answer.json())["usage_this_month"] == 0
