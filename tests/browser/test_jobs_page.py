"""The list of jobs: what it shows in each state, and how it follows what happens."""

import asyncio
import time

import pytest
from aiohttp import web
from playwright.async_api import expect

from services.gateway.api.cadence_answers import CADENCE_EXAMPLE
from tests.browser.accessibility import check_accessibility, overflowing
from tests.browser.signing_in import sign_in
from tests.browser.stand_in import NO_FILES, error, job, running

N_JOBS = 200
EXAMPLE = {
    "name": "voyager",
    "filename": "voyager_like.fil",
    "size": 4_194_640,
    "description": "A simulated carrier with sidebands, like that of Voyager 1.",
}


def rows(page):
    return page.get_by_role("table", name="Jobs").locator("tbody tr")


async def test_an_empty_list_says_what_to_do_first(page, api, troubles, screenshot):
    troubles.expect(NO_FILES)
    key = api.add_user("alice")
    await sign_in(page, api.url, key)
    await expect(page.get_by_role("heading", name="Search your first observation")).to_be_visible()
    # A local stack makes its example after it has printed the link; the page asks again.
    api.examples = [EXAMPLE]
    await expect(page.get_by_role("button", name="Analyse the example observation")).to_be_visible(timeout=30_000)
    await check_accessibility(page)
    await screenshot(page, "jobs_empty_dark")
    await page.get_by_role("button", name="Analyse the example observation").click()
    await page.wait_for_url("**/app/jobs/*")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("voyager_like.fil")
    # Anybody may have written the address: names that every object of JavaScript has are no choices.
    await page.goto(f"{api.url}/app/?kind=constructor&status=valueOf&sort=constructor")
    await expect(page.get_by_text("1 of 1 jobs")).to_be_visible()
    await page.goto(f"{api.url}/app/?kind=cadences")
    await expect(page.get_by_role("heading", name="No cadences yet")).to_be_visible()
    await check_accessibility(page)


async def test_two_hundred_jobs_are_paged_filtered_and_searched(page, api, screenshot):
    key = api.add_user("alice")
    now = int(time.time())
    api.jobs["alice"] = [
        job(source_name=f"Target {at:03}", filename=f"scan_{at:03}.fil", created_at=now - 60 * at)
        for at in range(N_JOBS)
    ]
    api.jobs["alice"][3] |= {"status": "failed", "error": "The file ends in the middle of a spectrum."}
    await sign_in(page, api.url, key)
    await expect(page.get_by_text("50 of 200 jobs")).to_be_visible()
    await check_accessibility(page)
    # Jobs of later pages are removed, as when the history is full; then others come.
    removed = [api.jobs["alice"].pop() for _ in range(2)]
    for one in removed:
        api.tell("alice", "removed", {"kind": "job", "id": one["job_id"]})
    await expect(page.get_by_text("50 of 198 jobs")).to_be_visible()
    for one in removed:
        api.put_job("alice", one)
    await expect(page.get_by_text("50 of 200 jobs")).to_be_visible()
    for shown in (100, 150, 200):
        await page.get_by_role("button", name="Show more").click()
        await expect(rows(page)).to_have_count(shown)
    assert await page.get_by_role("button", name="Show more").count() == 0
    # A change of one of the many jobs is shown at once, in its place.
    api.put_job("alice", api.jobs["alice"][150] | {"status": "failed", "error": "The file was replaced."})
    await expect(rows(page).nth(150)).to_contain_text("The file was replaced.")
    await page.get_by_label("Status").select_option("Failed")
    await expect(rows(page)).to_have_count(2)
    await page.get_by_label("Name contains").fill("SCAN_003")
    await expect(rows(page)).to_have_count(1)
    # The view is in the address: another tab shows the same.
    assert page.url.endswith("/app/?status=failed&q=SCAN_003")
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(rows(other)).to_have_count(1)
    await other.get_by_label("Name contains").fill("nothing like this")
    await expect(other.get_by_text("No job matches.")).to_be_visible()
    await check_accessibility(other)
    await page.go_back()
    await expect(rows(page)).to_have_count(50)
    await screenshot(page, "jobs_many_dark")


async def test_the_list_follows_what_happens_and_can_be_paused(page, api):
    key = api.add_user("alice")
    first = running(source_name="GJ 1002")
    api.put_job("alice", first)
    await sign_in(page, api.url, key)
    await expect(rows(page)).to_contain_text(["Searching for signals, 3 of 12"])
    said = page.locator(".unseen[role=status]")
    # A job of a program appears; one that ends is announced.
    api.put_job("alice", running(source_name="HIP 99", status="submitted", created_at=int(time.time()) + 1))
    await expect(rows(page)).to_have_count(2)
    await expect(rows(page).first).to_contain_text("HIP 99")
    api.put_job("alice", job(job_id=first["job_id"], source_name="GJ 1002"))
    await expect(rows(page).nth(1)).to_contain_text("Complete")
    await expect(said).to_contain_text("The job GJ 1002: Complete. 1 candidate, 9 filtered hits.")
    await page.get_by_role("button", name="Pause updates").click()
    api.put_job("alice", job(job_id=first["job_id"], source_name="Renamed"))
    await expect(page.get_by_text("1 change not shown")).to_be_visible()
    await expect(rows(page).nth(1)).to_contain_text("GJ 1002")
    await check_accessibility(page)
    await page.get_by_role("button", name="Pause updates").click()
    await expect(rows(page).nth(1)).to_contain_text("Renamed")
    assert api.open_streams == 1


async def test_cadences_are_listed_beside_jobs(page, api, screenshot):
    key = api.add_user("alice")
    done = CADENCE_EXAMPLE | {"created_at": int(time.time()) - 600}
    api.cadences["alice"] = [done]
    await sign_in(page, api.url, key)
    await page.get_by_role("link", name="Cadences", exact=True).click()
    listed = page.get_by_role("table", name="Cadences").locator("tbody tr")
    await expect(listed).to_contain_text(["1 candidate, 1 event"])
    await expect(page).to_have_title("Cadences - Waterhole")
    await check_accessibility(page)
    await screenshot(page, "cadences_dark")
    started = done | {"cadence_id": "c2", "name": "HIP 4", "status": "processing", "created_at": int(time.time())}
    started = {name: value for name, value in started.items() if name not in ("results", "completed_at")}
    api.tell("alice", "cadence", started | {"progress": {"stage": "scans", "done": 1, "total": 6}})
    await expect(listed.first).to_contain_text("Searching the scans, 1 of 6")
    await expect(page.get_by_text("2 of 2 cadences")).to_be_visible()
    # What happens to jobs is no news here.
    api.put_job("alice", job())
    await page.get_by_role("button", name=f"Delete {done['name']}").click()
    await expect(page.get_by_role("dialog")).to_contain_text("The jobs of its scans stay.")
    await page.get_by_role("dialog").get_by_role("button", name="Delete the cadence").click()
    await expect(listed).to_have_count(1)
    await page.get_by_role("link", name="Jobs", exact=True).last.click()
    await expect(rows(page)).to_have_count(1)


async def test_what_happens_while_the_list_is_read_is_not_lost(page, api):
    """The answer was made before the job was added, and arrives after the event about it."""
    key = api.add_user("alice")
    api.put_job("alice", job(source_name="Old"))
    asked, told = asyncio.Event(), asyncio.Event()

    async def slow():
        listed = list(api.jobs["alice"])
        asked.set()
        await told.wait()
        return web.json_response(listed, headers={"X-Total-Count": str(len(listed))})

    await sign_in(page, api.url, key)
    await expect(rows(page)).to_have_count(1)
    api.answers["GET", "/jobs"] = slow
    await page.get_by_label("Status").select_option("Complete")
    await asked.wait()
    added = job(source_name="New")
    api.put_job("alice", added)
    # The announcement shows that the page has got the events.
    api.put_job("alice", job(source_name="Old", job_id=api.jobs["alice"][1]["job_id"], status="failed", error="x"))
    await expect(page.locator(".unseen[role=status]")).to_contain_text("Old: Failed")
    told.set()
    await expect(page.get_by_role("link", name="New", exact=True)).to_be_visible()
    await expect(rows(page)).to_have_count(1)


async def test_another_tab_deletes_the_job(page, api, troubles):
    key = api.add_user("alice")
    for name in ("One", "Two"):
        api.put_job("alice", job(source_name=name))
    api.put_job("alice", running(source_name="Three", created_at=1))
    await sign_in(page, api.url, key)
    await expect(rows(page)).to_have_count(3)
    other = await page.context.new_page()
    await other.goto(f"{api.url}/app/")
    await other.get_by_role("button", name="Delete One").click()
    dialog = other.get_by_role("dialog", name="Delete One?")
    await check_accessibility(other)
    await other.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(other.get_by_role("button", name="Delete One")).to_be_focused()
    await other.get_by_role("button", name="Delete One").click()
    await dialog.get_by_role("button", name="Delete the job").click()
    await expect(rows(other)).to_have_count(2)
    await expect(other.locator(".unseen[role=status]")).to_contain_text("The job One was deleted.")
    await expect(rows(page)).to_have_count(2)
    # A job that is open is cancelled; one that is gone already is gone here, too.
    troubles.expect("DELETE /jobs/.*: 404")
    await page.get_by_role("button", name="Cancel Three").click()
    api.jobs["alice"] = [one for one in api.jobs["alice"] if one["source_name"] != "Three"]
    await page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
    await expect(rows(page)).to_have_count(1)


async def test_what_fails_is_said_and_can_be_tried_again(page, api, troubles, screenshot):
    key = api.add_user("alice")
    api.put_job("alice", job())
    arrived, answered = asyncio.Event(), asyncio.Event()

    async def late():
        arrived.set()
        await answered.wait()
        return error(503, "temporarily_unavailable", "A part of the service is temporarily unavailable.")

    api.answers["GET", "/jobs"] = late
    troubles.expect("GET /jobs: 503")
    await sign_in(page, api.url, key)
    await expect(page.get_by_text("Loading the jobs…")).to_be_visible()
    await check_accessibility(page)
    answered.set()
    await expect(page.get_by_role("alert")).to_contain_text("A part of the service is temporarily unavailable.")
    await check_accessibility(page)
    await screenshot(page, "jobs_error_dark")
    api.answers.clear()
    await page.get_by_role("button", name="Try again").click()
    await expect(rows(page)).to_have_count(1)


async def test_a_lost_connection_is_said_and_made_up_for(page, api, troubles):
    key = api.add_user("alice")
    one = running()
    api.put_job("alice", one)
    await sign_in(page, api.url, key)
    await expect(rows(page)).to_contain_text(["Processing"])

    async def refused():
        return error(503, "temporarily_unavailable", "A part of the service is temporarily unavailable.")

    troubles.expect("GET /events: 503")
    api.answers["GET", "/events"] = refused
    api.tell("alice", "stop", None)
    await expect(page.get_by_text("The connection to the server is lost.")).to_be_visible()
    await check_accessibility(page)
    # What happens meanwhile is not told, and is there once the connection is.
    api.put_job("alice", job(job_id=one["job_id"]))
    api.answers.clear()
    await expect(rows(page)).to_contain_text(["Complete"])
    await expect(page.get_by_text("The connection to the server is lost.")).to_have_count(0)


async def test_names_that_look_like_markup_are_shown_as_they_are(page, api, troubles):
    troubles.expect(NO_FILES)
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    key = api.add_user(evil)
    api.put_job(evil, job(source_name=evil, filename=f"{evil}.fil"))
    api.put_job(evil, job(status="failed", error=evil, source_name="javascript:alert(1)"))
    await sign_in(page, api.url, key)
    await expect(rows(page)).to_have_count(2)
    await expect(page.get_by_role("link", name=evil)).to_have_count(1)
    await expect(page.locator(".user-name")).to_have_text(evil)
    await page.get_by_role("button", name=f"Delete {evil}").click()
    await expect(page.get_by_role("dialog", name=f"Delete {evil}?")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_role("link", name=evil).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(evil)
    assert await page.locator("main img, main script").count() == 0
    assert await page.title() == f"{evil} - Waterhole"


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_narrow_and_wide_windows_and_both_colours(new_context, api, screenshot, scheme):
    key = api.add_user("alice")
    api.put_job("alice", running(source_name="A_name_without_a_place_to_break_it_" * 3))
    api.put_job(
        "alice", job(status="failed", error="The header states 0 channels; the field nchans must be 1 or more.")
    )
    api.put_job("alice", job())
    context = await new_context(color_scheme=scheme, viewport={"width": 320, "height": 640})
    page = await context.new_page()
    await sign_in(page, api.url, key)
    await expect(rows(page)).to_have_count(3)
    for path in ("", "upload", "keys", "usage", "help", "nowhere"):
        await page.goto(f"{api.url}/app/{path}")
        await page.get_by_role("heading", level=1).wait_for()
        await expect(page.get_by_text("Loading")).to_have_count(0)
        assert await overflowing(page) == [], path
        await check_accessibility(page)
        if path == "":
            await screenshot(page, f"jobs_narrow_{scheme}")
    await page.set_viewport_size({"width": 3840, "height": 2160})
    await page.goto(f"{api.url}/app/")
    await expect(rows(page)).to_have_count(3)
    assert await overflowing(page) == []
    await screenshot(page, f"jobs_wide_{scheme}")
