"""From the choice of files to the finished job, in a browser on the whole stack."""

import contextlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.async_api import FileChooser, Page, Route, expect
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from deploy.local.client import Waterhole
from deploy.local.stack import Stack
from science.simulator import make_header, spectra, voyager_1, write_fil
from tests.browser.accessibility import check_accessibility, overflowing
from tests.browser.conftest import Screenshot
from tests.browser.troubles import Troubles
from tests.browser.waterfall_view import VIEW, pixels, settled

PART_BYTES = 10 * 1024 * 1024


@pytest.fixture(scope="module")
def voyager_fil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a 67 MB file like the 2016 observation of Voyager 1: seven parts."""
    path = tmp_path_factory.mktemp("voyager") / "voyager_1.fil"
    scene, _ = voyager_1()
    write_fil(path, scene.header, spectra(scene))
    return path


@pytest.fixture
async def signed_in(page: Page, stack: Stack) -> Page:
    await page.goto(f"{stack.url}/app/upload")
    await page.get_by_label("API key").fill(stack.api_key)
    await page.get_by_role("button", name="Sign in").click()
    # The heading takes the focus some time after it is shown; keys that come earlier would lose theirs.
    await expect(page.get_by_role("heading", name="New analysis")).to_be_focused()
    return page


def part_of(url: str) -> int:
    """Return the number of the part that a URL is for; 0 for a whole file."""
    found = re.search(r"partNumber=(\d+)", urlsplit(url).query)
    return int(found[1]) if found else 0


async def test_from_the_link_over_a_large_file_to_a_labelled_candidate_in_the_waterfall(
    page: Page, stack: Stack, client: Waterhole, voyager_fil: Path, screenshot: Screenshot
) -> None:
    sent: list[int] = []
    await page.goto(await stack.sign_in_link())
    await page.get_by_role("link", name="New analysis").first.click()
    await page.get_by_role("heading", name="New analysis").wait_for()
    page.on("request", lambda request: request.method == "PUT" and sent.append(part_of(request.url)))
    await screenshot(page, "upload_empty_dark")
    await check_accessibility(page)
    await page.get_by_label("choose them").set_input_files(voyager_fil)
    await page.get_by_text("16 of 18.25 s").wait_for()
    await check_accessibility(page)
    await screenshot(page, "upload_chosen_dark")
    await page.get_by_role("button", name="Upload and search").click()
    await page.get_by_text("Sending.").wait_for()
    await check_accessibility(page)
    await screenshot(page, "upload_sending_dark")
    await page.get_by_role("link", name="Job of").click()
    await page.get_by_role("heading", name="Best candidates").wait_for()
    await page.get_by_text("Complete").first.wait_for()
    assert set(sent) == set(range(1, 8))
    # Programs see the job of the page.
    job = await client.job(page.url.rsplit("/", 1)[-1])
    best = job["results"]["top_candidates"][0]
    await page.get_by_role("button", name=re.compile("^Show .* in the waterfall$")).first.click()
    await settled(page)
    view = await page.evaluate(VIEW)
    # The view is centred on the middle of the track.
    middle_hz = best["frequency_hz"] + best["drift_rate"] * 16 * 18.253611008 / 2
    assert (view["center_hz"], view["width_hz"]) == (pytest.approx(middle_hz, abs=5.0), 2000)
    assert (await pixels(page, 0, "strip")).std() > 0
    # The candidate in the table, with its label; selected, it is in the address.
    label = best["classification"].replace("_", " ").capitalize().replace("Candidate et", "Candidate ET")
    hit = page.locator(".triage-table tbody tr").filter(has_text=label).first
    await hit.get_by_role("button").first.click()
    await expect(page).to_have_url(re.compile("selected="))
    await settled(page)
    await expect(page.get_by_role("button", name="Save fits")).to_be_visible()
    await check_accessibility(page)
    await screenshot(page, "job_complete_dark")
    await page.set_viewport_size({"width": 320, "height": 800})
    assert await overflowing(page) == []
    await screenshot(page, "job_complete_narrow_dark")


async def test_a_lost_network_and_a_reload_cost_no_part_twice(
    signed_in: Page, voyager_fil: Path, troubles: Troubles, screenshot: Screenshot
) -> None:
    page, sent = signed_in, []
    # Only these parts get through to storage; the network loses all others.
    passing = {1, 2, 3}

    async def network(route: Route) -> None:
        number = part_of(route.request.url)
        if route.request.method == "PUT" and number not in passing:
            await route.abort("internetdisconnected")
            return
        await route.continue_()
        if route.request.method == "PUT":
            sent.append(number)

    troubles.expect("ERR_INTERNET_DISCONNECTED")
    await page.route(re.compile("partNumber="), network)
    await page.get_by_label("choose them").set_input_files(voyager_fil)
    await page.get_by_role("button", name="Upload and search the file").click()
    await expect(page.get_by_text("No connection. The upload goes on by itself").first).to_be_visible()
    await check_accessibility(page)
    await screenshot(page, "upload_offline_dark")
    passing.add(4)
    await expect(page.get_by_role("progressbar", name="Upload of voyager_1.fil")).to_have_js_property(
        "value", 4 * PART_BYTES
    )
    # The browser asks before it leaves a page with uploads under way.
    questions: list[str] = []
    page.once("dialog", lambda dialog: questions.append(dialog.type) or dialog.accept())
    await page.reload()
    assert questions == ["beforeunload"]
    before = sorted(sent)
    assert set(before) == {1, 2, 3, 4}
    await expect(page.get_by_text("Some uploads are not finished.")).to_be_visible()
    await check_accessibility(page)
    await screenshot(page, "upload_unfinished_dark")
    passing.update(range(1, 8))
    await page.get_by_label("choose them").set_input_files(voyager_fil)
    await expect(page.get_by_text("goes on where it stopped")).to_be_visible()
    await page.get_by_role("button", name="Upload and search the file").click()
    await expect(page.get_by_role("link", name="Job of Voyager1")).to_be_visible()
    assert set(sent[len(before) :]) == {5, 6, 7}
    await expect(page.get_by_text("Some uploads are not finished.")).to_have_count(0)


async def test_a_small_file_by_keyboard_alone_that_fails_and_is_deleted_in_another_tab(
    signed_in: Page, tmp_path: Path, troubles: Troubles
) -> None:
    page, damaged = signed_in, tmp_path / "damaged.h5"
    damaged.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 8)
    await (await chooser_by_keyboard(page)).set_files(damaged)
    await expect(page.get_by_text("reads the header of HDF5 files after the upload")).to_be_visible()
    await tab_to(page, "Upload and search the file")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Job of damaged.h5")).to_be_visible()
    # The list follows the stream of changes.
    await expect(page.get_by_role("listitem").filter(has_text="damaged.h5")).to_contain_text("Failed")
    await tab_to(page, "Job of damaged.h5")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("The file 'damaged.h5' can't be searched")
    other = await page.context.new_page()
    await other.goto(page.url)
    await other.get_by_role("button", name="Delete the job").click()
    await other.get_by_role("dialog").get_by_role("button", name="Delete the job").click()
    await expect(page.get_by_role("heading", name="No such job")).to_be_visible()
    await expect(page.get_by_text("This job was deleted.", exact=True).first).to_be_visible()
    # Either tab may have asked for what was just deleted.
    troubles.expect(r"GET /jobs/\S+: 404")


async def test_scans_become_a_cadence(signed_in: Page, tmp_path: Path) -> None:
    page, noise = signed_in, np.random.default_rng(5)
    for place, source in enumerate(("HIP1", "HIP2", "HIP1")):
        header = make_header(4096, source_name=source).model_copy(update={"tstart_mjd": 59000 + place / 100})
        write_fil(
            tmp_path / f"{place}.fil", header, noise.gamma(50.0, 2.0, (header.n_spectra, 4096)).astype(np.float32)
        )
    await page.get_by_label("choose them").set_input_files([tmp_path / f"{place}.fil" for place in range(3)])
    await page.get_by_label("One cadence").check()
    await page.get_by_label("Name of the cadence").fill("HIP 1, night 1")
    await page.get_by_role("button", name="Upload and search 3 files").click()
    await page.get_by_role("link", name="Cadence HIP 1, night 1").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("HIP 1, night 1")
    await expect(page.get_by_text("Complete").first).to_be_visible()


async def chooser_by_keyboard(page: Page) -> FileChooser:
    """Open the dialog that chooses files. The driver may watch for it only after the first press of the key."""
    for _ in range(5):
        await page.get_by_label("choose them").focus()
        with contextlib.suppress(PlaywrightTimeoutError):
            async with page.expect_file_chooser(timeout=6000) as chooser:
                await page.keyboard.press("Enter")
            return await chooser.value
    raise AssertionError("no dialog opens")


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on the element with this text."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if name in (await page.evaluate("document.activeElement.closest('a, button')?.innerText") or ""):
            return
    raise AssertionError(f"the focus does not reach {name!r}")
