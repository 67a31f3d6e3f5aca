"""A gateway is killed while it starts jobs, and another one replaces it."""

import asyncio
import json
import os
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.servers import REPOSITORY, EmbeddedServers
from services.gateway.api.upload_names import upload_key
from services.gateway.settings import DEFAULT_TIERS
from shared.events import OBSERVATION_SUBMITTED, decode
from tests.contract.gateway.parts import Gateway, account

# The number of jobs and the delay between them: at the kill, the gateway has some jobs at each step of their start.
STARTS = 80
APART_S = 0.01
KILLED_AFTER = 12


def environment(servers: EmbeddedServers, database: str, port: int) -> dict[str, str]:
    tier = DEFAULT_TIERS["researcher"].model_copy(update={"concurrent_jobs": 1000})
    return {
        **os.environ,
        **servers.gateway_environment,
        "WATERHOLE_MONGODB_DATABASE": database,
        "WATERHOLE_PORT": str(port),
        "WATERHOLE_TIERS": json.dumps({"researcher": tier.model_dump()}),
        "WATERHOLE_OIDC_TIER": "researcher",
        "WATERHOLE_SLOT_GRACE_S": "2",
        "WATERHOLE_SWEEP_INTERVAL_S": "0.2",
        "WATERHOLE_OUTBOX_INTERVAL_S": "0.2",
        "WATERHOLE_OUTBOX_SILENCE_S": "3",
        "WATERHOLE_LOG_LEVEL": "ERROR",
    }


@asynccontextmanager
async def running_gateway(servers: EmbeddedServers, database: str) -> AsyncIterator[tuple[str, Any]]:
    """Run a gateway for this test alone; yield its URL and process. It is killed at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway"), cwd=REPOSITORY, env=environment(servers, database, port)
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{url}/health"):
                        break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.1)
        yield url, process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def published(servers: EmbeddedServers) -> list[str]:
    """Return the job of every submission on the bus."""
    found: list[str] = []
    async with AIOKafkaConsumer(bootstrap_servers=servers.kafka, fetch_max_wait_ms=50) as reader:
        await reader.topics()
        partitions = [TopicPartition(OBSERVATION_SUBMITTED, number) for number in range(4)]
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        ends = await reader.end_offsets(partitions)
        while any([await reader.position(partition) < ends[partition] for partition in partitions]):
            for records in (await reader.getmany(timeout_ms=500)).values():
                found += [decode(record.value).job_id for record in records]
    return found


async def test_every_job_runs_and_only_jobs_are_counted(servers: EmbeddedServers, gateway: Gateway) -> None:
    name = f"killed_{uuid.uuid4().hex[:8]}"
    user = await account(gateway)
    database = gateway.store.database.client[name]
    for collection in ("users", "api_keys"):
        async for document in gateway.store.database[collection].find():
            await database[collection].insert_one(document)
    key = upload_key(user.user_id, uuid.uuid4(), "x.fil")
    await gateway.storage.uploads.put(key, b"data")
    accepted: list[str] = []

    async with running_gateway(servers, name) as (url, process), aiohttp.ClientSession(url) as session:

        async def start(number: int) -> None:
            await asyncio.sleep(APART_S * number)
            headers = {"x-api-key": user.api_key}
            try:
                async with session.post("/analyze", json={"file_key": key}, headers=headers) as response:
                    assert response.status == 202
                    accepted.append((await response.json())["job_id"])
            except aiohttp.ClientConnectionError:
                return
            if len(accepted) == KILLED_AFTER:
                process.send_signal(signal.SIGKILL)

        await asyncio.gather(*map(start, range(STARTS)))
    assert len(accepted) >= KILLED_AFTER

    async with running_gateway(servers, name), asyncio.timeout(60):
        while True:
            jobs = [job async for job in database["jobs"].find()]
            quota = await database["quotas"].find_one({"_id": user.user_id})
            ids = {job["_id"] for job in jobs}
            if ids <= set(await published(servers)) and set(quota["active"]) == ids:
                break
            await asyncio.sleep(0.2)
    assert set(accepted) <= set(quota["active"])
    assert quota["used"] == quota["active_count"] == len(jobs) <= STARTS
