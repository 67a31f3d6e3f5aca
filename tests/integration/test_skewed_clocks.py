"""Machines whose clocks are a minute off run jobs as others do.

Each service is a process of its own; one has its time of day set a minute ahead, another a minute behind.
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
from tests.chaos.audit import everything
from tests.e2e.jobs import submit, until_done

SKEWED = Path(__file__).with_name("skewed")
# By module, s: one ahead and one behind all others, and the servers.
CLOCKS = {"services.gateway": 60, "services.dedoppler": -60}
# Off by more than this is set wrong, by less is slow.
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


async def test_a_job_runs_once_and_to_its_end(stack, observation, tmp_path):
    started_s = time.time()
    async with Waterhole(stack.url, stack.api_key) as client:
        # The upload's URL is signed by one clock and checked by another, and so is the download's.
        job = await until_done(client, await submit(client, observation))
        assert (await client.download(job["job_id"], "fits", tmp_path)).stat().st_size > 0
        assert (await client.job(job["job_id"]))["status"] == "complete"
    # Times that users see are the database's, and none is before another that came first.
    assert started_s - 1 <= job["created_at"] <= job["completed_at"] <= time.time() + 1
    assert 0 <= job["results"]["processing_time_seconds"] < CLEARLY_S
    assert job["results"]["raw_hits"] == 1

    # Two looks of the outbox and more, in which nobody submits the job again.
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
    # The clocks were wrong indeed.
    off_s = {topic: event.occurred_at.timestamp() - time.time() for topic, event in events}
    assert abs(off_s[OBSERVATION_SUBMITTED] - CLOCKS["services.gateway"]) < CLEARLY_S
    assert abs(off_s[CHUNK_SEARCHED] - CLOCKS["services.dedoppler"]) < CLEARLY_S
    assert abs(off_s[OBSERVATION_CLASSIFIED]) < CLEARLY_S


async def test_a_key_works_at_once_and_its_use_is_seen(stack):
    # Made by a command on a machine whose clock is right.
    user = await stack.create_user("researcher")
    async with aiohttp.ClientSession(stack.url, headers={"x-api-key": user["api_key"]}) as session:
        async with session.post("/api-keys", json={"name": "mine", "ttl_days": 1}) as answer:
            assert answer.status == 201
            made = await answer.json()
        async with session.get("/jobs", headers={"x-api-key": made["api_key"]}) as answer:
            assert answer.status == 200
        async with session.get("/usage") as answer:
            assert (await answer.json())["usage_this_month"] == 0
