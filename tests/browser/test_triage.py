"""Triage: a hundred hits and more are judged by keyboard alone, and what was judged is kept."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.accessibility import check_accessibility
from tests.browser.hits import catalogue
from tests.browser.signing_in import sign_in
from tests.browser.stand_in import job

COUNT = 240


@pytest.fixture
async def judged(page, api):
    """A page with a job of many hits."""
    key = api.add_user("alice")
    one = job(results=job()["results"] | {"raw_hits": COUNT})
    api.jobs["alice"] = [one]
    api.hits.tables[one["job_id"]] = catalogue(COUNT)
    await sign_in(page, api.url, key, f"/app/jobs/{one['job_id']}")
    await expect(rows(page)).to_have_count(100)
    return one["job_id"]


def rows(page):
    return page.get_by_role("table", name=re.compile("^Hits")).locator("tbody tr")


def selected(page):
    return page.locator("tr.selected")


async def test_hits_are_judged_by_keyboard_alone(page, api, judged, screenshot):
    for key in ("j", "j", "k", "c", "r", "i", "u"):
        await page.keyboard.press(key)
    await expect(selected(page).locator("td").last).to_contain_text("4")
    await expect(page.locator(".verdict")).to_have_count(4)
    await check_accessibility(page)
    await screenshot(page, "triage_dark")
