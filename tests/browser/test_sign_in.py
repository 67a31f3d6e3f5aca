"""Signing in and out: by key, by link, through the issuer; what happens when a session ends."""

import re

from playwright.async_api import expect

from tests.browser.accessibility import check_accessibility
from tests.browser.signing_in import sign_in
from tests.browser.stand_in import job


async def test_a_key_signs_in_and_a_wrong_one_is_said(page, api, troubles, screenshot):
    key = api.add_user("alice")
    troubles.expect("POST /session: 403")
    await page.goto(f"{api.url}/app/keys?x=1")
    field = page.get_by_label("API key")
    await field.wait_for()
    await check_accessibility(page)
    await screenshot(page, "sign_in_dark")
    # As password managers expect it.
    assert await field.get_attribute("type") == "password"
    assert await field.get_attribute("autocomplete") == "current-password"
    assert await page.get_by_role("navigation", name="Main").get_by_role("link").all_text_contents() == ["Help"]
    await field.fill("sk_live_wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("The API key is not valid.")
    await expect(field).to_be_focused()
    await check_accessibility(page)
    await field.fill(f" {key} ")
    await page.keyboard.press("Enter")
    # Back to the page that was asked for.
    await expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
    assert page.url == f"{api.url}/app/keys?x=1"
    assert await page.evaluate("document.cookie") == ""
    kept = await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")
    assert key not in kept
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await page.goto(f"{api.url}/app/keys")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_a_link_signs_in_once_and_leaves_the_address(page, api, troubles):
    api.add_user("alice")
    api.links["token-1"] = "alice"
    await page.goto(f"{api.url}/app/sign-in#link=token-1")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    assert page.url == f"{api.url}/app/"
    troubles.expect("POST /session: 403")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await page.goto(f"{api.url}/app/help")
    await page.goto(f"{api.url}/app/sign-in#link=token-1")
    await expect(page.get_by_role("alert")).to_be_visible()
    await expect(page.get_by_label("API key")).to_be_visible()
    assert "#" not in page.url
    await check_accessibility(page)


async def test_an_issuer_is_offered_where_there_is_one(page, api):
    api.has_oidc = True
    await page.goto(f"{api.url}/app/sign-in?return_to=/app/jobs/1?hit=2")
    link = page.get_by_role("link", name="Sign in with your institution")
    assert await link.get_attribute("href") == "/session/oidc?return_to=%2Fapp%2Fjobs%2F1%3Fhit%3D2"
    await check_accessibility(page)
    # Nobody can lead people elsewhere by a link to the page.
    for elsewhere in (
        "https://example.org/app/",
        "//example.org/app/",
        "/app/../jobs",
        "/app/\\example.org",
        "javascript:x",
    ):
        await page.goto(f"{api.url}/app/sign-in?return_to={elsewhere}")
        assert await link.get_attribute("href") == "/session/oidc?return_to=%2Fapp%2F"


async def test_a_failed_sign_in_at_the_issuer_is_explained(page, api):
    api.has_oidc = True
    await page.goto(f"{api.url}/app/sign-in?error=sign_in_denied&return_to=/app/upload")
    await expect(page.get_by_role("alert")).to_contain_text("Your institution's sign-in was cancelled.")
    link = page.get_by_role("link", name="Sign in with your institution")
    assert await link.get_attribute("href") == "/session/oidc?return_to=%2Fapp%2Fupload"
    await check_accessibility(page)
    for unknown in ("constructor", "<b>x</b>", ""):
        await page.goto(f"{api.url}/app/sign-in?error={unknown}")
        await page.get_by_label("API key").wait_for()
        assert await page.get_by_role("alert").count() == 0


async def test_an_ended_session_leads_to_the_sign_in_and_back(page, api, troubles, screenshot):
    key = api.add_user("alice")
    await sign_in(page, api.url, key, "/app/usage?view=1")
    # The page has all that it asks for, so that the next request is the one for the keys.
    await expect(page.get_by_role("progressbar", name="Jobs this month")).to_be_visible()
    troubles.expect("(GET|POST|DELETE) .*: 403")
    api.end_sessions()
    await page.get_by_role("link", name="API keys").click()
    await expect(page.get_by_text("Your session has ended.")).to_be_visible()
    await check_accessibility(page)
    await screenshot(page, "sign_in_ended_dark")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
    await expect(page.get_by_text("You have no keys.")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Usage")
    assert page.url == f"{api.url}/app/usage?view=1"


async def test_another_tab_signs_in_again(page, api, troubles):
    key, other_key = api.add_user("alice"), api.add_user("bob")
    for at in range(2):
        api.put_job("alice", job(source_name=f"Star {at}"))
    await sign_in(page, api.url, key)
    other = await page.context.new_page()

    async def sign_in_again(again: str) -> None:
        await other.goto(f"{api.url}/app/")
        await other.get_by_role("button", name="Sign out").click()
        await other.get_by_label("API key").fill(again)
        await other.get_by_role("button", name="Sign in").click()
        await other.get_by_role("button", name="Sign out").wait_for()

    async def delete(name: str) -> None:
        await page.get_by_role("button", name=f"Delete {name}").click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete the job").click()

    # The same user: the token of the new session is used, and nobody notices.
    troubles.expect("(GET|DELETE) .*: 403")
    await sign_in_again(key)
    await delete("Star 0")
    await expect(page.get_by_role("link", name="Star 0")).to_have_count(0)
    assert len(api.jobs["alice"]) == 1
    # Another user: nothing is done in that name, and the page shows who is signed in.
    await sign_in_again(other_key)
    await delete("Star 1")
    await expect(page.locator(".user-name")).to_have_text("bob")
    await expect(page.get_by_role("heading", name="Search your first observation")).to_be_visible()
    assert len(api.jobs["alice"]) == 1


async def test_two_users_never_see_each_others_jobs(new_context, api, troubles):
    troubles.expect("GET /jobs/.*: 404")
    pages = {}
    for name in ("alice", "bob"):
        pages[name] = await (await new_context()).new_page()
        await sign_in(pages[name], api.url, api.add_user(name))
    secret = job(source_name="Secret of alice")
    api.put_job("alice", secret)
    await expect(pages["alice"].get_by_role("link", name="Secret of alice")).to_be_visible()
    # An own event that comes later shows that the other's would have come.
    api.put_job("bob", job(source_name="Own of bob"))
    await expect(pages["bob"].get_by_role("link", name="Own of bob")).to_be_visible()
    assert "Secret" not in await pages["bob"].content()
    await pages["bob"].goto(f"{api.url}/app/jobs/{secret['job_id']}")
    await expect(pages["bob"].locator("main")).to_contain_text(re.compile("no (such )?job", re.IGNORECASE))
    assert "Secret" not in await pages["bob"].content()
    await check_accessibility(pages["bob"])


async def test_a_link_works_in_a_tab_that_shows_the_sign_in_already(page, api):
    api.add_user("alice")
    api.links["token-1"] = "alice"
    await page.goto(f"{api.url}/app/sign-in")
    await page.get_by_label("API key").wait_for()
    # Only the fragment changes, so the browser doesn't load the page again.
    await page.goto(f"{api.url}/app/sign-in#link=token-1")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    assert page.url == f"{api.url}/app/"
