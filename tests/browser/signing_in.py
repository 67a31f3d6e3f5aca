"""Sign in as people do."""

from playwright.async_api import Page


async def sign_in(page: Page, url: str, api_key: str, path: str = "/app/") -> None:
    """Open a page of the dashboard without a session, and paste an API key where it asks for one."""
    await page.goto(url + path)
    await page.get_by_label("API key").fill(api_key)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("button", name="Sign out").wait_for()
