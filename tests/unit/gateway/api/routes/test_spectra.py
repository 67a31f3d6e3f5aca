"""A file of spectra that can't be sent whole is not taken for one, and no part of a request takes for ever."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from services.gateway.api.auth import USER
from services.gateway.api.errors import errors_middleware
from services.gateway.api.routes.spectra import FILES_AT_ONCE, TABLES_AT_ONCE, SpectraRoutes
from services.gateway.observations import selection as selections
from services.gateway.observations.headers import Headers
from services.gateway.observations.spectra import READS_AT_ONCE, Spectra
from shared.errors import TransientError
from tests.unit.gateway.observations.example_observations import Bucket, a_job, header_of, observation

URL = "/jobs/j-1/spectra?format=fil"


@web.middleware
async def signed_in(request, handler):
    request[USER] = SimpleNamespace(user_id="u")
    return await handler(request)


@asynccontextmanager
async def serving(bucket, job, part_s=60.0):
    """Yield a client of the route alone."""

    class Jobs:
        async def get(self, job_id):
            return job

    app = web.Application(middlewares=[errors_middleware, signed_in])
    app.add_routes(SpectraRoutes(Jobs(), Headers(bucket), Spectra(bucket), part_s=part_s).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


async def a_file(monkeypatch):
    """Return a file that takes a hundred reads, and its job."""
    monkeypatch.setattr(selections, "GAP_BYTES", -1)
    _, raw = observation(spectra=100)
    return raw, a_job(raw, observation=await header_of(raw))


@pytest.mark.parametrize("change", ["removed", "away"])
async def test_a_file_that_ends_early_is_seen_to_be_cut(monkeypatch, change):
    class Failing(Bucket):
        async def get_range_into(self, key, start, buffer, etag=None):
            if len(self.reads) > 2 * READS_AT_ONCE:
                if change == "away":
                    raise TransientError("Storage is away.")
                self.objects.clear()
            return await super().get_range_into(key, start, buffer, etag)

    raw, job = await a_file(monkeypatch)
    with capture_logs() as logs:
        async with serving(Failing({"k": raw}), job) as client, client.get(URL) as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
    assert [log["event"] for log in logs] == ["spectra not sent completely"]


@pytest.mark.parametrize("form", ["raw", "fil", "csv"])
async def test_storage_that_hangs_is_waited_for_a_limited_time(monkeypatch, form):
    class Hanging(Bucket):
        async def get_range_into(self, key, start, buffer, etag=None):
            await asyncio.Event().wait()
            return 0

    raw, job = await a_file(monkeypatch)
    url = f"/jobs/j-1/spectra?format={form}"
    async with serving(Hanging({"k": raw}), job, part_s=0.05) as client, client.get(url) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (503, "temporarily_unavailable")


async def test_a_file_that_is_gone_at_once_is_an_error(monkeypatch):
    class Gone(Bucket):
        async def get_range_into(self, key, start, buffer, etag=None):
            self.objects.clear()
            return await super().get_range_into(key, start, buffer, etag)

    raw, job = await a_file(monkeypatch)
    async with serving(Gone({"k": raw}), job) as client, client.get(URL) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, "observation_gone")


@pytest.mark.parametrize(("form", "most"), [("fil", FILES_AT_ONCE), ("csv", TABLES_AT_ONCE)])
async def test_one_user_reads_a_few_files_and_tables_at_a_time(monkeypatch, form, most):
    reading, arrived, go_on = 0, asyncio.Event(), asyncio.Event()

    class Slow(Spectra):
        async def read(self, job, etag, selection):
            nonlocal reading
            reading += 1
            if reading == most:
                arrived.set()
            await go_on.wait()
            async for piece in super().read(job, etag, selection):
                yield piece

    monkeypatch.setattr("tests.unit.gateway.api.routes.test_spectra.Spectra", Slow)
    raw, job = await a_file(monkeypatch)
    async with serving(Bucket({"k": raw}), job) as client:

        async def ask():
            async with client.get(URL.replace("fil", form)) as response:
                await response.read()
                return response.status

        asked = [asyncio.create_task(ask()) for _ in range(3 * most)]
        await asyncio.wait_for(arrived.wait(), 30)
        async with client.get(URL.replace("fil", "png")) as response:
            assert response.status == 400
        # The others have come as far as they may by now: that answer was asked for last.
        assert reading == most
        go_on.set()
        assert await asyncio.gather(*asked) == [200] * 3 * most
