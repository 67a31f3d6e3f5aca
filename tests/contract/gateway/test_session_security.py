"""Attacks on the cookie way in: on every route of the app, so that a new route can't be forgotten."""

import logging
import uuid
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from services.gateway.accounts.model import format_api_key
from services.gateway.accounts.session import new_token
from services.gateway.api.application import make_http_app
from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.rate_limits import RateLimits
from services.gateway.api.routes.jobs import JobRoutes
from services.gateway.app import make_account_parts
from services.gateway.settings import UNLIMITED_RATES
from tests.contract.gateway.browser import COOKIE, Browser, link_for
from tests.contract.gateway.parts import Account, Gateway, account, code
from tests.contract.gateway.test_auth import TIERS, check_every_endpoint, endpoints

OWN = "http://waterhole.example"
SAFE = {"GET", "HEAD", "OPTIONS"}
CHANGES_OF_SESSION = [("DELETE", "/session")]


@pytest.fixture
async def carol(gateway: Gateway) -> Account:
    """Return a user with one key, made for one test."""
    return await account(gateway)


@pytest.fixture
async def browser(gateway: Gateway, carol: Account) -> Browser:
    """Return a browser that is signed in."""
    browser = Browser(gateway)
    await browser.sign_in(link_token=await link_for(gateway, carol.user_id))
    return browser


async def ask(
    gateway: Gateway, method: str, path: str, headers: Mapping[str, str] | CIMultiDict[str]
) -> tuple[int, str]:
    """Return status and code. The code is empty if the answer is no error."""
    async with gateway.client.request(method, path, headers=headers, allow_redirects=False) as response:
        if response.status < 400 or method == "HEAD":
            return response.status, ""
        return response.status, (await response.json())["error"]["code"]


def headers_of(browser: Browser, **more: str) -> dict[str, str]:
    """Return the headers of a right request. `more` are further ones, with `_` for `-`; empty ones are left out."""
    headers = {"Cookie": f"{COOKIE}={browser.cookie}", "X-CSRF-Token": browser.csrf_token}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    return {name: value for name, value in headers.items() if value}


@pytest.mark.parametrize("tier", TIERS)
async def test_every_endpoint_accepts_a_cookie_of_every_tier(gateway: Gateway, tier: str) -> None:
    user, browser = await account(gateway, tier), Browser(gateway)
    await browser.sign_in(link_token=await link_for(gateway, user.user_id))
    await check_every_endpoint(gateway, headers_of(browser, Sec_Fetch_Site="same-origin", Origin=OWN), tier)


@pytest.mark.parametrize(
    "kind", ["empty", "text", "forged", "unknown", "tampered", "ended", "doubled", "double header"]
)
async def test_no_endpoint_accepts_a_bad_cookie(gateway: Gateway, browser: Browser, kind: str) -> None:
    pepper = gateway.settings.api_key_pepper.get_secret_value()
    secret, _, tag = browser.cookie.partition(".")
    if kind == "ended":
        await Browser(gateway, browser.cookie, browser.csrf_token).ask("DELETE", "/session")
    good = f"{COOKIE}={browser.cookie}"
    cookies = {
        "empty": [f"{COOKIE}="],
        "text": [f"{COOKIE}=é'\"$ne"],
        "forged": [f"{COOKIE}={new_token('another pepper of some length')}"],
        "unknown": [f"{COOKIE}={new_token(pepper)}"],
        "tampered": [f"{COOKIE}={secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}.{tag}"],
        "ended": [good],
        "doubled": [f"{good}; {COOKIE}={new_token(pepper)}"],
        "double header": [good, good],
    }[kind]
    expected = "ambiguous_credentials" if kind.startswith("double") else "session_ended"
    for method, path in endpoints(gateway):
        headers = CIMultiDict([("Cookie", cookie) for cookie in cookies])
        headers["X-CSRF-Token"] = browser.csrf_token
        status, found = await ask(gateway, method, path, headers)
        assert (status, found or expected) == (403, expected), (method, path)
    async with gateway.client.get(
        "/session", headers=CIMultiDict([("Cookie", cookie) for cookie in cookies])
    ) as response:
        assert (response.status, (await response.json())["signed_in"]) == (200, False)


async def test_every_change_needs_the_sessions_own_csrf_token(
    gateway: Gateway, browser: Browser, carol: Account
) -> None:
    other = Browser(gateway)
    await other.sign_in(link_token=await link_for(gateway, carol.user_id))
    changes = [(method, path) for method, path in endpoints(gateway) if method not in SAFE]
    assert len(changes) > 10
    for method, path in changes + CHANGES_OF_SESSION:
        for given, expected in (
            ("", "csrf_token_missing"),
            ("x", "csrf_token_wrong"),
            ("\x80", "csrf_token_wrong"),
            (other.csrf_token, "csrf_token_wrong"),
        ):
            answer = await ask(gateway, method, path, headers_of(browser, X_CSRF_Token=given))
            assert answer == (403, expected), (method, path, given)
        doubled = CIMultiDict(headers_of(browser))
        doubled.add("X-CSRF-Token", browser.csrf_token)
        assert await ask(gateway, method, path, doubled) == (403, "csrf_token_wrong"), (method, path)
    assert (await browser.ask("GET", "/session"))[1]["signed_in"] is True
    assert len(list(await gateway.store.users.keys_of(carol.user_id))) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": OWN + ":8081"},
        {"Origin": OWN + ".evil.example"},
        {"Origin": "https://waterhole.example"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
async def test_no_other_page_changes_anything(
    gateway: Gateway, browser: Browser, carol: Account, headers: dict[str, str]
) -> None:
    """Not even one that has got the CSRF token."""
    changes = [(method, path) for method, path in endpoints(gateway) if method not in SAFE]
    for method, path in changes + CHANGES_OF_SESSION:
        answer = await ask(gateway, method, path, headers_of(browser, **headers))
        assert answer == (403, "cross_site_request"), (method, path)
    # Signing somebody in as the attacker is such a change too.
    answer = code(await Browser(gateway).ask("POST", "/session", {"api_key": carol.api_key}, **headers))
    assert answer == (403, "cross_site_request")


async def test_other_pages_load_nothing_but_people_follow_links(gateway: Gateway, browser: Browser) -> None:
    for method, path in [*endpoints(gateway), ("GET", "/session")]:
        if method not in SAFE:
            continue
        for site in ("cross-site", "same-site"):
            loaded = headers_of(browser, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")
            status, found = await ask(gateway, method, path, loaded)
            assert (status, found or "cross_site_request") == (403, "cross_site_request"), (method, path)
    for followed in ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, {"Sec_Fetch_Site": "none"}):
        assert await ask(gateway, "GET", "/jobs", headers_of(browser, **followed)) == (200, "")


async def test_a_sign_in_makes_a_new_session_and_ends_the_old_one(gateway: Gateway, browser: Browser) -> None:
    """Session fixation: an attacker who has put a cookie of their own into a browser gets nothing of its user."""
    victim, planted = await account(gateway), browser.cookie
    fixed = Browser(gateway, planted)
    await fixed.sign_in(api_key=victim.api_key)
    assert fixed.cookie != planted
    assert (await fixed.ask("GET", "/usage"))[1]["user_id"] == victim.user_id
    assert code(await browser.ask("GET", "/jobs")) == (403, "session_ended")
    unknown = Browser(gateway, new_token(gateway.settings.api_key_pepper.get_secret_value()))
    before = unknown.cookie
    await unknown.sign_in(api_key=victim.api_key)
    assert code(await Browser(gateway, before).ask("GET", "/jobs")) == (403, "session_ended")


async def test_answers_to_cookies_are_not_embedded_nor_kept(gateway: Gateway, browser: Browser) -> None:
    for method, path in [*endpoints(gateway), ("GET", "/session"), ("POST", "/session"), ("DELETE", "/session")]:
        sent = headers_of(browser, X_CSRF_Token="x")
        async with gateway.client.request(method, path, headers=sent, allow_redirects=False) as response:
            headers = response.headers
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], (method, path)
            assert headers["X-Content-Type-Options"] == "nosniff"
            kept = headers["Cache-Control"]
            assert kept == "no-store" or kept.startswith("private"), (method, path, kept)
            if method in SAFE and not path.startswith("/session"):
                assert "Cookie" in headers.getall("Vary"), (method, path)
            assert "Access-Control-Allow-Credentials" not in headers


async def test_a_key_or_token_counts_and_the_cookie_beside_it_does_not(gateway: Gateway, browser: Browser) -> None:
    bob = await account(gateway)
    with_key = headers_of(browser, x_api_key=bob.api_key, X_CSRF_Token="", Sec_Fetch_Site="cross-site")
    async with gateway.client.get("/usage", headers=with_key) as response:
        assert (await response.json())["user_id"] == bob.user_id
    assert (await ask(gateway, "POST", "/api-keys", with_key))[0] == 201
    wrong = headers_of(browser, x_api_key=format_api_key(b"0" * 32))
    assert await ask(gateway, "GET", "/jobs", wrong) == (403, "invalid_api_key")
    assert await ask(gateway, "GET", "/jobs", headers_of(browser, Authorization="Bearer x")) == (403, "invalid_token")


async def test_keys_are_managed_by_the_same_rules(gateway: Gateway, browser: Browser) -> None:
    status, made = await browser.ask("POST", "/api-keys", {"name": "mine"})
    assert status == 201
    assert made["key_id"] in {key["key_id"] for key in (await browser.ask("GET", "/api-keys"))[1]["keys"]}
    assert (await browser.ask("DELETE", f"/api-keys/{made['key_id']}"))[0] == 200
    free = Browser(gateway)
    await free.sign_in(link_token=await link_for(gateway, (await account(gateway, "free")).user_id))
    for method, path in (("POST", "/api-keys"), ("GET", "/api-keys"), ("DELETE", f"/api-keys/{made['key_id']}")):
        assert code(await free.ask(method, path)) == (403, "tier_upgrade_required")


async def test_users_never_see_each_others_things(gateway: Gateway, browser: Browser, carol: Account) -> None:
    job_id = await carol.analyze()
    assert [job["job_id"] for job in (await browser.ask("GET", "/jobs"))[1]] == [job_id]
    mallory = Browser(gateway)
    await mallory.sign_in(api_key=(await account(gateway)).api_key)
    for method, path in (
        ("GET", f"/jobs/{job_id}"),
        ("DELETE", f"/jobs/{job_id}"),
        ("GET", f"/jobs/{job_id}/download"),
    ):
        assert code(await mallory.ask(method, path)) == (403, "job_of_another_user")
    assert await mallory.ask("GET", "/jobs") == (200, [])
    assert (await browser.ask("GET", f"/jobs/{job_id}"))[0] == 200


async def test_secrets_of_sessions_are_neither_logged_nor_stored(
    gateway: Gateway, carol: Account, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    link = await link_for(gateway, carol.user_id)
    browser, wrong = Browser(gateway), f"wrong-{uuid.uuid4().hex}"
    secrets = [link, carol.api_key, wrong]
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        await browser.ask("POST", "/session", {"link_token": wrong})
        await browser.ask("POST", "/session", {"api_key": wrong})
        await browser.ask("POST", "/session", {"api_key": [wrong]})
        for how in ({"link_token": link}, {"api_key": carol.api_key}):
            await browser.sign_in(**how)
            secrets += [browser.cookie, browser.csrf_token]
            await browser.ask("GET", "/session")
            await browser.ask("POST", "/api-keys", X_CSRF_Token=wrong)
        stored: list[Any] = []
        for name in ("sessions", "sign_in_links", "users", "api_keys"):
            stored += [document async for document in gateway.store.database[name].find({})]
        await browser.ask("DELETE", "/session")
        await browser.ask("GET", f"/session?link={link}")
    assert {line["event"] for line in lines} >= {"request", "signed in", "signed out"}
    told = f"{lines} {caplog.text} {capfd.readouterr()} {stored}"
    assert carol.user_id in repr(stored)
    for secret in secrets:
        assert secret not in told
        assert secret[:24] not in told


async def test_all_gateways_know_a_session(gateway: Gateway, browser: Browser) -> None:
    settings = gateway.settings.model_copy(update={"user_cache_s": 0.0})
    limits = RateLimits(UNLIMITED_RATES, ClientAddresses())
    accounts = make_account_parts(
        settings, store=gateway.store, tokens=None, oidc=None, limits=limits, now_s=lambda: gateway.clock() / 1000
    )
    jobs = JobRoutes(gateway.store.jobs, gateway.jobs.removal, gateway.jobs.cadences)
    app = make_http_app([jobs, *accounts.routes], accounts.authenticate)
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as another:
        async with another.get("/jobs", headers=headers_of(browser)) as response:
            assert response.status == 200
        async with another.delete("/session", headers=headers_of(browser)) as response:
            assert response.status == 200
        async with another.get("/jobs", headers=headers_of(browser)) as response:
            assert (await response.json())["error"]["code"] == "session_ended"
