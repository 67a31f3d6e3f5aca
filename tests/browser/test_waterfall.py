"""The waterfall in a page of its own, on observations in memory: what a user sees and does."""

import asyncio
import base64
import csv
import io
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from aiohttp.test_utils import TestServer

from tests.browser.accessibility import check_accessibility, overflowing
from tests.browser.sky import Chunk, Sky, noise, wide_sky, with_tone
from tests.browser.waterfall_server import WaterfallServer

SETTLED = "canvas[data-state=settled]"
CHANNEL_HZ = 2.7939677238464355
# The colours of a panel's strip or image, in device pixels, row by row.
PIXELS = """async ([at, part]) => {
  const { layout_of } = await import("/app/waterfall/layout.js");
  const canvas = document.querySelector(".waterfall canvas");
  const layout = layout_of(canvas.clientWidth, Number(canvas.dataset.panels), false);
  const ratio = canvas.width / canvas.clientWidth;
  const [left, right, top, height] = [layout.left, layout.right, layout.panels[at][part],
    layout.panels[at][`${part}_height`]].map((length) => Math.round(length * ratio));
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(left, top, right - left, height);
  const letters = Array.from(data, (byte) => String.fromCharCode(byte)).join("");
  return { width: right - left, height, data: btoa(letters) };
}"""
VIEW = "() => JSON.parse(document.querySelector('.waterfall canvas').dataset.view)"
# Where frequency and time begin and end on the canvas, in CSS pixels.
PLOT = """async () => {
  const { layout_of } = await import("/app/waterfall/layout.js");
  const canvas = document.querySelector(".waterfall canvas");
  const layout = layout_of(canvas.clientWidth, Number(canvas.dataset.panels), false);
  const box = canvas.getBoundingClientRect();
  return { left: box.left + layout.left, right: box.left + layout.right,
    panels: layout.panels.map(({ image, image_height }) => [box.top + image, box.top + image + image_height]) };
}"""


@pytest.fixture(scope="module")
async def server(browser):
    server = WaterfallServer()
    async with TestServer(server.app()) as running:
        server.url = str(running.make_url("/waterfall_page"))
        yield server


@pytest.fixture
def canvas(page):
    return page.locator(".waterfall canvas")


async def pixels(page, at, part):
    got = await page.evaluate(PIXELS, [at, part])
    return np.frombuffer(base64.b64decode(got["data"]), np.uint8).reshape(got["height"], got["width"], 4)


async def place(page, share_x, share_y, panel=0):
    """Return a place in a panel's image as the mouse knows it."""
    plot = await page.evaluate(PLOT)
    top, bottom = plot["panels"][panel]
    return plot["left"] + share_x * (plot["right"] - plot["left"]), top + share_y * (bottom - top)


async def until(page, read, holds):
    """Return the first of what `read()` returns for which `holds` is true, a look per frame of the page."""
    async with asyncio.timeout(60):
        while not holds(value := await read()):
            await page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")
    return value


async def settled(page):
    """Wait until the address says what is shown, and everything of it is there."""
    await page.locator(SETTLED).wait_for()


async def address(page, holds):
    """Return the parameters of the address once they are as wanted."""

    async def read():
        query = await page.evaluate("() => location.search.slice(1)")
        return {name: values[0] for name, values in parse_qs(query).items()}

    return await until(page, read, holds)


def number_of(text):
    return float(text.split()[0].replace("\u2212", "-"))


async def reading(page, name):
    """Return a value of the read-out, or None."""
    found = page.locator(".waterfall-reading dl > div", has_text=re.compile(f"^{name}"))
    return await found.locator("dd").inner_text() if await found.count() else None


async def highest_column(page):
    """Return the frequency at the middle of the highest column of the strip, the width of a pixel, and the view."""
    strip = await pixels(page, 0, "strip")
    heights = (np.abs(strip.astype(int) - strip[0, 0]).sum(axis=2) > 60).sum(axis=0)
    columns = np.flatnonzero(heights == heights.max())
    view = await page.evaluate(VIEW)
    share = (columns.mean() + 0.5) / strip.shape[1]
    return view["center_hz"] + (share - 0.5) * view["width_hz"], view["width_hz"] / strip.shape[1], view


@pytest.mark.parametrize("sign", [1, -1])
async def test_a_tone_in_2_26_channels_is_seen_and_followed_to_its_channel(page, server, screenshot, sign):
    channel = 41_234_567
    sky = wide_sky(channel, 20.0, channel_width_hz=sign * CHANNEL_HZ, windows=[(channel - 128, 257)])
    server.show({"wide": sky})
    await page.goto(server.url)
    await settled(page)
    assert server.bytes_sent < 300_000
    await screenshot(page, f"waterfall_band_{'rising' if sign > 0 else 'falling'}")
    hz = sky.frequency_hz(channel)
    # From the whole band, follow the highest column of the strip with the wheel until single channels are wide.
    for _ in range(40):
        await settled(page)
        found, pixel_hz, view = await highest_column(page)
        # A pixel, or the column that is drawn over several of them.
        assert abs(found - hz) <= 1.5 * pixel_hz + 8 * CHANNEL_HZ
        if pixel_hz < CHANNEL_HZ / 8:
            break
        await page.mouse.move(*await place(page, (found - view["center_hz"]) / view["width_hz"] + 0.5, 0.4))
        await page.mouse.wheel(0, -700)
        await until(page, lambda: page.evaluate(VIEW), lambda now, old=view: now["width_hz"] < old["width_hz"])
    assert pixel_hz < CHANNEL_HZ / 8
    # The tone is one channel: as wide as the axis says, and where it says.
    assert abs(found - hz) < CHANNEL_HZ / 2
    await page.mouse.move(*await place(page, (hz - view["center_hz"]) / view["width_hz"] + 0.5, 0.4))
    # The pointer stands on whole pixels, and frequencies are given to 0.1 Hz.
    near = pytest.approx(hz, abs=pixel_hz + 0.1)
    text = await until(page, lambda: reading(page, "Frequency"), lambda text: text and number_of(text) * 1e6 == near)
    assert re.fullmatch(r"\d+\.\d{7} MHz", text)
    assert await reading(page, "Channel") == str(channel)
    integrated = sky.samples(channel, channel + 1).sum() / 4
    text = await reading(page, "Integrated")
    assert float(text.split()[0]) == pytest.approx(integrated, rel=0.05)
    await screenshot(page, f"waterfall_tone_{'rising' if sign > 0 else 'falling'}")


def drifting_sky(**other):
    values = with_tone(noise(16, 2**16, 3), 30_000, 100.0, drift_channels=160.0)
    return Sky([Chunk(values)], factors=(16, 64, 256, 1024), **{"channel_width_hz": -CHANNEL_HZ} | other)


def hit_of(sky, number=1, **changes):
    length_s = sky.rows * sky.spectrum_s
    hit = {
        "id": number,
        "frequency_hz": sky.frequency_hz(30_000),
        "drift_rate_hz_s": 160 * sky.channel_width_hz / length_s,
        "bandwidth_hz": 2.8,
        "snr": 100.0,
        "label": "CANDIDATE_ET",
    }
    return hit | changes


async def test_keyboard_address_and_accessibility(page, canvas, server, screenshot):
    sky = drifting_sky(spectra_readable=True)
    other = hit_of(sky, 2, frequency_hz=sky.frequency_hz(50_000), drift_rate_hz_s=0.0, snr=12.0, label="RFI")
    server.show({"drifting": sky}, hits=[hit_of(sky), other])
    await page.goto(server.url)
    await settled(page)
    await check_accessibility(page)
    await canvas.focus()
    # ] selects a hit, + zooms about the middle, and the address follows.
    await page.keyboard.press("]")
    await page.get_by_text("Hits in view: 2").click()
    await page.locator(".waterfall-hits button[aria-pressed=true]", has_text="CANDIDATE_ET").wait_for()
    await page.get_by_role("button", name="Show the selected hit").click()
    first = await address(page, lambda view: "width_hz" in view)
    await settled(page)
    middle_hz = sky.frequency_hz(30_000) + 75 * sky.channel_width_hz
    assert float(first["center_hz"]) == pytest.approx(middle_hz, abs=5)
    await screenshot(page, "waterfall_hit_dark")
    await canvas.focus()
    await page.keyboard.press("+")
    await address(page, lambda view: float(view["width_hz"]) < float(first["width_hz"]))
    await settled(page)
    # The crosshair: its place and value, which the status reads out.
    await page.keyboard.press("c")
    await page.keyboard.press("Shift+ArrowRight")
    status = page.get_by_role("status").filter(has_text="Frequency")
    await status.wait_for()
    step_hz = 10 * CHANNEL_HZ
    assert await reading(page, "Frequency") == f"{(float(first['center_hz']) + step_hz) / 1e6:.7f} MHz"
    # Two ends of the ruler measure the drift between them.
    await page.keyboard.press("r")
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        await page.keyboard.press(key)
    await page.keyboard.press("r")
    expected = CHANNEL_HZ / (2 * sky.spectrum_s)
    await page.locator(".waterfall-reading dd", has_text=f"+{expected:.4f} Hz/s").wait_for()
    await check_accessibility(page)
    await page.keyboard.press("Escape")
    # An address shows the same again.
    await page.get_by_role("combobox", name="Value").select_option("mean")
    await page.get_by_role("combobox", name="Colours").select_option("cividis")
    await page.get_by_label("Range by itself").uncheck()
    await page.get_by_label("Bright at").fill("25")
    await page.get_by_label("Bright at").press("Enter")
    await address(page, lambda view: view.get("high") == "25")
    await settled(page)
    before = await page.evaluate(VIEW)
    await address(page, lambda view: abs(float(view["center_hz"]) - before["center_hz"]) < 1e-3)
    url = page.url
    await page.goto("about:blank")
    await page.goto(url)
    await settled(page)
    assert await page.evaluate(VIEW) == pytest.approx(before, rel=1e-12, abs=1e-3)
    assert await page.get_by_role("combobox", name="Colours").input_value() == "cividis"
    assert await page.get_by_label("Bright at").input_value() == "25"
    # A typed range, and one that is none.
    low, high = (sky.frequency_hz(channel) / 1e6 for channel in (40_000, 39_900))
    await page.get_by_label("From").fill(f"{low:.7f}")
    await page.get_by_label("To", exact=True).fill(f"{high:.7f}")
    await page.get_by_role("button", name="Show", exact=True).click()
    await address(page, lambda view: abs(float(view["width_hz"]) - 100 * CHANNEL_HZ) < 1)
    await page.get_by_label("From").fill("99999")
    await page.get_by_role("button", name="Show", exact=True).click()
    await page.get_by_role("alert").filter(has_text="within the band").wait_for()


async def test_pointer_drags_rules_marks_and_selects(page, server):
    sky = drifting_sky(spectra_readable=True)
    hit = hit_of(sky)
    server.show({"drifting": sky}, hits=[hit])
    middle_hz = sky.frequency_hz(30_000) + 75 * sky.channel_width_hz
    await page.goto(f"{server.url}?center_hz={middle_hz}&width_hz={400 * CHANNEL_HZ}")
    await settled(page)

    async def drag(begin, end):
        await page.mouse.move(*begin)
        await page.mouse.down()
        await page.mouse.move(*end, steps=4)
        await page.mouse.up()

    # A click on the track, left or right of the signal, selects its hit.
    await page.mouse.click(*await place(page, 0.5, 0.5))
    await page.get_by_text("Hits in view: 1").click()
    await page.locator(".waterfall-hits button[aria-pressed=true]").wait_for()
    # A drag by a quarter of the width moves by it; what was under the pointer stays there.
    await drag(await place(page, 0.5, 0.5), await place(page, 0.75, 0.5))
    left_hz = middle_hz - 100 * CHANNEL_HZ
    await address(page, lambda view: abs(float(view["center_hz"]) - left_hz) < 2)
    # The ruler along the track reads its drift: f falls by 160 channels over the observation.
    await page.get_by_role("combobox", name="Drag").select_option("ruler")
    await drag(await place(page, 0.75 + 0.1, 0.25), await place(page, 0.75 - 0.1, 0.75))
    # Pixels are whole: the ruler's ends are up to half a pixel off.
    near = pytest.approx(hit["drift_rate_hz_s"], rel=0.02)
    await until(page, lambda: reading(page, "Drift ruler"), lambda text: text and number_of(text) == near)
    # A drag with Shift marks a range, which is what is saved.
    await page.keyboard.down("Shift")
    await drag(await place(page, 0.2, 0.5), await place(page, 0.3, 0.5))
    await page.keyboard.up("Shift")
    save = page.get_by_role("group", name="Save").locator("span").first
    near = pytest.approx(40 * CHANNEL_HZ, rel=0.02)

    def is_marked(text):
        low, high = (float(number) for number in re.findall(r"(\d+\.\d+) MHz", text))
        return (high - low) * 1e6 == near

    await until(page, save.inner_text, is_marked)


async def test_saves_picture_samples_and_values(page, server, tmp_path):
    sky = drifting_sky(spectra_readable=True)
    server.show({"drifting": sky}, hits=[hit_of(sky)])
    await page.goto(f"{server.url}?center_hz={sky.frequency_hz(30_050)}&width_hz={50 * CHANNEL_HZ}")
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
    path = next(path for path in reversed(server.paths) if "format=fil" in path)
    start, stop = (int(parse_qs(urlsplit(path).query)[f"{name}_channel"][0]) for name in ("start", "stop"))
    assert start <= 30_026 <= 30_074 <= stop <= start + 53
    # The CSV holds single channels here, and says so.
    lines = files["Values shown (CSV)"].read_text().splitlines()
    assert lines[1].startswith("# maximum of power per column")
    assert "single channels" in lines[1]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[2:]))))
    channels = [round((sky.first_channel_hz - float(row["from_hz"]) - CHANNEL_HZ / 2) / CHANNEL_HZ) for row in rows]
    assert channels == list(range(channels[0], channels[0] - len(rows), -1))
    shown = np.array([[float(value) for value in list(row.values())[4:]] for row in rows])
    expected = sky.samples(channels[-1], channels[0] + 1)[:, ::-1].T
    np.testing.assert_allclose(shown, expected, rtol=0.032, atol=0.065)


async def test_panels_of_a_cadence_share_an_axis_and_are_straightened(page, server, screenshot):
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
    server.show(skies, panels=panels, hits=[hit], selected=1)
    await page.goto(f"{server.url}?center_hz={first.frequency_hz(30_000) - 250}&width_hz=1200")
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


async def test_narrow_screens_light_colours_and_tables(new_context, server, screenshot):
    context = await new_context(viewport={"width": 320, "height": 700}, color_scheme="light", device_scale_factor=2)
    page = await context.new_page()
    sky = drifting_sky()
    server.show({"drifting": sky}, hits=[hit_of(sky)], selected=1)
    await page.goto(server.url)
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


async def test_an_upload_that_is_gone_leaves_the_levels(page, server, troubles):
    sky = drifting_sky(other={"spectra_readable": True})
    server.show({"drifting": sky})
    troubles.expect("GET /jobs/drifting/spectra: 409")
    await page.goto(f"{server.url}?center_hz={sky.frequency_hz(30_050)}&width_hz={100 * CHANNEL_HZ}")
    await page.get_by_text("Drawn from columns of 16 channels").wait_for()
    await settled(page)


async def test_a_job_without_a_waterfall_says_so(page, server, troubles):
    server.show({}, panels=[{"job_id": "old", "label": "old.fil"}])
    troubles.expect("404")
    await page.goto(server.url)
    await page.get_by_role("status").filter(has_text="no waterfall to zoom into").wait_for()
    await check_accessibility(page)
