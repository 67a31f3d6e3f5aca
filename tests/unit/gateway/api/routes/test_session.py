"""Failed sign-ins count for their address, and slow it down."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.accounts.model import ApiKey, format_api_key, hash_api_key
from services.gateway.accounts.session import SessionLives
from services.gateway.accounts.sessions import Sessions, make_link
from services.gateway.api.application import make_http_app
from services.gateway.api.auth import ApiKeyAuthentication
from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.rate_limits import RateLimits
from services.gateway.api.routes.session import BrowserSessions, SessionRoutes
from services.gateway.api.same_origin import SameOrigin
from services.gateway.api.session_cookie import Cookies
from services.gateway.api.sign_ins import FailedSignIns
from services.gateway.settings import Rate, RateLimitSettings
from tests.unit.gateway.accounts.session_store import SessionStore

PEPPER = "a pepper of some length"
NOW_S = 1_000_000
KEY = format_api_key(b"1" * 32)
WRONG_KEY = format_api_key(b"2" * 32)


@pytest.fixture
def store() -> SessionStore:
    hashed = hash_api_key(KEY, PEPPER)
    return SessionStore(keys={hashed: ApiKey("k1", "u1", "n", hashed, "p", 0, 2_000_000)})


@pytest.fixture
async def client(store: SessionStore) -> AsyncIterator[TestClient]:
    rates = RateLimitSettings(failed_sign_ins=Rate(burst=5, per_minute=1))
    limits = RateLimits(rates, ClientAddresses(), clock=lambda: 0.0)
    lives = SessionLives(idle_s=1000, absolute_s=5000)
    sessions = Sessions(store, store, pepper=PEPPER, lives=lives, now_s=lambda: NOW_S, cache_s=3)
    by_key = ApiKeyAuthentication(store, pepper=PEPPER, now_s=lambda: NOW_S)
    routes = SessionRoutes(
        sessions,
        BrowserSessions(sessions, Cookies(limits.addresses, is_tls=False), cookie_lasts_s=5000),
        keys=by_key,
        same_origin=SameOrigin(None),
        failed=FailedSignIns(limits),
        has_oidc=False,
    )
    app = make_http_app([routes], by_key, limits=limits)
    async with TestClient(TestServer(app), cookie_jar=DummyCookieJar()) as client:
        yield client


async def sign_in(client: TestClient, **how: str) -> int:
    async with client.post("/session", json=how) as response:
        assert ("Set-Cookie" in response.headers) == (response.status == 200)
        if response.status == 429:
            assert response.headers["Retry-After"] == "60"
        return response.status


@pytest.mark.parametrize("how", [{"api_key": WRONG_KEY}, {"api_key": "x"}, {"link_token": "x"}])
async def test_wrong_sign_ins_beyond_the_limit_are_refused(client: TestClient, how: dict[str, str]) -> None:
    found = Counter(await asyncio.gather(*(sign_in(client, **how) for _ in range(40))))
    assert found == {403: 5, 429: 35}


async def test_right_sign_ins_cost_nothing_and_are_not_kept_out(client: TestClient, store: SessionStore) -> None:
    assert [await sign_in(client, api_key=KEY) for _ in range(10)] == [200] * 10
    assert [await sign_in(client, link_token="x") for _ in range(7)] == [403] * 5 + [429] * 2
    assert await sign_in(client, api_key=KEY) == 200
    link = await make_link(store, user_id="u1", pepper=PEPPER, now_s=NOW_S, lasts_s=60)
    assert await sign_in(client, link_token=link) == 200
    assert await sign_in(client, link_token=link) == 429
