"""GET, POST and DELETE /session: how a browser signs in, what its cookie allows, and how it signs out."""

import asyncio
import time
from typing import Any

import pytest

from tests.contract.gateway.browser import COOKIE, Browser, link_for
from tests.contract.gateway.parts import Account, Gateway, account, code


@pytest.fixture
async def carol(gateway: Gateway) -> Account:
    """Return a user with one key, made for one test."""
    return await account(gateway)


@pytest.fixture
async def browser(gateway: Gateway) -> Browser:
    return Browser(gateway)


async def test_without_a_session_the_page_learns_how_to_sign_in(browser: Browser) -> None:
    expected = {"signed_in": False, "sign_in": {"api_key": True, "oidc": True}}
    assert await browser.ask("GET", "/session") == (200, expected)


async def test_an_api_key_signs_in(browser: Browser, carol: Account) -> None:
    before = int(time.time())
    session = await browser.sign_in(api_key=f" {carol.api_key}\n")
    assert session == {
        "signed_in": True,
        "user_id": carol.user_id,
        "name": "test",
        "tier": "researcher",
        "csrf_token": session["csrf_token"],
        "expires_at": session["expires_at"],
        "signed_in_with": "api_key",
    }
    assert before + 28_800 <= session["expires_at"] <= time.time() + 28_800
    assert await browser.ask("GET", "/session") == (200, session)
    assert await browser.ask("GET", "/jobs") == (200, [])


async def test_a_link_signs_in_once(browser: Browser, carol: Account) -> None:
    token = await link_for(browser.gateway, carol.user_id)
    session = await browser.sign_in(link_token=token)
    assert (session["user_id"], session["signed_in_with"]) == (carol.user_id, "link")
    assert code(await Browser(browser.gateway).ask("POST", "/session", {"link_token": token})) == (403, "invalid_link")
    late = await link_for(browser.gateway, carol.user_id, lasts_s=-1)
    assert code(await Browser(browser.gateway).ask("POST", "/session", {"link_token": late})) == (403, "invalid_link")


async def test_changes_need_the_csrf_token(browser: Browser, carol: Account) -> None:
    await browser.sign_in(api_key=carol.api_key)
    right, browser.csrf_token = browser.csrf_token, ""
    assert code(await browser.ask("POST", "/api-keys")) == (403, "csrf_token_missing")
    assert code(await browser.ask("POST", "/api-keys", X_CSRF_Token="x")) == (403, "csrf_token_wrong")
    assert (await browser.ask("POST", "/api-keys", X_CSRF_Token=right))[0] == 201


async def test_sign_out_ends_the_session_on_the_server(browser: Browser, carol: Account) -> None:
    await browser.sign_in(api_key=carol.api_key)
    stolen = Browser(browser.gateway, browser.cookie, browser.csrf_token)
    assert (await stolen.ask("GET", "/jobs"))[0] == 200
    status, answer = await browser.ask("DELETE", "/session")
    assert (status, answer["signed_in"], browser.cookie) == (200, False, "")
    assert code(await stolen.ask("GET", "/jobs")) == (403, "session_ended")
    assert (await stolen.ask("GET", "/session"))[1]["signed_in"] is False
    # A client that lost the answer repeats the request.
    assert (await stolen.ask("DELETE", "/session"))[0] == 200


HOUR_S = 3600


@pytest.fixture
async def signed_in(browser: Browser, carol: Account) -> Browser:
    await browser.sign_in(link_token=await link_for(browser.gateway, carol.user_id))
    return browser


async def test_a_session_ends_after_eight_hours_without_a_use(signed_in: Browser) -> None:
    clock = signed_in.gateway.clock
    with clock.ahead(7.9 * HOUR_S):
        assert (await signed_in.ask("GET", "/jobs"))[0] == 200
    with clock.ahead(15.8 * HOUR_S):
        assert (await signed_in.ask("GET", "/session"))[1]["signed_in"] is True
    with clock.ahead(16 * HOUR_S):
        assert (await signed_in.ask("GET", "/session"))[1]["signed_in"] is False
        assert code(await signed_in.ask("GET", "/jobs")) == (403, "session_ended")


async def test_a_page_that_is_only_left_open_does_not_prolong_a_session(signed_in: Browser) -> None:
    clock = signed_in.gateway.clock
    headers = {"Cookie": f"{COOKIE}={signed_in.cookie}", "Accept": "text/event-stream"}
    with clock.ahead(7.9 * HOUR_S):
        async with signed_in.gateway.client.get("/events", headers=headers) as response:
            assert response.status == 200
        assert (await signed_in.ask("GET", "/session"))[1]["signed_in"] is True
    with clock.ahead(8.1 * HOUR_S):
        assert code(await signed_in.ask("GET", "/jobs")) == (403, "session_ended")


async def test_a_session_ends_after_seven_days_in_any_case(signed_in: Browser) -> None:
    clock, ended = signed_in.gateway.clock, 7 * 24
    for hours in range(0, ended, 7):
        with clock.ahead(hours * HOUR_S):
            assert (await signed_in.ask("GET", "/jobs"))[0] == 200, hours
    with clock.ahead(ended * HOUR_S + 1):
        assert code(await signed_in.ask("GET", "/jobs")) == (403, "session_ended")


async def test_a_session_ends_with_its_key(browser: Browser, carol: Account) -> None:
    _, made = await carol.ask("POST", "/api-keys", {"ttl_days": 1})
    await browser.sign_in(api_key=made["api_key"])
    by_link = Browser(browser.gateway)
    await by_link.sign_in(link_token=await link_for(browser.gateway, carol.user_id))
    assert (await carol.ask("DELETE", f"/api-keys/{made['key_id']}"))[0] == 200
    assert code(await browser.ask("GET", "/jobs")) == (403, "session_ended")
    assert (await by_link.ask("GET", "/jobs"))[0] == 200
    _, short = await carol.ask("POST", "/api-keys", {"ttl_days": 1})
    await browser.sign_in(api_key=short["api_key"])
    for hours in (7, 14, 21):
        with browser.gateway.clock.ahead(hours * HOUR_S):
            assert (await browser.ask("GET", "/jobs"))[0] == 200
    with browser.gateway.clock.ahead(22 * HOUR_S):
        assert (await browser.ask("GET", "/session"))[1]["expires_at"] == short["expires_at"]
    with browser.gateway.clock.ahead(24 * HOUR_S + 1):
        assert code(await browser.ask("GET", "/jobs")) == (403, "session_ended")


@pytest.mark.parametrize("change", [{"active": False}, {"expires_at": 1}])
async def test_an_unusable_key_opens_no_session(browser: Browser, carol: Account, change: dict[str, Any]) -> None:
    _, made = await carol.ask("POST", "/api-keys")
    await browser.gateway.store.database["api_keys"].update_one({"_id": made["key_id"]}, {"$set": change})
    expected = "revoked_api_key" if "active" in change else "expired_api_key"
    assert code(await browser.ask("POST", "/session", {"api_key": made["api_key"]})) == (403, expected)
    assert browser.cookie == ""


async def test_a_session_ends_with_its_user(signed_in: Browser, carol: Account) -> None:
    users = signed_in.gateway.store.users
    link = await link_for(signed_in.gateway, carol.user_id)
    await signed_in.gateway.store.database["users"].delete_one({"_id": carol.user_id})
    # What gateways do once their cache is too old.
    for notify in users.on_change:
        notify()
    assert code(await signed_in.ask("GET", "/jobs")) == (403, "session_ended")
    assert code(await Browser(signed_in.gateway).ask("POST", "/session", {"link_token": link})) == (403, "invalid_link")


async def test_a_changed_tier_counts_at_once(signed_in: Browser, carol: Account) -> None:
    assert (await signed_in.ask("GET", "/api-keys"))[0] == 200
    assert await signed_in.gateway.store.users.set_tier(carol.user_id, "free")
    assert code(await signed_in.ask("GET", "/api-keys")) == (403, "tier_upgrade_required")
    assert (await signed_in.ask("GET", "/session"))[1]["tier"] == "free"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "missing_field"),
        ({"api_key": "a", "link_token": "b"}, "missing_field"),
        ({"api_key": ""}, "invalid_field"),
        ({"api_key": "x" * 201}, "invalid_field"),
        ({"link_token": 7}, "invalid_field"),
        ({"link_token": {"$ne": ""}}, "invalid_field"),
        ({"password": "x"}, "unknown_field"),
        ([], "invalid_json"),
    ],
)
async def test_other_bodies_are_refused(browser: Browser, body: Any, expected: str) -> None:
    assert code(await browser.ask("POST", "/session", body)) == (400, expected)


@pytest.mark.parametrize("path", ["/events", "/jobs/{job_id}/events"])
async def test_a_stream_ends_with_its_session(signed_in: Browser, carol: Account, path: str) -> None:
    job_id = await carol.analyze()
    headers = {"Cookie": f"{COOKIE}={signed_in.cookie}", "Accept": "text/event-stream"}
    async with signed_in.gateway.client.get(path.format(job_id=job_id), headers=headers) as response:
        assert response.status == 200
        assert (await signed_in.ask("DELETE", "/session"))[0] == 200
        # The change of the job reaches nobody who has signed out.
        assert (await carol.ask("DELETE", f"/jobs/{job_id}"))[0] == 200
        rest = await asyncio.wait_for(response.content.read(), 60)
        assert b"removed" not in rest
        assert response.content.at_eof()
