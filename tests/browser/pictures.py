"""Draw the pages of the dashboard for the documents: `python -m tests.browser.pictures`.

It starts the whole stack, searches the example observation and a small cadence as a user would, and writes every page,
dark and light, to docs/figures/. With `--data FOLDER` it uses the stack that `make up` runs on that folder, and leaves
out the job that runs, since it can't hold one there.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from deploy.local.client import Waterhole
from deploy.local.data_folder import DataFolder
from deploy.local.make_example import example_in_the_making
from deploy.local.stack import environment_of_running, running_stack, sign_in_link
from tests.browser.chromium import NONE_FOUND, find_chromium
from tests.browser.picture_album import ROOT, Album
from tests.browser.picture_subjects import Place, Subjects, written_scans

PATIENCE_MS = 60_000
WIDE: ViewportSize = {"width": 1440, "height": 1000}
SETTLED = ".waterfall canvas[data-state=settled]"


async def of_sign_in(page: Page, album: Album, subjects: Subjects) -> None:
    """Sign in by the link, after a picture of the page without it."""
    await page.goto(f"{subjects.url}/app/sign-in")
    await page.get_by_label("API key").wait_for()
    await album.take(page, "sign_in")
    await page.goto(subjects.link)
    await page.get_by_role("button", name="Sign out").wait_for()


async def of_jobs(page: Page, album: Album, subjects: Subjects) -> None:
    """Draw the lists, while a job of the example runs, and that job."""
    await page.goto(f"{subjects.url}/app/")
    await page.get_by_role("table", name="Jobs").wait_for()
    if not subjects.can_hold:
        await album.take(page, "jobs")
        return
    async with subjects.running_job() as job_id:
        await page.get_by_role("table", name="Jobs").get_by_text("Processing").wait_for()
        await album.take(page, "jobs")
        await page.goto(f"{subjects.url}/app/jobs/{job_id}")
        await page.get_by_role("heading", name="Progress").wait_for()
        await album.take(page, "job_running")


async def of_upload(page: Page, album: Album, subjects: Subjects) -> None:
    """Draw the form with the scans of a cadence, before anything is sent."""
    await page.goto(f"{subjects.url}/app/upload")
    await page.get_by_label("choose them").set_input_files(subjects.scans[:3])
    await page.get_by_label("One cadence").check()
    await page.get_by_label("Name of the cadence").fill(subjects.cadence_name)
    await page.get_by_role("button", name="Upload and search 3 files").wait_for()
    await page.mouse.move(0, 0)
    await album.take(page, "upload")


async def of_job(page: Page, album: Album, subjects: Subjects) -> None:
    """Draw a finished job: its head, its waterfall, its hits with verdicts, and their pictures."""
    url = f"{subjects.url}/app/jobs/{subjects.job_id}"
    await page.goto(url)
    await page.locator(SETTLED).wait_for()
    await expect(page.locator(".triage tbody tr").first).to_be_visible()
    await album.take(page, "job")
    await album.take(page, "waterfall_band", at="#hits-title", until=".triage-filters")
    await page.get_by_role("button", name="Next hit").click()
    await page.get_by_role("button", name="Show the selected hit").click()
    await page.get_by_text("Drawn from single channels").wait_for()
    await page.locator(SETTLED).wait_for()
    await album.take_wide(page, "#hits-title", WIDE)
    best = page.get_by_role("table", name="Best candidates").get_by_role("button").first
    await best.click()
    await page.get_by_text("Drawn from single channels").wait_for()
    await page.locator(SETTLED).wait_for()
    await album.take(page, "waterfall_hit", at="#hits-title", until=".triage-filters")
    await page.goto(f"{url}?sort=-snr")
    await expect(page.locator(".triage tbody tr").first).to_be_visible()
    for key in "jccci":
        await page.keyboard.press(key)
    await expect(page.locator(".triage-table .verdict").nth(3)).to_be_visible()
    await album.take(page, "triage", at=".triage-filters", until="#noise-title")
    await page.get_by_role("button", name="Pictures", exact=True).click()
    await expect(page.locator(".cutouts [data-state=drawn]").nth(4)).to_be_visible()
    await album.take(page, "cutouts", at=".triage-filters", until="#noise-title")


async def of_cadence(page: Page, album: Album, subjects: Subjects) -> None:
    """Draw a cadence: its scans and numbers, its panels on one frequency axis, an event in each scan."""
    await page.goto(f"{subjects.url}/app/cadences/{subjects.cadence_id}")
    await page.locator(SETTLED).wait_for()
    await expect(page.locator(".triage tbody tr").first).to_be_visible()
    await album.take(page, "cadence")
    await page.keyboard.press("j")
    await page.locator(".event-details").wait_for()
    await page.get_by_role("button", name="Show the selected hit").click()
    # A closer view has single channels in all panels.
    await page.get_by_role("button", name="Zoom in", exact=True).click()
    await page.get_by_text("Drawn from single channels;").wait_for()
    await page.locator(SETTLED).wait_for()
    await album.take(page, "cadence_panels", at=".waterfall", until=".triage-filters")


async def of_account(page: Page, album: Album, subjects: Subjects) -> None:
    """Draw keys, usage and help."""
    await page.goto(f"{subjects.url}/app/keys")
    keys = page.get_by_role("table", name="Your keys")
    await keys.wait_for()
    if not await keys.get_by_text("Pipeline at the telescope").count():
        await page.get_by_label("Name, to tell it from others").fill("Pipeline at the telescope")
        await page.get_by_role("button", name="Create a key").click()
        await page.locator(".secret code").wait_for()
        await page.reload()
        await keys.wait_for()
    await album.take(page, "keys")
    await page.goto(f"{subjects.url}/app/usage")
    await page.get_by_role("progressbar", name="Jobs this month").wait_for()
    await album.take(page, "usage")
    await page.goto(f"{subjects.url}/app/help")
    await page.get_by_role("heading", level=1).wait_for()
    await album.take(page, "help")


PAGES = {
    "sign_in": of_sign_in,
    "jobs": of_jobs,
    "upload": of_upload,
    "job": of_job,
    "cadence": of_cadence,
    "account": of_account,
}


async def draw(browser: Browser, subjects: Subjects, only: list[str], into: Path) -> None:
    """Draw the pages of these names; without names, all."""
    context = await browser.new_context(viewport=Album.WINDOW, color_scheme="light", reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page, album = await context.new_page(), Album(into)
    await of_sign_in(page, album, subjects)
    for name, of_page in PAGES.items():
        if name != "sign_in" and (not only or name in only):
            await of_page(page, album, subjects)
    await context.close()
    print(album.report())


@asynccontextmanager
async def stack_of(folder: Path | None) -> AsyncIterator[Place]:
    """Yield where the stack on a data folder answers, or a new one."""
    if folder is not None:
        data, environment = DataFolder(folder), environment_of_running(DataFolder(folder))
        up = data.running()
        yield Place(up.url, up.api_key, await sign_in_link(environment, up.url, data.demo_user()["user_id"]))
        return
    with tempfile.TemporaryDirectory() as made:
        async with running_stack(Path(made)) as stack, example_in_the_making(Path(made), stack.environment):
            yield Place(stack.url, stack.api_key, await stack.sign_in_link(), stack.pid_of("dedoppler"))


async def main() -> None:
    """Parse the command line, and draw."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__)
    parser.add_argument("pages", nargs="*", help=f"which pages, of {', '.join(PAGES)}; by default, all")
    parser.add_argument("--data", type=Path, help="data folder of a running stack; by default, a new stack is started")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/figures", help="folder of the pictures")
    options = parser.parse_args()
    path = find_chromium()
    if path is None:
        raise SystemExit(NONE_FOUND)
    expect.set_options(timeout=PATIENCE_MS)
    async with stack_of(options.data) as place, Waterhole(place.url, place.api_key) as client:
        with tempfile.TemporaryDirectory() as folder:
            subjects = Subjects(place, client, written_scans(Path(folder)))
            await subjects.prepare()
            async with async_playwright() as playwright:
                arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
                browser = await playwright.chromium.launch(executable_path=path, args=arguments)
                await draw(browser, subjects, options.pages, options.out)
                await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
