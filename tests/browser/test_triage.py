"""Triage: a hundred hits and more are judged by keyboard alone, and what was judged is kept."""

import asyncio
import csv
import io
import re

import pytest
from playwright.async_api import expect

from tests.browser.accessibility import check_accessibility, overflowing
from tests.browser.hits import catalogue
from tests.browser.signing_in import sign_in
from tests.browser.stand_in import job

COUNT = 240


@pytest.fixture
async def judged(page, api):
    """Open the page of a job with many hits; return the job's id."""
    return await open_job(page, api, COUNT)


async def open_job(page, api, count):
    key = api.add_user("alice")
    one = job(results=job()["results"] | {"raw_hits": count})
    api.jobs["alice"] = [one]
    api.hits.tables[one["job_id"]] = catalogue(count)
    await sign_in(page, api.url, key, f"/app/jobs/{one['job_id']}")
    await expect(rows(page)).to_have_count(min(count, 100))
    return one["job_id"]


def rows(page):
    return page.get_by_role("table", name=re.compile("^Hits")).locator("tbody tr")


def selected(page):
    return page.locator("tr.selected")


async def selected_id(page, expected):
    await expect(selected(page).locator("td").last).to_have_text(re.compile(rf"Hit\s*{expected}$"))


async def saved(api, job_id, expected):
    """Wait until the API holds these verdicts, by hit."""
    async with asyncio.timeout(30):
        while {number: one["verdict"] for number, one in api.hits.verdicts.get(job_id, {}).items()} != expected:
            api.hits.changed.clear()
            await api.hits.changed.wait()


async def press(page, *keys):
    for key in keys:
        await page.keyboard.press(key)


async def test_hits_are_judged_by_keyboard_alone(page, api, judged, screenshot):
    await press(page, "j", "j", "k", "c", "r", "i", "u")
    await selected_id(page, 4)
    await expect(page.locator(".triage-table .verdict")).to_have_count(4)
    await saved(api, judged, {0: "candidate", 1: "rfi", 2: "instrument", 3: "unsure"})
    await check_accessibility(page)
    await screenshot(page, "triage_dark")
    # A note, by keys as well; while one types, the letters are text.
    await press(page, "n")
    note = page.get_by_role("dialog").get_by_label("Note", exact=True)
    await expect(note).to_be_focused()
    await page.keyboard.type("drift of beam 4, rx noise")
    await check_accessibility(page)
    await page.get_by_role("dialog").get_by_label("Verdict").select_option("rfi")
    await page.get_by_role("dialog").get_by_role("button", name="Save").press("Enter")
    await expect(selected(page)).to_contain_text("drift of beam 4, rx noise")
    await saved(api, judged, {0: "candidate", 1: "rfi", 2: "instrument", 3: "unsure", 4: "rfi"})
    # Undone in turn: the note, then verdicts from the last on.
    await press(page, "z", "Control+z")
    await selected_id(page, 3)
    await saved(api, judged, {0: "candidate", 1: "rfi", 2: "instrument"})
    await press(page, "k", "x")
    await saved(api, judged, {0: "candidate", 1: "rfi"})
    await page.reload()
    await expect(page.locator(".triage-table .verdict")).to_have_text([re.compile("Candidate"), re.compile("RFI")])
    # Keys can be switched off, and stay so.
    await page.get_by_role("checkbox", name="Keys").uncheck()
    await press(page, "j", "u")
    await page.reload()
    await expect(page.locator(".triage-table .verdict")).to_have_count(2)
    await expect(page.get_by_role("checkbox", name="Keys")).not_to_be_checked()
    assert api.hits.verdicts[judged].keys() == {0, 1}


async def test_filters_and_order_are_in_the_address(page, api, judged, screenshot):
    await page.get_by_role("search").get_by_label("Label").select_option("RFI_SATELLITE")
    await page.get_by_label("Least SNR").fill("200")
    hits = csv.DictReader(io.StringIO(api.hits.tables[judged]))
    shown = sum(hit["classification"] == "RFI_SATELLITE" and float(hit["snr"]) >= 200 for hit in hits)
    await expect(page.locator(".pager")).to_contain_text(f"{shown} of 240 hits")
    await expect(rows(page)).to_have_count(shown)
    head = page.get_by_role("table", name=re.compile("^Hits")).get_by_role("columnheader", name="SNR")
    await head.get_by_role("button").click()
    await expect(head).to_have_attribute("aria-sort", "descending")
    first = await rows(page).first.inner_text()
    await expect(page).to_have_url(re.compile(r"\?label=RFI_SATELLITE&min_snr=200&sort=-snr$"))
    await check_accessibility(page)
    await page.reload()
    await expect(rows(page)).to_have_count(shown)
    assert await rows(page).first.inner_text() == first
    # One steps through what is shown, and an answered hit leaves the list of those without a verdict.
    await page.get_by_role("search").get_by_label("Verdict").select_option("none")
    await press(page, "j", "r")
    await expect(rows(page)).to_have_count(shown - 1)
    await expect(selected(page)).to_have_count(1)
    await page.get_by_label("Text").fill("no such thing")
    await expect(page.get_by_text("No hit passes the filters.")).to_be_visible()
    await check_accessibility(page)
    await page.get_by_role("button", name="Clear 4 filters").click()
    await expect(rows(page)).to_have_count(100)
    await press(page, "j", "c")
    await page.emulate_media(color_scheme="light")
    await check_accessibility(page)
    await screenshot(page, "triage_light")
    await page.set_viewport_size({"width": 320, "height": 800})
    assert await overflowing(page) == []
    await check_accessibility(page)
    await screenshot(page, "triage_narrow_light")


async def test_a_verdict_that_is_not_saved_is_taken_back_and_tried_again(page, api, judged, troubles):
    troubles.expect(r"PUT /jobs/.*/verdicts/0: 503")
    api.hits.fails_to_save = True
    await press(page, "j", "c")
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("The verdict on 0 was not saved")
    await expect(page.locator(".triage-table .verdict")).to_have_count(0)
    await check_accessibility(page)
    api.hits.fails_to_save = False
    await alert.get_by_role("button", name="Try again").click()
    await expect(page.locator(".triage-table .verdict")).to_have_count(1)
    await saved(api, judged, {0: "candidate"})
    await expect(alert).to_have_count(0)


async def test_two_tabs_show_the_same_verdicts_and_do_not_undo_each_other(page, api, judged):
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(rows(other)).to_have_count(100)
    await press(page, "j", "c")
    await expect(other.locator(".triage-table .verdict")).to_have_text([re.compile("Candidate")])
    await press(other, "j", "r")
    await expect(page.locator(".triage-table .verdict")).to_have_text([re.compile("RFI")])
    await saved(api, judged, {0: "rfi"})
    await press(page, "z")
    await expect(page.get_by_text("Not undone: the verdict on 0 was changed elsewhere.")).to_be_attached()
    await expect(page.locator(".triage-table .verdict")).to_have_text([re.compile("RFI")])
    await press(other, "z")
    await expect(page.locator(".triage-table .verdict")).to_have_text([re.compile("Candidate")])
    await saved(api, judged, {0: "candidate"})


async def test_pictures_are_read_when_they_are_seen_and_the_catalogue_has_the_verdicts(page, api, judged, screenshot):
    await page.get_by_role("button", name="Pictures").click()
    cards = page.locator(".cutouts li")
    await expect(cards).to_have_count(100)
    await expect(cards.first.locator("[data-state=drawn]")).to_have_count(1)
    await expect(page.get_by_role("button", name=re.compile("^Hit 0, 8421.*, no verdict"))).to_be_visible()
    asked = api.hits.samples_asked
    await cards.last.scroll_into_view_if_needed()
    await expect(cards.last.locator("[data-state=drawn]")).to_have_count(1)
    assert api.hits.samples_asked > asked
    await cards.nth(7).get_by_role("button").click()
    await press(page, "c")
    await expect(cards.nth(7)).to_contain_text("Candidate")
    await check_accessibility(page)
    await screenshot(page, "triage_pictures_dark")
    await saved(api, judged, {7: "candidate"})
    async with page.expect_download() as waiting:
        await page.get_by_role("button", name="Save", exact=True).first.click()
    download = await waiting.value
    assert download.suggested_filename == "reviewed_catalog.csv"
    text = (await download.path()).read_text()
    assert text.splitlines()[0].endswith(",verdict")
    assert sum(line.endswith(",candidate") for line in text.splitlines()) == 1
    assert api.hits.reviews_asked == 2


async def test_ten_thousand_hits_are_one_table(page, api):
    job_id = await open_job(page, api, 10_000)
    await expect(page.get_by_text("Page 1 of 100")).to_be_visible()
    await page.get_by_role("button", name="Later rows").click()
    await expect(page.get_by_role("table", name="Hits 101 to 200 of 10,000")).to_be_visible()
    await rows(page).first.get_by_role("button").click()
    await press(page, "c", "r")
    await saved(api, job_id, {100: "candidate", 101: "rfi"})
    # Only rows of one page are drawn, however many there are.
    assert await page.locator(".triage tbody tr").count() == 100
    await press(page, *["j"] * 20)
    await selected_id(page, 122)
