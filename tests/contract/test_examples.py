"""Test the example programs as their users run them."""

import asyncio
import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

from deploy.local.servers import REPOSITORY
from shared.bus import Publisher
from shared.events import Event, decode
from shared.object_keys import artefact_key
from shared.settings import ServiceSettings
from tests.contract.conftest import PATIENCE_S

CONSUMER = "examples/classified_consumer.py"
GOLDEN = json.loads((REPOSITORY / "tests/data/events/observation.classified.v1.json").read_text())


def classified(job_id: str) -> Event:
    own = {"job_id": job_id, "event_id": str(uuid.uuid4()), "results_key": artefact_key(job_id, "results.json")}
    return decode(json.dumps({**GOLDEN, **own}).encode())


async def started(*arguments: Any) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, os.fspath(REPOSITORY / CONSUMER), *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_consumer_prints_each_classified_observation_once(
    bus_settings: ServiceSettings, publisher: Publisher
) -> None:
    first, second = classified(str(uuid.uuid4())), classified(str(uuid.uuid4()))
    process = await started("--kafka", bus_settings.kafka_bootstrap, "--count", 2)
    assert process.stderr is not None
    assert b"Listening" in await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)
    for event in (first, first, second):
        await publisher.publish(event)
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 0
    headlines = [line for line in output.decode().splitlines() if not line.startswith(" ")]
    assert len(headlines) == 2
    for event in (first, second):  # the jobs may be on two partitions, so the order may vary
        assert sum(f"job {event.job_id}: {GOLDEN['summary']['raw_hits']} hits" in line for line in headlines) == 1
    best = GOLDEN["summary"]["top_candidates"][0]
    assert f"{best['frequency_hz'] / 1e6:.6f} MHz" in output.decode()


async def test_the_consumer_finds_the_broker_of_a_running_stack(
    bus_settings: ServiceSettings, publisher: Publisher, tmp_path: Path
) -> None:
    event = classified(str(uuid.uuid4()))
    await publisher.publish(event)
    up_file = tmp_path / "up.json"
    up_file.write_text(
        json.dumps({"url": "x", "api_key": "x", "kafka": bus_settings.kafka_bootstrap, "mongodb": "x", "s3": "x"})
    )
    process = await started("--up-file", up_file, "--from-start", "--count", 1)
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (process.returncode, output.count(b"hits")) == (0, 1)


async def test_consumer_without_a_stack_suggests_make_up(tmp_path: Path) -> None:
    process = await started("--up-file", tmp_path / "up.json")
    output, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (process.returncode, output) == (1, b"")
    assert "run `make up`" in errors.decode()
    assert "Traceback" not in errors.decode()
