"""From the choice of files to the finished job, in a browser on the whole stack."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Request

from deploy.local.stack import Stack
from science.simulator import spectra, voyager_1, write_fil
from tests.browser.accessibility import check_accessibility, overflowing


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
    await page.get_by_role("heading", name="New analysis").wait_for()
    return page


def part_numbers(requests: list[Request]) -> list[int]:
    queries = [urlsplit(request.url).query for request in requests if request.method == "PUT"]
    return sorted(int(found[1]) for query in queries if (found := re.search(r"partNumber=(\d+)", query)))


async def test_a_large_file_becomes_a_job(signed_in: Page, voyager_fil: Path, screenshot) -> None:
    page, sent = signed_in, []
    page.on("request", lambda request: sent.append(request))
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
    assert part_numbers(sent) == list(range(1, 8))
    await page.get_by_text("1.0 MiB").or_(page.get_by_role("button", name="Save fits")).first.wait_for()
    await check_accessibility(page)
    await screenshot(page, "job_complete_dark")
    await page.set_viewport_size({"width": 320, "height": 800})
    assert await overflowing(page) == []
    await screenshot(page, "job_complete_narrow_dark")
