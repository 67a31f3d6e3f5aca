"""The waterfall in a page of its own, on observations in memory: to look, to move and to measure."""

import re

import pytest

from tests.browser.accessibility import check_accessibility
from tests.browser.sky import wide_sky
from tests.browser.waterfall_view import (
    CHANNEL_HZ,
    VIEW,
    address,
    drifting_sky,
    follow_tone,
    hit_of,
    number_of,
    place,
    reading,
    settled,
    until,
)


@pytest.fixture
def canvas(page):
    return page.locator(".waterfall canvas")


@pytest.mark.parametrize("sign", [1, -1])
async def test_a_tone_in_2_26_channels_is_seen_and_followed_to_its_channel(page, waterfalls, screenshot, sign):
    channel = 41_234_567
    sky = wide_sky(channel, 20.0, channel_width_hz=sign * CHANNEL_HZ, windows=[(channel - 128, 257)])
    waterfalls.show({"wide": sky})
    await page.goto(waterfalls.url)
    await settled(page)
    assert waterfalls.bytes_sent < 300_000
    await screenshot(page, f"waterfall_band_{'rising' if sign > 0 else 'falling'}")
    hz = sky.frequency_hz(channel)
    found, pixel_hz, view = await follow_tone(page, hz, CHANNEL_HZ)
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


async def test_keyboard_address_and_accessibility(page, canvas, waterfalls, screenshot):
    sky = drifting_sky(spectra_readable=True)
    other = hit_of(sky, 2, frequency_hz=sky.frequency_hz(50_000), drift_rate_hz_s=0.0, snr=12.0, label="RFI")
    waterfalls.show({"drifting": sky}, hits=[hit_of(sky), other])
    await page.goto(waterfalls.url)
    await settled(page)
    await check_accessibility(page)
    await canvas.focus()
    # ] selects a hit, + zooms about the middle, and the address follows.
    await page.keyboard.press("]")
    await page.get_by_text("Hits in view: 2").click()
    await page.locator(".waterfall-hits button[aria-pressed=true]", has_text="Candidate ET").wait_for()
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
    await page.keyboard.press("v")
    await page.keyboard.press("Shift+ArrowRight")
    status = page.get_by_role("status").filter(has_text="Frequency")
    await status.wait_for()
    step_hz = 10 * CHANNEL_HZ
    assert await reading(page, "Frequency") == f"{(float(first['center_hz']) + step_hz) / 1e6:.7f} MHz"
    # Two ends of the ruler measure the drift between them.
    await page.keyboard.press("d")
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        await page.keyboard.press(key)
    await page.keyboard.press("d")
    expected = CHANNEL_HZ / (2 * sky.spectrum_s)
    await page.locator(".waterfall-reading dd", has_text=f"+{expected:.4f} Hz/s").wait_for()
    await check_accessibility(page)
    await page.keyboard.press("Escape")
    # An address shows the same again.
    await page.get_by_role("combobox", name="Value").select_option("mean")
    await page.get_by_role("combobox", name="Colours").select_option("cividis")
    await page.get_by_label("Automatic range").uncheck()
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


async def test_pointer_drags_rules_marks_and_selects(page, waterfalls):
    sky = drifting_sky(spectra_readable=True)
    hit = hit_of(sky)
    waterfalls.show({"drifting": sky}, hits=[hit])
    middle_hz = sky.frequency_hz(30_000) + 75 * sky.channel_width_hz
    await page.goto(f"{waterfalls.url}?center_hz={middle_hz}&width_hz={400 * CHANNEL_HZ}")
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
