"""Server-sent events that report a job's changes."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from deploy.local.servers import EmbeddedServers
from services.gateway.api.application import make_http_app
from services.gateway.api.auth import ApiKeyAuthentication
from services.gateway.api.event_streams import EventStreams, JobChanges
from services.gateway.api.routes.job_events import JobEventRoutes
from shared.errors import TransientError
from shared.events import Event, JobFailed, JobProgress
from tests.contract.conftest import Until
from tests.contract.gateway.parts import Account, Gateway, classified, export

PATIENCE_S = 60.0


class Jobs:
    """The job store, which can be unavailable."""

    def __init__(self, gateway: Gateway) -> None:
        self._jobs = gateway.store.jobs
        self.is_away = False
        self.reads = 0

    async def get(self, job_id: str) -> Any:
        self.reads += 1
        if self.is_away:
            raise TransientError("The job store is away.")
        return await self._jobs.get(job_id)


@dataclass
class Streams:
    """A gateway that serves only streams."""

    gateway: Gateway
    client: TestClient[Any, Any]
    jobs: Jobs
    changes: JobChanges

    async def handle(self, event: Event) -> None:
        """Handle an event from the bus, as this gateway does when the consumer group assigns it the partition."""
        await self.changes.after(self.gateway.worker_events.handle)(event)


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

    async def job(self) -> dict[str, Any]:
        """Return the job in the next event."""
        fields = await self.block()
        while "event" not in fields:
            assert fields, "the stream has ended"
            fields = await self.block()
        assert fields["event"] == "job"
        return {**json.loads(fields["data"]), "event_id": fields["id"]}

    async def ended(self) -> bool:
        """Return whether the stream ends after nothing but comments."""
        async with asyncio.timeout(PATIENCE_S):
            rest = await self.response.content.read()
        return b"data:" not in rest


@asynccontextmanager
async def streams_of(gateway: Gateway, **settings: Any) -> AsyncIterator[Streams]:
    tuned = gateway.settings.model_copy(update={"events_poll_s": 30.0, "events_per_user": 2, **settings})
    jobs, changes = Jobs(gateway), JobChanges()
    pepper = tuned.api_key_pepper.get_secret_value()
    authenticate = ApiKeyAuthentication(gateway.store.users, pepper=pepper, now_s=time.time)
    app = make_http_app([JobEventRoutes(EventStreams(tuned, changes), jobs=jobs)], authenticate, request_timeout_s=0.5)
    app.on_shutdown.append(changes.close)
    async with TestClient(TestServer(app)) as client:
        yield Streams(gateway, client, jobs, changes)


@asynccontextmanager
async def opened(streams: Streams, user: Account, job_id: str, **headers: str) -> AsyncIterator[Stream]:
    headers = {"x-api-key": user.api_key, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with streams.client.get(f"/jobs/{job_id}/events", headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"
        assert "X-Request-Id" in response.headers
        stream = Stream(response)
        assert int((await stream.block())["retry"]) > 0
        yield stream


@pytest.fixture
async def streams(gateway: Gateway) -> AsyncIterator[Streams]:
    async with streams_of(gateway) as streams:
        yield streams


def progress(job_id: str, done: int) -> Event:
    return JobProgress.make(job_id=job_id, producer="t", step=str(done), stage="dedoppler", done=done, total=9)


def failed(job_id: str) -> Event:
    return JobFailed.make(job_id=job_id, producer="t", stage="ingest", code="bad_observation", message="A sentence.")


async def test_a_stream_shows_the_job_at_once_and_each_change_until_its_exports_are_made(
    streams: Streams, alice: Account
) -> None:
    job_id = await alice.analyze()
    async with opened(streams, alice, job_id) as stream:
        seen = [await stream.job()]
        await streams.handle(progress(job_id, 1))
        seen.append(await stream.job())
        await streams.handle(classified(streams.gateway, job_id))
        seen.append(await stream.job())
        await streams.handle(await export(streams.gateway, job_id))
        seen.append(await stream.job())
        assert await stream.ended()
    assert [job["status"] for job in seen] == ["submitted", "processing", "complete", "complete"]
    assert [job["exports_ready"] for job in seen] == [False, False, False, True]
    assert seen[1]["progress"] == {"stage": "dedoppler", "done": 1, "total": 9}
    assert len({job.pop("event_id") for job in seen}) == 4
    assert seen[-1] == (await alice.ask("GET", f"/jobs/{job_id}"))[1]


async def test_a_stream_outlasts_the_time_limit_of_other_requests(streams: Streams, alice: Account) -> None:
    job_id = await alice.analyze()
    async with opened(streams, alice, job_id) as stream:
        await stream.job()
        await asyncio.sleep(0.6)
        await streams.handle(failed(job_id))
        assert (await stream.job())["status"] == "failed"
        assert await stream.ended()


async def test_changes_by_another_gateway_appear_after_a_while_and_silence_is_filled(
    gateway: Gateway, alice: Account
) -> None:
    job_id = await alice.analyze()
    async with (
        streams_of(gateway, events_poll_s=0.05, events_keep_alive_s=0.1) as streams,
        opened(streams, alice, job_id) as stream,
    ):
        await stream.job()
        assert await stream.block() == {"": "keep-alive"}
        await gateway.worker_events.handle(failed(job_id))
        assert (await stream.job())["error"] == "A sentence."
        assert await stream.ended()


async def test_a_client_that_reconnects_gets_only_changes(streams: Streams, alice: Account) -> None:
    job_id = await alice.analyze()
    async with opened(streams, alice, job_id) as stream:
        first = await stream.job()
    async with opened(streams, alice, job_id, last_event_id=first["event_id"]) as stream:
        await streams.handle(progress(job_id, 3))
        second = await stream.job()
        assert second["progress"]["done"] == 3
    async with opened(streams, alice, job_id, last_event_id=first["event_id"]) as stream:
        assert await stream.job() == second
    async with opened(streams, alice, job_id, last_event_id="never-heard-of") as stream:
        assert await stream.job() == second
        await streams.handle(failed(job_id))
        last = await stream.job()
    headers = {"x-api-key": alice.api_key, "Last-Event-ID": last["event_id"]}
    async with streams.client.get(f"/jobs/{job_id}/events", headers=headers) as response:
        assert (response.status, await response.read()) == (204, b"")


async def test_jobs_of_others_and_unknown_jobs_have_no_stream(streams: Streams, alice: Account, bob: Account) -> None:
    job_id = await alice.analyze()
    for user, path, status in ((bob, job_id, 403), (alice, str(uuid.uuid4()), 404), (alice, "%00", 404)):
        async with streams.client.get(f"/jobs/{path}/events", headers={"x-api-key": user.api_key}) as response:
            assert (response.status, response.content_type) == (status, "application/json")
    assert (await streams.client.get(f"/jobs/{job_id}/events")).status == 403
    async with streams.client.head(f"/jobs/{job_id}/events", headers={"x-api-key": alice.api_key}) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET")


async def test_streams_per_user_are_limited(streams: Streams, alice: Account, bob: Account) -> None:
    job_id, other_id = await alice.analyze(), await bob.analyze()
    async with opened(streams, alice, job_id) as one, opened(streams, alice, job_id) as two:
        await one.job()
        await two.job()
        async with streams.client.get(f"/jobs/{job_id}/events", headers={"x-api-key": alice.api_key}) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (429, "too_many_streams")
            assert int(response.headers["Retry-After"]) > 0
        async with opened(streams, bob, other_id) as stream:
            await stream.job()
        await streams.handle(failed(job_id))
        assert (await one.job())["status"] == (await two.job())["status"] == "failed"
        assert await one.ended()
        assert await two.ended()
    async with opened(streams, alice, job_id) as again:
        await again.job()


async def test_a_client_that_disconnects_frees_its_place(gateway: Gateway, alice: Account, until: Until) -> None:
    job_id = await alice.analyze()
    async with streams_of(gateway, events_poll_s=0.05, events_per_user=1) as streams:
        async with opened(streams, alice, job_id) as stream:
            await stream.job()
            stream.response.close()

        async def is_accepted() -> bool:
            headers = {"x-api-key": alice.api_key}
            async with streams.client.get(f"/jobs/{job_id}/events", headers=headers) as response:
                return response.status == 200

        await until(is_accepted)


async def test_a_stream_outlives_an_outage_of_the_job_store(gateway: Gateway, alice: Account, until: Until) -> None:
    job_id = await alice.analyze()
    async with streams_of(gateway, events_poll_s=0.05) as streams, opened(streams, alice, job_id) as stream:
        await stream.job()
        streams.jobs.is_away = True
        enough = streams.jobs.reads + 3

        async def was_away() -> bool:
            return streams.jobs.reads >= enough

        await gateway.worker_events.handle(failed(job_id))
        await until(was_away)
        streams.jobs.is_away = False
        assert (await stream.job())["status"] == "failed"


async def test_a_stream_ends_after_its_time_limit(gateway: Gateway, alice: Account) -> None:
    job_id = await alice.analyze()
    async with (
        streams_of(gateway, events_poll_s=0.05, events_max_s=0.2) as streams,
        opened(streams, alice, job_id) as stream,
    ):
        await stream.job()
        assert await stream.ended()


async def test_streams_end_when_the_gateway_stops(servers: EmbeddedServers, gateway: Gateway, alice: Account) -> None:
    job_id = await alice.analyze()
    async with streams_of(gateway) as streams, opened(streams, alice, job_id) as stream:
        await stream.job()
        began = time.monotonic()
        await streams.client.server.close()
        assert await stream.ended()
        assert time.monotonic() - began < 5
