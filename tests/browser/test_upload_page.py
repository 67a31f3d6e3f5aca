"""The page of new analyses before anything is sent: what is accepted, what is refused, and how it says so."""

import struct
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Page, expect

from science.simulator import make_header, write_fil
from tests.browser.accessibility import check_accessibility, overflowing
from tests.browser.conftest import NewContext, Screenshot
from tests.browser.stand_in import StandIn, answering

NARROW = {"width": 320, "height": 800}


async def open_upload(page: Page, api: StandIn) -> None:
    """Sign in as a new user and open the page."""
    key = api.add_user("alice")
    await page.goto(f"{api.url}/app/upload")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="New analysis")).to_be_visible()


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write three small scans: of a target, of elsewhere, and of the target again."""
    folder = tmp_path_factory.mktemp("scans")
    paths = []
    for place, source in enumerate(("HIP39826", "HIP39825", "HIP39826")):
        header = make_header(1024, source_name=source).model_copy(update={"tstart_mjd": 59000 + place / 100})
        paths.append(folder / f"scan_{place}.fil")
        write_fil(paths[-1], header, np.ones((header.n_spectra, 1024), np.float32))
    return paths


def foreign(name: str, content: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "", "buffer": content}


async def test_files_are_refused_before_the_first_byte(page: Page, api: StandIn, screenshot: Screenshot) -> None:
    await open_upload(page, api)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    start = b"\x0c\0\0\0HEADER_START"
    details = {"files_per_month": 500, "max_file_mb": 1, "price": "$0", "retention_days": 30}
    uploads = {"open": 0, "open_limit": 8, "stored_bytes": 0, "stored_bytes_limit": 10**9}
    usage = {"user_id": "alice", "tier": "free", "usage_this_month": 10, "limit": 10, "remaining": 0}
    answer = usage | {"tier_details": details, "uploads": uploads}
    api.answers[("GET", "/usage")] = answering(answer)
    await page.reload()
    await page.get_by_label("choose them").set_input_files(
        [
            foreign("notes.txt", b"hello"),
            foreign("packed.fil", b"\x1f\x8b\x08" + bytes(100)),
            foreign("large.fil", start + bytes(1024 * 1024)),
            foreign("voltages.h5", b"BACKEND = 'GUPPI'" + bytes(100)),
        ]
    )
    for sentence in (
        "notes.txt can't be searched: its name must end in .fil or .h5.",
        "packed.fil can't be searched: it is compressed with gzip.",
        "large.fil can't be searched: it has 1.0 MiB, and the tier free takes files up to 1.0 MiB.",
        "voltages.h5 can't be searched: it holds raw voltages",
    ):
        await expect(page.get_by_text(sentence)).to_be_visible()
    await expect(page.get_by_role("button", name="Upload and search")).to_have_count(0)
    await check_accessibility(page)
    await screenshot(page, "upload_refused_dark")
    # A good file, but the month is used up.
    await page.get_by_label("choose them").set_input_files(foreign("good.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)))
    await expect(page.get_by_text("Of the 10 jobs of this month none is left")).to_be_visible()
    await expect(page.get_by_role("button", name="Upload and search")).to_be_disabled()
    assert set(sent) == {"GET"}


async def test_scans_of_a_cadence_have_roles(
    page: Page, api: StandIn, new_context: NewContext, scans: list[Path], screenshot: Screenshot
) -> None:
    await open_upload(page, api)
    await page.get_by_label("choose them").set_input_files(scans)
    await page.get_by_label("One cadence").check()
    await expect(page.get_by_text("'HIP39826' was observed most often")).to_be_visible()
    roles = [page.get_by_label(f"Role of scan_{place}.fil") for place in range(3)]
    for role, proposed in zip(roles, ("on", "off", "on"), strict=True):
        await expect(role).to_have_value(proposed)
    await roles[2].select_option("off")
    await page.get_by_label("ON scans that must show").fill("0")
    await expect(page.get_by_text("must be a whole number from 1 to 64")).to_be_visible()
    await expect(page.get_by_role("button", name="Upload and search 3 files")).to_be_disabled()
    await page.get_by_label("ON scans that must show").fill("1")
    await expect(page.get_by_role("button", name="Upload and search 3 files")).to_be_enabled()
    await page.get_by_text("Polarisations and changing").click()
    await check_accessibility(page)
    await screenshot(page, "upload_cadence_dark")
    await page.emulate_media(color_scheme="light")
    await check_accessibility(page)
    await screenshot(page, "upload_cadence_light")
    await page.set_viewport_size(NARROW)
    assert await overflowing(page) == []
    await check_accessibility(page)
    await screenshot(page, "upload_cadence_narrow")
    await page.get_by_role("button", name="Remove scan_1.fil").click()
    await expect(page.get_by_role("listitem").filter(has_text="scan_1.fil")).to_have_count(0)
    await expect(roles[1].or_(page.get_by_label("Role of scan_2.fil"))).to_have_value("off")


async def test_a_header_that_can_not_be_read_is_a_warning(page: Page, api: StandIn) -> None:
    await open_upload(page, api)
    head = b"\x0c\0\0\0HEADER_START" + struct.pack("<I", 5) + b"FANCY" + bytes(200)
    await page.get_by_label("choose them").set_input_files(foreign("fancy.fil", head))
    await expect(page.get_by_text("The search will probably refuse this file")).to_be_visible()
    await expect(page.get_by_role("button", name="Upload and search the file")).to_be_enabled()
    await check_accessibility(page)
