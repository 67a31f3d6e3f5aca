"""A gateway is killed while it starts jobs or cadences, and another one replaces it."""

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
from tests.contract.gateway.parts import Account, Gateway, account

# The number of requests and the delay between them: at the kill, the gateway has some at each step of their start.
STARTS = 80
APART_S = 0.01
KILLED_AFTER = 12
CADENCES = 30
SCANS = 4


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


async def own_database(gateway: Gateway, user: Account) -> Any:
    """Return a database of its own for gateways that are killed, with the user in it."""
    database = gateway.store.database.client[f"killed_{uuid.uuid4().hex[:8]}"]
    for collection in ("users", "api_keys"):
        async for document in gateway.store.database[collection].find():
            await database[collection].insert_one(document)
    return database


async def start_until_killed(
    servers: EmbeddedServers, database: Any, user: Account, path: str, bodies: list[dict[str, Any]]
) -> list[str]:
    """Send the requests to a gateway that is killed meanwhile. Return the ids that it answered with."""
    accepted: list[str] = []
    async with running_gateway(servers, database.name) as (url, process), aiohttp.ClientSession(url) as session:

        async def start(number: int, body: dict[str, Any]) -> None:
            await asyncio.sleep(APART_S * number)
            headers = {"x-api-key": user.api_key}
            try:
                async with session.post(path, json=body, headers=headers) as response:
                    assert response.status == 202
                    answer = await response.json()
                    accepted.append(answer.get("cadence_id") or answer["job_id"])
            except aiohttp.ClientConnectionError:
                return
            if len(accepted) == KILLED_AFTER:
                process.send_signal(signal.SIGKILL)

        await asyncio.gather(*(start(number, body) for number, body in enumerate(bodies)))
    assert len(accepted) >= KILLED_AFTER
    return accepted


async def test_every_job_runs_and_only_jobs_are_counted(servers: EmbeddedServers, gateway: Gateway) -> None:
    user = await account(gateway)
    database = await own_database(gateway, user)
    key = upload_key(user.user_id, uuid.uuid4(), "x.fil")
    await gateway.storage.uploads.put(key, b"data")
    accepted = await start_until_killed(servers, database, user, "/analyze", [{"file_key": key}] * STARTS)

    async with running_gateway(servers, database.name), asyncio.timeout(60):
        while True:
            jobs = [job async for job in database["jobs"].find()]
            quota = await database["quotas"].find_one({"_id": user.user_id})
            ids = {job["_id"] for job in jobs}
            if ids <= set(await published(servers)) and set(quota["active"]) == ids:
                break
            await asyncio.sleep(0.2)
    assert set(accepted) <= set(quota["active"])
    assert quota["used"] == quota["active_count"] == len(jobs) <= STARTS


async def test_every_cadence_runs_as_a_whole(servers: EmbeddedServers, gateway: Gateway) -> None:
    user = await account(gateway)
    database = await own_database(gateway, user)
    keys = [upload_key(user.user_id, uuid.uuid4(), "x.fil") for _ in range(SCANS)]
    for key in keys:
        await gateway.storage.uploads.put(key, b"data")
    body = {"scans": [{"file_key": key} for key in keys]}
    accepted = await start_until_killed(servers, database, user, "/cadences", [body] * CADENCES)

    async with running_gateway(servers, database.name), asyncio.timeout(60):
        while True:
            found = [job async for job in database["jobs"].find()]
            cadences = [job for job in found if "kind" in job]
            jobs = {job["_id"] for job in found if "kind" not in job}
            quota = await database["quotas"].find_one({"_id": user.user_id})
            is_whole = jobs == {job_id for cadence in cadences for job_id in cadence["starts"]}
            if is_whole and jobs <= set(await published(servers)) and quota["active_count"] == len(cadences):
                break
            await asyncio.sleep(0.2)
    assert set(accepted) <= {cadence["_id"] for cadence in cadences} == set(quota["active"])
    assert quota["used"] == len(jobs) == SCANS * len(cadences)
