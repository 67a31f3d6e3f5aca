"""Jobs of programs and of people in one list, on the whole stack."""

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from deploy.local.client import Waterhole
from deploy.local.stack import Stack
from science.simulator import Scene, Tone, make_header, spectra, write_fil
from services.gateway.jobs.model import Failure, Job
from services.gateway.mongodb.job_document import document_of
from services.gateway.mongodb.store import open_store
from services.gateway.settings import Settings
from tests.browser.accessibility import check_accessibility
from tests.browser.signing_in import sign_in
from tests.browser.waterfall_view import follow_tone, settled
from tests.contract.gateway.process import settings_of

EVIL = "<img src=x onerror=document.title='owned'>.fil"


@dataclass(frozen=True)
class User:
    """A user of the stack: the API's client, and a key for the browser."""

    client: Waterhole
    api_key: str
    user_id: str


@pytest.fixture(scope="module")
def small_fil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a file of 4 MB with one drifting tone."""
    path = tmp_path_factory.mktemp("small") / "small.fil"
    header = make_header(2**16)
    write_fil(path, header, spectra(Scene(header, (Tone(header.frequency_hz(30_000), 0.3, 60.0),))))
    return path


@pytest.fixture
async def users(stack: Stack) -> AsyncIterator[list[User]]:
    """Two new users."""
    made = [await stack.create_user("researcher", name) for name in ("Alice", "Bob")]
    async with Waterhole(stack.url, made[0]["api_key"]) as one, Waterhole(stack.url, made[1]["api_key"]) as other:
        yield [User(client, user["api_key"], user["user_id"]) for client, user in zip((one, other), made, strict=True)]


def row(page: Page, name: str):
    return page.get_by_role("table", name="Jobs").locator("tbody tr").filter(has_text=name)


async def test_a_list_shows_what_programs_start_and_only_what_is_ones_own(
    stack, users, new_context, small_fil, troubles, screenshot
):
    alice, bob = users
    pages = [await (await new_context()).new_page() for _ in users]
    for page, user in zip(pages, users, strict=True):
        await sign_in(page, stack.url, user.api_key)
        await expect(page.get_by_role("heading", name="Search your first observation")).to_be_visible()
    # Two jobs of a program: one of a name like markup. They appear and end in the page without a reload.
    key = await alice.client.upload(small_fil)
    good = await alice.client.analyze(key, EVIL, "Target A")
    await expect(row(pages[0], "Target A")).to_contain_text("Complete")
    await expect(row(pages[0], "Target A")).to_contain_text(EVIL)
    broken = small_fil.with_name("broken.fil")
    broken.write_bytes(b"HEADER_START but not a filterbank file" * 100)
    await alice.client.analyze(await alice.client.upload(broken), "broken.fil", "Target B")
    await expect(row(pages[0], "Target B")).to_contain_text("Failed")
    assert await pages[0].title() == "Jobs - Waterhole"
    await check_accessibility(pages[0])
    await screenshot(pages[0], "jobs_of_a_program_dark")
    # The other user's page has got its own job since, and nothing else.
    await bob.client.analyze(await bob.client.upload(small_fil), "small.fil", "Target C")
    await expect(row(pages[1], "Target C")).to_contain_text("Complete")
    assert "Target A" not in await pages[1].content()
    troubles.expect(rf"GET /jobs/{good}.*: 40[34]")
    await pages[1].goto(f"{stack.url}/app/jobs/{good}")
    await pages[1].get_by_role("heading", level=1).wait_for()
    await expect(pages[1].get_by_text("Loading")).to_have_count(0)
    content = await pages[1].content()
    assert "Target A" not in content
    assert "onerror" not in content
    # Deleted by a program, gone from the page; deleted on the page, gone for the program.
    await pages[0].get_by_role("button", name="Delete Target B").click()
    await pages[0].get_by_role("dialog").get_by_role("button", name="Delete the job").click()
    await expect(row(pages[0], "Target B")).to_have_count(0)
    async with (
        aiohttp.ClientSession(headers={"x-api-key": alice.api_key}) as http,
        http.delete(f"{stack.url}/jobs/{good}") as response,
    ):
        assert response.status == 200
    await expect(row(pages[0], "Target A")).to_have_count(0)
    await expect(pages[0].get_by_role("heading", name="Search your first observation")).to_be_visible()


async def test_a_session_that_ends_on_the_server_leads_to_the_sign_in_and_back(stack, users, page, troubles):
    alice, _ = users
    await sign_in(page, stack.url, alice.api_key, "/app/keys")
    key = page.get_by_role("table", name="Your keys").locator("tbody tr")
    await expect(key).to_have_count(1)
    # The key that the session was opened with is revoked: the session is over at once.
    troubles.expect("(GET|POST|DELETE) .*: 403")
    await page.get_by_label("Name, to tell it from others").fill("second")
    await page.get_by_role("button", name="Create a key").click()
    second = await page.locator(".secret code").text_content()
    await expect(key).to_have_count(2)
    await key.filter(has_not_text="second").get_by_role("button", name="Revoke").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke the key").click()
    await expect(page.get_by_text("Your session has ended.")).to_be_visible()
    await check_accessibility(page)
    await page.get_by_label("API key").fill(second or "")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
    await expect(key.filter(has_text="Revoked")).to_have_count(1)
    await page.goto(f"{stack.url}/app/usage")
    await expect(page.get_by_role("progressbar", name="Jobs this month")).to_be_visible()
    await check_accessibility(page)
    await page.goto(f"{stack.url}/app/?kind=cadences")
    await expect(page.get_by_role("heading", name="No cadences yet")).to_be_visible()


N_EARLIER = 199
WIDE_CHANNELS = 2**22
TONE_CHANNEL = 2_718_281
# The page is the one that was opened: a reload would forget this.
MARK = "() => { window.is_the_first = true; }"


@pytest.fixture(scope="module")
def wide_scene() -> Scene:
    """A band of 4 million channels, of 64 MB, and a tone of SNR 20 in one of them."""
    header = make_header(WIDE_CHANNELS, n_bits=8)
    return Scene(header, (Tone(header.frequency_hz(TONE_CHANNEL), 0.0, 20.0),), seed=4)


async def add_earlier_jobs(stack: Stack, user: User) -> None:
    """Give a user jobs of the last hours, as if the search of each had failed."""
    now_ms = time.time_ns() // 1_000_000
    jobs = [
        Job(
            job_id=str(uuid.uuid4()),
            user_id=user.user_id,
            status="failed",
            file_key=f"uploads/{user.user_id}/{at}",
            filename=f"earlier_{at}.fil",
            source_name=f"Earlier {at}",
            file_size=1000,
            submitted_ms=now_ms - 60_000 * (at + 1),
            completed_at=now_ms // 1000 - 60 * at,
            failure=Failure("ingest", "bad_observation", "The file is damaged."),
        )
        for at in range(N_EARLIER)
    ]
    async with open_store(settings_of(Settings, stack.environment)) as store:
        await store.database["jobs"].insert_many([document_of(one) for one in jobs])


@pytest.fixture
async def observer(stack: Stack) -> AsyncIterator[User]:
    """Make a user of a tier whose history holds some hundred jobs."""
    made = await stack.create_user("enterprise", "Carol")
    async with Waterhole(stack.url, made["api_key"]) as client:
        yield User(client, made["api_key"], made["user_id"])


async def test_a_tone_of_a_program_is_found_in_the_list_and_in_the_band(
    stack, observer, page, wide_scene, tmp_path, screenshot
):
    await add_earlier_jobs(stack, observer)
    await sign_in(page, stack.url, observer.api_key)
    await expect(page.get_by_text(f"50 of {N_EARLIER} jobs")).to_be_visible()
    await page.evaluate(MARK)
    path = tmp_path / "wide.fil"
    write_fil(path, wide_scene.header, spectra(wide_scene))
    job_id = await observer.client.analyze(await observer.client.upload(path), "wide.fil", "Wide band")
    await expect(row(page, "Wide band")).to_be_visible()
    await expect(page.get_by_text(f"of {N_EARLIER + 1} jobs")).to_be_visible()
    await expect(row(page, "Wide band")).to_contain_text("Complete")
    await page.get_by_role("link", name="Wide band").click()
    assert page.url == f"{stack.url}/app/jobs/{job_id}"
    # The one hit is in the table, with its label.
    await expect(page.get_by_role("table", name="Hits 1 to 1 of 1").locator("tbody tr")).to_have_count(1)
    await page.get_by_role("application", name="Waterfall").scroll_into_view_if_needed()
    await settled(page)
    await screenshot(page, "job_wide_band_dark")
    header = wide_scene.header
    hz, width_hz = header.frequency_hz(TONE_CHANNEL), abs(header.foff_hz)
    found, _, _ = await follow_tone(page, hz, width_hz, finest=64)
    assert abs(found - hz) < width_hz / 2
    await screenshot(page, "job_wide_tone_dark")
    assert await page.evaluate("() => window.is_the_first")
