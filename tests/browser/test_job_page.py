"""The page of one job in each of its states."""

import random
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import check_accessibility, overflowing
from tests.browser.conftest import Screenshot
from tests.browser.hits import catalogue, hit
from tests.browser.stand_in import StandIn, answering, job, running

NARROW = {"width": 320, "height": 800}
OBSERVATION = {
    "file_format": "fil",
    "n_channels": 1048576,
    "n_spectra": 16,
    "n_ifs": 1,
    "n_bits": 32,
    "first_channel_hz": 8421386717.353016,
    "channel_width_hz": -2.7939677238464355,
    "spectrum_s": 18.253611008,
    "start_mjd": 57650.78209490741,
    "telescope": "GBT",
}


@pytest.fixture
async def signed_in(page: Page, api: StandIn) -> Page:
    key = api.add_user("alice")
    await page.goto(f"{api.url}/app/help")
    await page.get_by_role("link", name="Sign in").click()
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


async def show(page: Page, api: StandIn, one: dict[str, Any]) -> str:
    """Add a job and open its page; return its id."""
    api.put_job("alice", one)
    job_id: str = one["job_id"]
    files = {"files": [{"format": "fits", "filename": "catalog.fits", "size": 28800}]}
    api.hits.tables[job_id] = catalogue(12)
    api.answers[("GET", f"/jobs/{job_id}/downloads")] = answering(files)
    await page.goto(f"{api.url}/app/jobs/{job_id}")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(one["source_name"])
    return job_id


async def test_a_job_is_followed_from_start_to_end(signed_in: Page, api: StandIn, screenshot: Screenshot) -> None:
    page, one = signed_in, running(status="submitted", progress={"stage": "ingest", "done": 0, "total": 1})
    await show(page, api, one)
    step = page.locator("[aria-current=step]")
    await expect(step).to_contain_text("Read the header")
    api.put_job("alice", one | {"status": "processing", "progress": {"stage": "dedoppler", "done": 3, "total": 12}})
    await expect(step).to_contain_text("3 of 12 parts of the band")
    await check_accessibility(page)
    await screenshot(page, "job_processing_dark")
    done = job(job_id=one["job_id"], exports_ready=False, observation=OBSERVATION)
    listed = hit(6, random.Random(1), 12)
    (candidate,) = done["results"]["top_candidates"]
    done["results"] = done["results"] | {
        "warnings": ["The file ends with a part of a spectrum; it was ignored."],
        "top_candidates": [candidate, candidate | {"frequency_hz": listed["frequency_hz"]}],
    }
    api.put_job("alice", done)
    await expect(page.get_by_text("8419.921046 MHz")).to_be_visible()
    await expect(step).to_contain_text("Write catalogues")
    await expect(page.get_by_role("button", name="Save json")).to_be_visible()
    await expect(page.get_by_role("button", name="Save fits")).to_have_count(0)
    await expect(page.get_by_text("it was ignored")).to_be_visible()
    await check_accessibility(page)
    api.put_job("alice", done | {"exports_ready": True})
    await expect(page.get_by_role("button", name="Save fits")).to_be_visible()
    await expect(page.get_by_text("28.1 KiB")).to_be_visible()
    await expect(step).to_have_count(0)
    # The button beside a candidate selects its hit.
    await expect(page.get_by_text("Select a hit to judge it.")).to_be_visible()
    shown = f"Show {listed['frequency_hz'] / 1e6:.6f} MHz in the waterfall"
    await page.get_by_role("button", name=shown).click()
    await expect(page.locator(".verdict-of")).to_contain_text("Hit 6")
    await expect(page.locator(".verdict-of")).to_contain_text("±1.4 Hz, ±0.0051 Hz/s")
    await page.emulate_media(color_scheme="light")
    await check_accessibility(page)
    await screenshot(page, "job_complete_light")
    await page.set_viewport_size(NARROW)
    assert await overflowing(page) == []
    await check_accessibility(page)


async def test_a_failed_job_says_what_to_do(signed_in: Page, api: StandIn, screenshot: Screenshot) -> None:
    page = signed_in
    sentence = "The file 'x.fil' can't be searched: it ends inside its header. It was cut short; upload the whole file."
    detail = {"code": "bad_observation", "stage": "ingest"}
    await show(page, api, running(status="failed", error=sentence, error_detail=detail, filename="x.fil"))
    await expect(page.get_by_text(sentence)).to_be_visible()
    await expect(page.get_by_text("Mend the file, then upload it again.")).to_be_visible()
    await check_accessibility(page)
    await screenshot(page, "job_failed_dark")
    await page.emulate_media(color_scheme="light")
    await check_accessibility(page)


async def test_a_problem_is_reported(signed_in: Page, api: StandIn, screenshot: Screenshot) -> None:
    page = signed_in
    reports: list[Any] = []
    api.answers[("POST", "/reports")] = answering({"report_id": "rpt-7", "message": ""}, 201)
    page.on("request", lambda request: request.url.endswith("/reports") and reports.append(request.post_data_json))
    job_id = await show(page, api, job())
    await page.get_by_role("button", name="Report a problem").click()
    await check_accessibility(page)
    await page.get_by_label("What is wrong").fill("The second candidate is our test tone.")
    await screenshot(page, "job_report_dark")
    await page.get_by_role("button", name="Send the report").click()
    await expect(page.get_by_text("rpt-7")).to_be_visible()
    (sent,) = reports
    assert (sent["job_id"], sent["error_type"]) == (job_id, "user_report")
    assert sent["description"] == "The second candidate is our test tone."
    await page.get_by_role("button", name="Close").click()
    await expect(page.get_by_role("button", name="Report a problem")).to_be_focused()


async def test_a_job_is_cancelled_after_a_question(signed_in: Page, api: StandIn) -> None:
    page = signed_in
    await show(page, api, running())
    await page.get_by_role("button", name="Cancel the job").click()
    await check_accessibility(page)
    await page.keyboard.press("Escape")
    assert len(api.jobs["alice"]) == 1
    await page.get_by_role("button", name="Cancel the job").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
    await expect(page).to_have_url(f"{api.url}/app/")
    assert api.jobs["alice"] == []


async def test_a_job_that_is_gone(signed_in: Page, api: StandIn, troubles: Any) -> None:
    page = signed_in
    job_id = await show(page, api, job())
    api.jobs["alice"] = []
    api.tell("alice", "removed", {"kind": "job", "id": job_id})
    await expect(page.get_by_text("This job was deleted.", exact=True).first).to_be_visible()
    await check_accessibility(page)
    troubles.expect("GET /jobs/.*: 404")
    await page.reload()
    await expect(page.get_by_text("There is no job with this address.")).to_be_visible()
    await check_accessibility(page)
