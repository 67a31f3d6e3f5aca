"""GET, POST and DELETE /session: how a browser signs in, what its cookie allows, and how it signs out."""

import time

import pytest

from tests.contract.gateway.browser import Browser, link_for
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
