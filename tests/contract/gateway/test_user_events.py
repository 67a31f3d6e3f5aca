"""Server-sent events that report the changes of all jobs and cadences of a user."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from deploy.local.servers import EmbeddedServers
from services.gateway.api.application import make_http_app
from services.gateway.api.auth import ApiKeyAuthentication
from services.gateway.api.routes.user_events import UserEventRoutes
from services.gateway.api.user_changes import UserChanges
from services.gateway.jobs.change import Change
from shared.errors import TransientError
from shared.events import Event, JobFailed, JobProgress
from tests.contract.conftest import Until
from tests.contract.gateway.parts import Account, Gateway, account, classified, export
from tests.contract.gateway.process import running_gateway

PATIENCE_S = 60.0


class CountedChanges:
    """The changes in the database, which can be unavailable; counts the queries."""

    def __init__(self, gateway: Gateway) -> None:
        self._changes = gateway.store.changes
        self.is_away = False
        self.queries = 0

    async def since(self, at_ms: int) -> list[Change]:
        self.queries += 1
        if self.is_away:
            raise TransientError("The job store is away.")
        return await self._changes.since(at_ms)

    async def cadences_with(self, user_id: str, job_ids: Any) -> set[str]:
        return await self._changes.cadences_with(user_id, job_ids)


@dataclass
class Other:
    """Another gateway, which shares nothing with the first one but the database. It serves only streams."""

    client: TestClient[Any, Any]
    changes: CountedChanges


@dataclass
class Stream:
    """A stream, as a client reads it."""

    response: aiohttp.ClientResponse

    async def block(self) -> dict[str, str]:
        """Read the next event or comment and return its fields; a comment has an empty name."""
        fields = {}
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self.response.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name.rstrip(":")] = value
        return fields

    async def event(self) -> tuple[str, Any]:
        """Return the name and data of the next event."""
        fields = await self.block()
        while "event" not in fields:
            assert fields, "the stream has ended"
            fields = await self.block()
        return fields["event"], json.loads(fields["data"])

    async def until(self, name: str, **fields: Any) -> Any:
        """Read events until one of this name has these fields in its data. Return the data."""
        while True:
            found, data = await self.event()
            if found == name and fields.items() <= data.items():
                return data

    async def ended(self) -> bool:
        """Return whether the stream ends, whatever comes before."""
        async with asyncio.timeout(PATIENCE_S):
            await self.response.content.read()
        return True


@asynccontextmanager
async def other_gateway(gateway: Gateway, **settings: Any) -> AsyncIterator[Other]:
    tuned = gateway.settings.model_copy(update={"changes_poll_s": 0.05, **settings})
    counted = CountedChanges(gateway)
    changes = UserChanges(
        tuned, changes=counted, jobs=gateway.store.jobs, cadences=gateway.store.cadences, now_ms=gateway.clock
    )
    pepper = tuned.api_key_pepper.get_secret_value()
    authenticate = ApiKeyAuthentication(gateway.store.users, pepper=pepper, now_s=time.time)
    app = make_http_app([UserEventRoutes(tuned, changes)], authenticate, request_timeout_s=0.5)
    app.on_shutdown.append(changes.close)
    stop = asyncio.Event()
    polling = asyncio.create_task(changes.run(stop))
    try:
        async with TestClient(TestServer(app)) as client:
            yield Other(client, counted)
    finally:
        stop.set()
        await polling


@pytest.fixture
async def other(gateway: Gateway) -> AsyncIterator[Other]:
    async with other_gateway(gateway) as other:
        yield other


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway)


@asynccontextmanager
async def opened(other: Other, user: Account) -> AsyncIterator[Stream]:
    async with other.client.get("/events", headers={"x-api-key": user.api_key}) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"
        stream = Stream(response)
        assert int((await stream.block())["retry"]) > 0
        assert await stream.event() == ("open", {})
        yield stream


def progress(job_id: str, done: int) -> Event:
    return JobProgress.make(job_id=job_id, producer="t", step=str(done), stage="dedoppler", done=done, total=9)


def failed(job_id: str) -> Event:
    return JobFailed.make(job_id=job_id, producer="t", stage="ingest", code="bad_observation", message="A sentence.")


async def listed(user: Account, path: str) -> list[Any]:
    status, found = await user.ask("GET", path)
    assert status == 200
    return list(found)


async def test_changes_that_another_gateway_makes_are_told_as_the_list_shows_them(other: Other, user: Account) -> None:
    gateway = user.gateway
    async with opened(other, user) as stream:
        job_id = await user.analyze()
        assert await stream.until("job", job_id=job_id) == (await listed(user, "/jobs"))[0]
        await gateway.worker_events.handle(progress(job_id, 1))
        seen = await stream.until("job", status="processing")
        assert seen["progress"] == {"stage": "dedoppler", "done": 1, "total": 9}
        await gateway.worker_events.handle(classified(gateway, job_id))
        assert (await stream.until("job", status="complete"))["exports_ready"] is False
        await gateway.worker_events.handle(await export(gateway, job_id))
        assert await stream.until("job", exports_ready=True) == (await listed(user, "/jobs"))[0]
        await user.ask("DELETE", f"/jobs/{job_id}")
        assert await stream.until("removed") == {"kind": "job", "id": job_id}


async def test_every_job_that_ends_or_goes_is_told_when_many_change_at_once(other: Other, user: Account) -> None:
    gateway = user.gateway
    key = await user.upload()
    async with opened(other, user) as stream:
        jobs = [await user.start(key) for _ in range(30)]
        await asyncio.gather(
            *(gateway.worker_events.handle(failed(job_id)) for job_id in jobs[:20]),
            *(user.ask("DELETE", f"/jobs/{job_id}") for job_id in jobs[20:]),
        )
        last: dict[str, str] = {}
        while list(last.values()).count("failed") < 20 or list(last.values()).count("removed") < 10:
            name, data = await stream.event()
            last[data["id" if name == "removed" else "job_id"]] = "removed" if name == "removed" else data["status"]
    assert last == dict.fromkeys(jobs[:20], "failed") | dict.fromkeys(jobs[20:], "removed")


async def test_a_cadence_is_told_with_its_jobs(other: Other, user: Account) -> None:
    gateway = user.gateway
    async with opened(other, user) as stream:
        scans = [{"file_key": await user.upload(), "role": role} for role in ("on", "off", "on")]
        status, body = await user.ask("POST", "/cadences", {"scans": scans})
        assert status == 202
        cadence_id = body["cadence_id"]
        shown = await stream.until("cadence", cadence_id=cadence_id)
        jobs = [scan["job_id"] for scan in shown["scans"]]
        await gateway.worker_events.handle(failed(jobs[0]))
        while [scan["status"] for scan in shown["scans"]] != ["failed", "submitted", "submitted"]:
            shown = await stream.until("cadence", cadence_id=cadence_id)
        await gateway.worker_events.handle(failed(jobs[1]))
        await gateway.worker_events.handle(failed(jobs[2]))
        # The cadence has failed, and has let go of its jobs.
        assert await stream.until("cadence", status="failed") == (await listed(user, "/cadences"))[0]
        await user.ask("DELETE", f"/jobs/{jobs[1]}")
        while [scan["status"] for scan in shown["scans"]] != ["failed", "deleted", "failed"]:
            shown = await stream.until("cadence", cadence_id=cadence_id)
        await user.ask("DELETE", f"/cadences/{cadence_id}")
        assert await stream.until("removed", kind="cadence") == {"kind": "cadence", "id": cadence_id}


async def test_a_list_read_after_open_and_the_stream_together_miss_nothing(other: Other, user: Account) -> None:
    keys = [await user.upload() for _ in range(2)]
    made: list[str] = []

    async def keep_starting() -> None:
        while len(made) < 30:
            made.append(await user.start(keys[len(made) % 2]))

    starting = asyncio.create_task(keep_starting())
    async with AsyncExitStack() as stack:
        known = []
        for _ in range(5):
            stream = await stack.enter_async_context(opened(other, user))
            known.append((stream, {job["job_id"] for job in await listed(user, "/jobs")}))
        await starting
        for stream, jobs in known:
            while not jobs.issuperset(made):
                name, data = await stream.event()
                assert name == "job"
                jobs.add(data["job_id"])


async def test_a_user_gets_no_events_of_others(other: Other, user: Account) -> None:
    stranger = await account(user.gateway)
    async with opened(other, user) as stream, opened(other, stranger) as strange:
        foreign = await stranger.analyze()
        assert (await strange.until("job"))["job_id"] == foreign
        job_id = await user.analyze()
        assert (await stream.event())[1]["job_id"] == job_id
    assert (await other.client.get("/events")).status == 403
    async with other.client.head("/events", headers={"x-api-key": user.api_key}) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET")


async def test_one_query_serves_all_streams_and_none_is_sent_without_a_stream(
    other: Other, user: Account, until: Until
) -> None:
    assert other.changes.queries == 0
    others = [await account(user.gateway) for _ in range(3)]
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(opened(other, one)) for one in (user, *others) for _ in range(6)]
        job_id = await user.analyze()
        for stream in streams[:6]:
            assert (await stream.until("job"))["job_id"] == job_id
        before = other.changes.queries

        async def has_asked() -> bool:
            return other.changes.queries >= before + 5

        began = time.monotonic()
        await until(has_asked)
        # A query for each stream would be 24 times as many.
        assert other.changes.queries <= before + 5 + (time.monotonic() - began) / 0.05


async def test_streams_per_user_are_limited_and_a_client_that_disconnects_frees_its_place(
    gateway: Gateway, user: Account, until: Until
) -> None:
    async with other_gateway(gateway, events_per_user=6) as other, AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(opened(other, user)) for _ in range(6)]
        async with other.client.get("/events", headers={"x-api-key": user.api_key}) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (429, "too_many_streams")
        streams[3].response.close()

        async def is_accepted() -> bool:
            async with other.client.get("/events", headers={"x-api-key": user.api_key}) as response:
                return response.status == 200

        await until(is_accepted)
        job_id = await user.analyze()
        assert (await streams[0].until("job"))["job_id"] == job_id


async def test_silence_is_filled(gateway: Gateway, user: Account) -> None:
    async with other_gateway(gateway, events_keep_alive_s=0.05) as other, opened(other, user) as stream:
        assert await stream.block() == {"": "keep-alive"}


async def test_a_stream_ends_after_its_time_limit(gateway: Gateway, user: Account) -> None:
    async with other_gateway(gateway, events_max_s=0.2) as other, opened(other, user) as stream:
        assert await stream.ended()


async def test_changes_during_an_outage_of_the_database_are_told_after_it(
    other: Other, user: Account, until: Until
) -> None:
    key = await user.upload()
    async with opened(other, user) as stream:
        other.changes.is_away = True
        enough = other.changes.queries + 3

        async def was_away() -> bool:
            return other.changes.queries >= enough

        job_id = await user.start(key)
        await until(was_away)
        other.changes.is_away = False
        assert (await stream.until("job"))["job_id"] == job_id


async def test_streams_end_when_the_gateway_stops(other: Other, user: Account) -> None:
    async with opened(other, user) as stream:
        with suppress(aiohttp.ClientError):
            await other.client.server.close()
        assert await stream.ended()


async def test_a_gateway_in_another_process_tells_changes_until_it_is_stopped(
    servers: EmbeddedServers, gateway: Gateway, user: Account
) -> None:
    async with running_gateway(servers.gateway_environment) as process:
        headers = {"x-api-key": user.api_key}
        async with process.request("GET", "/events", headers=headers) as response:
            stream = Stream(response)
            await stream.until("open")
            job_id = await user.analyze()
            assert (await stream.until("job"))["job_id"] == job_id
            process.terminate()
            assert await stream.ended()
