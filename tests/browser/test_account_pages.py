"""Keys, usage, help and the page for paths without one: each state, by keyboard, in both colours."""

from playwright.async_api import expect

from tests.browser.accessibility import check_accessibility
from tests.browser.signing_in import sign_in
from tests.browser.stand_in import NO_FILES, error, job


async def test_a_key_is_shown_once_listed_and_revoked(page, api, screenshot):
    await sign_in(page, api.url, api.add_user("alice"), "/app/keys")
    await expect(page.get_by_text("You have no keys.")).to_be_visible()
    await check_accessibility(page)
    await page.get_by_label("Name, to tell it from others").fill("pipeline <b>")
    await page.get_by_label("Valid for").select_option("30 days")
    await page.get_by_role("button", name="Create a key").click()
    shown = page.locator(".secret code")
    await expect(shown).to_contain_text("sk_live_")
    secret = await shown.text_content()
    await check_accessibility(page)
    await screenshot(page, "keys_dark")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Copy the key").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == secret
    await page.get_by_role("button", name="I have stored it").click()
    assert secret not in await page.content()
    row = page.get_by_role("table", name="Your keys").locator("tbody tr")
    await expect(row).to_contain_text("pipeline <b>")
    await page.get_by_role("button", name="Revoke pipeline <b>").click()
    await check_accessibility(page)
    await page.get_by_role("dialog").get_by_role("button", name="Revoke the key").click()
    await expect(row).to_contain_text("Revoked")
    await expect(page.locator(".unseen[role=status]")).to_contain_text("The key pipeline <b> was revoked.")
    await check_accessibility(page)


async def test_a_tier_without_keys_is_told_so(page, api):
    await sign_in(page, api.url, api.add_user("bob", "free"), "/app/keys")
    await expect(page.get_by_text("Your tier, free, has no API keys.")).to_be_visible()
    await check_accessibility(page)


async def test_usage_says_what_is_left_in_words_and_bars(page, api, troubles, screenshot):
    key = api.add_user("alice")
    for _ in range(3):
        api.put_job("alice", job())

    async def unavailable():
        return error(503, "temporarily_unavailable", "A part of the service is temporarily unavailable.")

    troubles.expect("GET /usage: 503")
    api.answers["GET", "/usage"] = unavailable
    await sign_in(page, api.url, key, "/app/usage")
    await expect(page.get_by_role("alert")).to_contain_text("temporarily unavailable")
    await check_accessibility(page)
    api.answers.clear()
    await page.get_by_role("button", name="Try again").click()
    bar = page.get_by_role("progressbar", name="Jobs this month")
    await expect(bar).to_have_attribute("value", "3")
    await expect(page.get_by_text("3 of 500; 497 left")).to_be_visible()
    await expect(page.get_by_text("192.0 MiB of 60.0 GiB")).to_be_visible()
    await expect(page.get_by_role("alert")).to_have_count(0)
    await check_accessibility(page)
    await screenshot(page, "usage_dark")


async def test_help_and_unknown_paths_need_no_session(page, api, screenshot):
    await page.goto(f"{api.url}/app/help")
    await expect(page.get_by_role("table", name="What each label means")).to_contain_text("CANDIDATE_ET")
    await check_accessibility(page)
    await screenshot(page, "help_dark")
    await page.get_by_role("link", name="Keyboard", exact=True).click()
    await expect(page.locator("#keyboard")).to_be_in_viewport()
    for path in ("nowhere", "jobs", "jobs/1/2", "<b>"):
        await page.goto(f"{api.url}/app/{path}")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
        await expect(page).to_have_title("Page not found - Waterhole")
    await check_accessibility(page)


async def test_the_way_by_keyboard(page, api, troubles):
    troubles.expect(NO_FILES)
    key = api.add_user("alice")
    first, second = job(source_name="First"), job(source_name="Second", created_at=1)
    api.put_job("alice", first)
    api.put_job("alice", second)
    await sign_in(page, api.url, key)
    await page.get_by_role("link", name="First").wait_for()
    await page.reload()
    await page.get_by_role("link", name="First").wait_for()
    # From the top: the skip link, which is seen while it has the focus, leads past the navigation.
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await page.keyboard.press("Enter")
    for name in ("New analysis", "Jobs", "Cadences"):
        await page.keyboard.press("Tab")
        await expect(page.locator("main").get_by_role("link", name=name)).to_be_focused()
    for place in (page.get_by_label("Name contains"), page.get_by_label("Status"), page.get_by_text("Pause updates")):
        await page.keyboard.press("Tab")
        await expect(place).to_be_focused()
    for name, role in (("First", "link"), ("Delete First", "button"), ("Second", "link")):
        await page.keyboard.press("Tab")
        focused = page.get_by_role(role, name=name, exact=True)
        await expect(focused).to_be_focused()
        outline = await focused.evaluate("(one) => getComputedStyle(one).outlineStyle")
        assert outline == "solid"
    await page.keyboard.press("Enter")
    # A new page takes the focus to its heading, from where Tab goes on in the content.
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_contain_text("Second")
    await expect(heading).to_be_focused()
    await page.go_back()
    await expect(heading).to_have_text("Jobs")


async def test_the_colours_follow_the_system_or_the_choice(new_context, api, screenshot):
    key = api.add_user("alice")
    api.put_job("alice", job())
    page = await (await new_context(color_scheme="light")).new_page()
    await sign_in(page, api.url, key)
    await page.get_by_role("link", name="Voyager 1").wait_for()

    async def is_dark() -> bool:
        red = await page.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
        return red < 128

    assert not await is_dark()
    await screenshot(page, "jobs_light")
    await page.get_by_label("Colours").select_option("Dark")
    assert await is_dark()
    await check_accessibility(page)
    await page.reload()
    await page.get_by_role("link", name="Voyager 1").wait_for()
    assert await is_dark()
    await page.get_by_label("Colours").select_option("System")
    assert not await is_dark()
    await page.emulate_media(color_scheme="dark")
    assert await is_dark()
    await page.get_by_label("Colours").select_option("Light")
    assert not await is_dark()
    await check_accessibility(page)
    for path in ("keys", "usage", "help", "upload"):
        await page.goto(f"{api.url}/app/{path}")
        await page.get_by_role("heading", level=1).wait_for()
        await expect(page.get_by_text("Loading")).to_have_count(0)
        await check_accessibility(page)
        await screenshot(page, f"{path}_light")
