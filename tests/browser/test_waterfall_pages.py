"""The waterfall in a page of its own: what it saves, scans of a cadence, narrow screens, and what is missing."""

import csv
import io
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from tests.browser.accessibility import check_accessibility, overflowing
from tests.browser.sky import Chunk, Sky, noise, with_tone
from tests.browser.waterfall_view import (
    CHANNEL_HZ,
    VIEW,
    address,
    drifting_sky,
    hit_of,
    pixels,
    place,
    settled,
    until,
)


async def test_saves_picture_samples_and_values(page, waterfalls, tmp_path):
    sky = drifting_sky(spectra_readable=True)
    label = "x;=1+1\t@2,+3.fil"
    waterfalls.show({"drifting": sky}, hits=[hit_of(sky)], panels=[{"job_id": "drifting", "label": label}])
    await page.goto(f"{waterfalls.url}?center_hz={sky.frequency_hz(30_050)}&width_hz={50 * CHANNEL_HZ}")
    await settled(page)
    save = page.get_by_role("group", name="Save")
    files = {}
    for name in ("Picture (PNG)", "Values shown (CSV)", "Samples (.fil)"):
        async with page.expect_download() as coming:
            await save.get_by_role("button", name=name).click()
        path = tmp_path / (await coming.value).suggested_filename
        await (await coming.value).save_as(path)
        files[name] = path
    assert [re.sub(r"_\d+\.\d+MHz", "", path.name) for path in files.values()] == [
        "HIP_39826.png",
        "HIP_39826.shown.csv",
        "HIP_39826.fil",
    ]
    picture = files["Picture (PNG)"].read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(picture[at : at + 4], "big") for at in (16, 20))
    size = await page.evaluate("() => [document.querySelector('.waterfall canvas').clientWidth]")
    assert (width, height > 2 * 400) == (2 * size[0], True)
    assert files["Samples (.fil)"].read_bytes() == b"fil"
    path = next(path for path in reversed(waterfalls.paths) if "format=fil" in path)
    start, stop = (int(parse_qs(urlsplit(path).query)[f"{name}_channel"][0]) for name in ("start", "stop"))
    assert start <= 30_026 <= 30_074 <= stop <= start + 53
    # The CSV holds single channels here, and says so.
    lines = files["Values shown (CSV)"].read_text().splitlines()
    # A name begins no cell of its own, which a spreadsheet could evaluate.
    assert lines[0].startswith("# HIP 39826 / x =1+1 @2 +3.fil, from ")
    assert not any(cell.startswith(("=", "+", "@", "-")) for cell in re.split("[,;\t]", lines[0]))
    assert lines[1].startswith("# maximum of power per column")
    assert "single channels" in lines[1]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[2:]))))
    channels = [round((sky.first_channel_hz - float(row["from_hz"]) - CHANNEL_HZ / 2) / CHANNEL_HZ) for row in rows]
    assert channels == list(range(channels[0], channels[0] - len(rows), -1))
    shown = np.array([[float(value) for value in list(row.values())[4:]] for row in rows])
    expected = sky.samples(channels[-1], channels[0] + 1)[:, ::-1].T
    np.testing.assert_allclose(shown, expected, rtol=0.032, atol=0.065)


async def test_panels_of_a_cadence_share_an_axis_and_are_straightened(page, waterfalls, screenshot):
    length_s = 16 * drifting_sky().spectrum_s
    skies = {}
    # One track through three scans, 400 s apart; the OFF scan between holds noise alone.
    rate = -0.5
    for scan in range(3):
        start = 400.0 * scan
        channel = 30_000 - rate * start / CHANNEL_HZ
        values = noise(16, 2**16, 10 + scan)
        if scan != 1:
            values = with_tone(values, channel, 200.0, drift_channels=-rate * length_s / CHANNEL_HZ)
        skies[f"scan_{scan}"] = Sky(
            [Chunk(values)], channel_width_hz=-CHANNEL_HZ, factors=(16, 64, 256, 1024), spectra_readable=True,
            start_mjd=59000.5 + start / 86400,
        )  # fmt: skip
    panels = [{"job_id": name, "label": f"{name}.fil", "role": "OFF" if name[-1] == "1" else "ON"} for name in skies]
    first = skies["scan_0"]
    hit = hit_of(first, drift_rate_hz_s=rate, frequency_hz=first.frequency_hz(30_000) + CHANNEL_HZ / 2, stop_s=1092.0)
    waterfalls.show(skies, panels=panels, hits=[hit], selected=1)
    await page.goto(f"{waterfalls.url}?center_hz={first.frequency_hz(30_000) - 250}&width_hz=1200")
    await settled(page)
    await screenshot(page, "waterfall_cadence")
    await check_accessibility(page)
    await page.get_by_label("Straighten along the selected track").check()
    await page.wait_for_function("() => document.querySelector('.waterfall canvas').dataset.straightened === 'true'")
    await settled(page)
    await screenshot(page, "waterfall_cadence_straight")
    # The signal of each row stands in one column, in the ON scans alone.
    for scan in range(3):
        image = (await pixels(page, scan, "image"))[:, :, :3].astype(int)
        # Yellow of viridis: much red, little blue.
        bright = (image[:, :, 0] > 150) & (image[:, :, 2] < 90)
        columns = np.flatnonzero(bright.mean(axis=0) > 0.5)
        if scan == 1:
            assert columns.size == 0
        else:
            # Rows are moved by the track, channels by whole ones: they agree within a channel.
            assert 1 <= columns.size <= 2.5 * image.shape[1] * CHANNEL_HZ / 1200
    # The read-out names the scan.
    await page.mouse.move(*await place(page, 0.3, 0.5, panel=1))
    await page.locator(".waterfall-reading dd", has_text="scan_1.fil").wait_for()


async def test_narrow_screens_light_colours_and_tables(new_context, waterfalls, screenshot):
    context = await new_context(viewport={"width": 320, "height": 700}, color_scheme="light", device_scale_factor=2)
    page = await context.new_page()
    sky = drifting_sky()
    waterfalls.show({"drifting": sky}, hits=[hit_of(sky)], selected=1)
    await page.goto(waterfalls.url)
    await settled(page)
    assert await overflowing(page) == []
    # The table lists what is strongest; a row zooms to it.
    await page.get_by_text("Table of the strongest columns in view").click()
    zoom = page.get_by_role("button", name="Zoom to").first
    await zoom.wait_for()
    await check_accessibility(page)
    await screenshot(page, "waterfall_narrow_light")
    width = (await page.evaluate(VIEW))["width_hz"]
    await zoom.click()
    await address(page, lambda view: float(view.get("width_hz", "inf")) < width)
    # Two fingers that part zoom in.
    await settled(page)
    width = (await page.evaluate(VIEW))["width_hz"]
    await page.locator(".waterfall canvas").evaluate("""(canvas) => {
      canvas.setPointerCapture = () => {};
      const box = canvas.getBoundingClientRect();
      const send = (type, pointerId, x) => canvas.dispatchEvent(new PointerEvent(type,
        { pointerId, pointerType: "touch", clientX: box.left + x, clientY: box.top + 150, bubbles: true }));
      send("pointerdown", 1, 140); send("pointerdown", 2, 180);
      send("pointermove", 1, 120); send("pointermove", 2, 200);
      send("pointerup", 1, 120); send("pointerup", 2, 200);
    }""")
    near = pytest.approx(width / 2, rel=0.01)
    await until(page, lambda: page.evaluate(VIEW), lambda view: view["width_hz"] == near)


async def test_an_upload_that_is_gone_leaves_the_levels(page, waterfalls, troubles):
    sky = drifting_sky(other={"spectra_readable": True})
    waterfalls.show({"drifting": sky})
    troubles.expect("GET /jobs/drifting/spectra: 409")
    await page.goto(f"{waterfalls.url}?center_hz={sky.frequency_hz(30_050)}&width_hz={100 * CHANNEL_HZ}")
    await page.get_by_text("Drawn from columns of 16 channels").wait_for()
    await settled(page)


async def test_scans_without_a_waterfall_are_named_and_the_others_shown(page, waterfalls, troubles):
    panels = [{"job_id": name, "label": f"{name}.fil"} for name in ("old", "drifting")]
    waterfalls.show({"drifting": drifting_sky()}, panels=panels)
    troubles.expect("GET /jobs/old/waterfall: 404")
    await page.goto(waterfalls.url)
    await settled(page)
    await page.get_by_role("status").filter(has_text="old.fil: This job has no waterfall").wait_for()


async def test_a_job_without_a_waterfall_says_so(page, waterfalls, troubles):
    waterfalls.show({}, panels=[{"job_id": "old", "label": "old.fil"}])
    troubles.expect("GET /jobs/old/waterfall: 404")
    await page.goto(waterfalls.url)
    await page.get_by_role("status").filter(has_text="no waterfall to zoom into").wait_for()
    await check_accessibility(page)
