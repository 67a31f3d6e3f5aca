"""The pages of the dashboard on the stand-in API."""

from tests.browser.accessibility import check_accessibility
from tests.browser.stand_in import job, running


async def sign_in(page, api, key):
    await page.goto(f"{api.url}/app/")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()


async def test_a_user_signs_in_and_sees_jobs(page, api, screenshot):
    key = api.add_user("alice")
    api.put_job("alice", job())
    api.put_job("alice", running(source_name="GJ 1002", filename="gj1002_on.h5"))
    await page.goto(f"{api.url}/app/")
    await page.get_by_label("API key").wait_for()
    await check_accessibility(page)
    await screenshot(page, "sign_in_dark")
    await sign_in(page, api, key)
    await page.get_by_role("link", name="Voyager 1").wait_for()
    await check_accessibility(page)
    await screenshot(page, "jobs_dark")
