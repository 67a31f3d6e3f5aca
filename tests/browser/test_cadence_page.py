"""The page of a cadence in each of its states: scans that run, events that are judged, pictures, failures."""

import io
import time
import uuid

import pytest
from PIL import Image
from playwright.async_api import expect

from services.export.cadence_artefacts import render_event_tables
from tests.browser.accessibility import check_accessibility, overflowing
from tests.browser.signing_in import sign_in
from tests.unit.export.example_cadence import document

RULE = {
    "min_on_scans": 2,
    "max_drift_change_hz_s2": 1e-4,
    "off_snr": 3.5,
    "snr_threshold": 10.0,
    "max_drift_rate_hz_s": 4.0,
    "ifs": "first",
    "chirps": False,
}


def scans(*statuses):
    roles = ("on", "off")
    return [
        {
            "job_id": str(uuid.uuid4()),
            "status": status,
            "source_name": "VOYAGER-1" if at % 2 == 0 else "VOYAGER-1 OFF",
            "filename": f"scan_{at}.h5",
            "role": roles[at % 2],
            **({"error": "The file is empty."} if status == "failed" else {}),
        }
        for at, status in enumerate(statuses)
    ]


def running():
    return {
        "cadence_id": str(uuid.uuid4()),
        "status": "processing",
        "name": "Voyager 1, 2020",
        "created_at": int(time.time()) - 60,
        "exports_ready": False,
        "parameters": RULE,
        "progress": {"stage": "scans", "done": 2, "total": 6},
        "scans": scans("complete", "complete", *["processing"] * 2, *["submitted"] * 2),
    }


def complete(**changes):
    summary = document().summary.model_dump(mode="json")
    return running() | {
        "status": "complete",
        "exports_ready": True,
        "completed_at": int(time.time()),
        "progress": {"stage": "export", "done": 1, "total": 1},
        "scans": scans(*["complete"] * 5, "failed"),
        "results": summary,
        **changes,
    }


def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (320, 200), (30, 60, 90)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def served_files(api):
    """Return a function that lets the API serve the files of a cadence."""

    def serve(cadence_id):
        tables = {file.format.name: file.body for file in render_event_tables(document())}
        api.hits.tables[cadence_id] = tables["csv"].decode()
        api.hits.files[cadence_id, "json"] = ("application/json", document().to_bytes())
        for name in ("overview", "event_0001"):
            api.hits.files[cadence_id, name] = ("image/png", picture())

    return serve


async def test_a_cadence_from_its_scans_to_a_judged_event(page, api, served_files, screenshot):
    key, one = api.add_user("alice"), running()
    api.cadences["alice"] = [one]
    await sign_in(page, api.url, key, f"/app/cadences/{one['cadence_id']}")
    await expect(page.get_by_text("Searching the scans, 2 of 6")).to_be_visible()
    await check_accessibility(page)
    await screenshot(page, "cadence_running_dark")
    done = complete(cadence_id=one["cadence_id"])
    served_files(one["cadence_id"])
    api.cadences["alice"] = [done]
    api.tell("alice", "cadence", done)
    events = page.get_by_role("table", name="Events 1 to 1 of 1")
    await expect(events.locator("tbody tr")).to_have_count(1)
    await expect(page.get_by_text("The file is empty.").first).to_be_visible()
    # Five scans on one frequency axis; the failed one has no samples.
    await expect(page.get_by_role("application", name="Waterfall of ON 1: VOYAGER-1")).to_be_visible()
    await page.keyboard.press("j")
    details = page.get_by_role("region", name="Event 1:")
    await expect(details.get_by_role("table", name="Event 1 in each scan").locator("tbody tr")).to_have_count(6)
    await page.keyboard.press("c")
    await expect(events.locator(".verdict")).to_contain_text("Candidate")
    await expect(page.get_by_role("button", name="Undo")).to_be_enabled()
    await details.get_by_text("Picture of all scans").click()
    await expect(details.get_by_role("img")).to_be_visible()
    await page.get_by_text("Rejected tracks: ").click()
    await expect(page.get_by_role("table", name="The strongest")).to_be_visible()
    await check_accessibility(page)
    await screenshot(page, "cadence_dark")
    await page.reload()
    await expect(events.locator(".verdict")).to_contain_text("Candidate")
    await expect(details).to_be_visible()
    await page.set_viewport_size({"width": 320, "height": 800})
    assert await overflowing(page) == []


async def test_a_cadence_without_events_one_that_failed_and_one_that_is_gone(page, api, troubles):
    key = api.add_user("alice")
    summary = document().summary.model_dump(mode="json") | {"events": 0, "families": 0, "candidates": 0}
    empty = complete(results=summary | {"top_events": []})
    failed = running() | {"status": "failed", "error": "A cadence needs two scans with results.", "progress": None}
    api.cadences["alice"] = [empty, failed]
    api.hits.files[empty["cadence_id"], "json"] = (
        "application/json",
        document().model_copy(update={"events": []}).to_bytes(),
    )
    await sign_in(page, api.url, key, f"/app/cadences/{empty['cadence_id']}")
    await expect(page.get_by_text("No events: no track is in enough ON scans")).to_be_visible()
    await check_accessibility(page)
    await page.goto(f"{api.url}/app/cadences/{failed['cadence_id']}")
    await expect(page.get_by_text("A cadence needs two scans with results.")).to_be_visible()
    await check_accessibility(page)
    api.cadences["alice"] = [empty]
    api.tell("alice", "removed", {"kind": "cadence", "id": failed["cadence_id"]})
    await expect(page.get_by_role("heading", level=1)).to_have_text("No such cadence")
    troubles.expect(f"GET /cadences/{failed['cadence_id']}: 404")
    await page.reload()
    await expect(page.get_by_text("There is no cadence with this address.")).to_be_visible()
