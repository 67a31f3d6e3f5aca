"""Wrong keys and tokens are limited per address; right ones are not kept out by them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.accounts.model import User
from services.gateway.api.application import make_http_app
from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.errors import ApiError
from services.gateway.api.oidc import InvalidTokenError
from services.gateway.api.rate_limits import RateLimits
from services.gateway.settings import Rate, RateLimitSettings
from shared.errors import TransientError

LIMIT = Rate(burst=5, per_minute=1)


class Directory:
    """Users by key and token; counts the look-ups of keys, and the most at the same time."""

    def __init__(self) -> None:
        self.valid = {"right", "new"}
        self.look_ups = self.under_way = self.most_at_once = 0
        self.is_away = False

    async def authenticate(self, request: web.Request) -> User:
        token = request.headers.get("Authorization")
        if token is not None:
            if token != "Bearer right":
                raise InvalidTokenError("The token is not valid.")
            return User("u2", "free", "n", 0)
        key = request.headers.get("x-api-key")
        if key is None:
            raise ApiError(403, "missing_api_key", "A key is required.")
        self.look_ups += 1
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0.001)
        self.under_way -= 1
        if self.is_away:
            raise TransientError("The job store is away.")
        if key not in self.valid:
            raise ApiError(403, "invalid_api_key", "The API key is not valid.")
        return User("u1", "free", "n", 0)


async def answer(_request: web.Request) -> web.Response:
    return web.json_response({})


class Subjects:
    def routes(self) -> list[web.RouteDef]:
        return [web.get("/jobs", answer)]


class Asking:
    def __init__(self, client: TestClient, directory: Directory) -> None:
        self.client = client
        self.directory = directory

    async def __call__(self, key: str = "", token: str = "") -> int:
        headers = {"x-api-key": key} if key else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        async with self.client.get("/jobs", headers=headers) as response:
            return response.status

    async def wrong_keys(self, count: int) -> list[int]:
        return list(await asyncio.gather(*(self(f"wrong-{number}") for number in range(count))))


@asynccontextmanager
async def asking(**rates: Rate | None) -> AsyncIterator[Asking]:
    rates = {"failed_sign_ins": LIMIT} | rates
    limits = RateLimits(RateLimitSettings(**rates), ClientAddresses(), clock=lambda: 0.0)
    directory = Directory()
    app = make_http_app([Subjects()], directory.authenticate, limits=limits)
    async with TestClient(TestServer(app)) as client:
        yield Asking(client, directory)


async def test_wrong_keys_beyond_the_limit_are_looked_up_one_after_another_and_refused() -> None:
    async with asking() as ask:
        statuses = await ask.wrong_keys(300)
        assert (statuses.count(403), statuses.count(429)) == (5, 295)
        assert ask.directory.most_at_once <= LIMIT.burst + 1


async def test_a_right_key_that_is_new_here_is_answered_among_wrong_ones() -> None:
    async with asking() as ask:
        await ask.wrong_keys(20)
        attack = asyncio.create_task(ask.wrong_keys(300))
        assert await ask("new") == 200
        assert set(await attack) == {429}


async def test_the_refusal_says_when_to_retry() -> None:
    async with asking() as ask:
        await ask.wrong_keys(5)
        async with ask.client.get("/jobs", headers={"x-api-key": "wrong"}) as response:
            assert response.status == 429
            assert response.headers["Retry-After"] == "60"
            assert response.headers["RateLimit-Policy"] == '"failed-sign-ins";q=5;w=300'
            assert (await response.json())["error"]["code"] == "too_many_requests"


async def test_a_key_that_was_right_before_is_not_kept_out() -> None:
    async with asking() as ask:
        assert await ask("right") == 200
        await ask.wrong_keys(50)
        assert [await ask("right") for _ in range(20)] == [200] * 20


async def test_right_keys_cost_nothing() -> None:
    async with asking() as ask:
        ask.directory.valid = {f"key-{number}" for number in range(100)}
        for key in ask.directory.valid:
            assert await ask(key) == 200
        assert await ask("wrong") == 403


async def test_a_right_token_is_never_kept_out_and_wrong_ones_count() -> None:
    async with asking() as ask:
        assert [await ask(token="wrong") for _ in range(7)] == [403] * 5 + [429] * 2
        assert await ask(token="right") == 200
        assert await ask("wrong") == 429


async def test_a_revoked_key_counts_like_any_other() -> None:
    async with asking() as ask:
        assert await ask("right") == 200
        ask.directory.valid = set()
        assert [await ask("right") for _ in range(8)] == [403] * 6 + [429] * 2


async def test_an_outage_is_no_wrong_key() -> None:
    async with asking() as ask:
        ask.directory.is_away = True
        assert [await ask("new") for _ in range(20)] == [503] * 20
        ask.directory.is_away = False
        assert await ask("new") == 200


async def test_refused_requests_count_for_the_address_too() -> None:
    async with asking(address=Rate(burst=3, per_minute=1)) as ask:
        assert [await ask() for _ in range(5)] == [403] * 3 + [429] * 2
        # Its token of the failed sign-ins is gone all the same: the answer is the only difference.
        assert [await ask("wrong") for _ in range(7)] == [429] * 7
        assert ask.directory.look_ups == 7


@pytest.mark.parametrize("count", [1, 40])
async def test_without_a_limit_every_wrong_key_is_looked_up(count: int) -> None:
    async with asking(failed_sign_ins=None, address=None) as ask:
        assert await ask.wrong_keys(count) == [403] * count
