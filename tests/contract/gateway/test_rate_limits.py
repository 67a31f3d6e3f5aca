"""Rate limits of a gateway with default settings."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from deploy.local.servers import EmbeddedServers
from services.gateway.accounts.model import format_api_key
from services.gateway.settings import RateLimitSettings
from tests.contract.gateway.process import GatewayProcess, running_gateway

DEFAULTS = RateLimitSettings()


@pytest.fixture(scope="module")
async def process(servers: EmbeddedServers) -> AsyncIterator[GatewayProcess]:
    async with running_gateway(servers.gateway_environment) as process:
        yield process


async def statuses(process: GatewayProcess, count: int, method: str, path: str, **more: object) -> Counter[int]:
    answers = await asyncio.gather(*(process.ask(method, path, **more) for _ in range(count)))
    return Counter(status for status, _ in answers)


def allowed(rate: object, began: float) -> int:
    """Return the most requests that may have passed since then."""
    return rate.burst + int((time.monotonic() - began) * rate.per_minute / 60) + 1


async def test_a_hundred_reports_at_once_are_too_many(process: GatewayProcess) -> None:
    body = {"job_id": "none"}
    began = time.monotonic()
    found = await statuses(process, 100, "POST", "/reports", json=body)
    assert set(found) == {404, 429}
    assert DEFAULTS.reports.burst <= found[404] <= allowed(DEFAULTS.reports, began)


async def test_answers_state_the_limit(process: GatewayProcess) -> None:
    async with process.request("GET", "/jobs") as response:
        assert response.status == 200
        assert response.headers["RateLimit-Policy"] == '"key";q=400;w=10'
        assert response.headers["RateLimit"].startswith('"key";r=')


# This test is the last one: afterwards, the tests' address has to wait.
async def test_three_hundred_wrong_keys_are_too_many_and_right_ones_still_work(process: GatewayProcess) -> None:
    assert (await process.ask("GET", "/jobs"))[0] == 200
    began = time.monotonic()
    wrong = {"x-api-key": format_api_key(bytes(32))}
    found = await statuses(process, 300, "GET", "/jobs", headers=wrong)
    assert set(found) == {403, 429}
    assert DEFAULTS.failed_sign_ins.burst <= found[403] <= allowed(DEFAULTS.failed_sign_ins, began)
    assert await statuses(process, 20, "GET", "/jobs") == {200: 20}
    async with process.request("GET", "/jobs", headers=wrong) as response:
        assert response.status == 429
        assert 1 <= int(response.headers["Retry-After"]) <= 6
