"""The waterfall in a page: where things are on its canvas, and what its read-out and address say."""

import asyncio
import base64
import re
from urllib.parse import parse_qs

import numpy as np
from playwright.async_api import expect

from tests.browser.sky import Chunk, Sky, noise, with_tone

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
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
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


async def highest_column(page):
    """Return the frequency at the middle of the highest column of the strip, the width of a pixel, and the view."""
    strip = await pixels(page, 0, "strip")
    heights = (np.abs(strip.astype(int) - strip[0, 0]).sum(axis=2) > 60).sum(axis=0)
    columns = np.flatnonzero(heights == heights.max())
    view = await page.evaluate(VIEW)
    share = (columns.mean() + 0.5) / strip.shape[1]
    return view["center_hz"] + (share - 0.5) * view["width_hz"], view["width_hz"] / strip.shape[1], view


async def follow_tone(page, hz, channel_hz, finest=16):
    """Zoom with the wheel at the strip's highest column, from what is shown to single channels.

    Assert at each step that the column is that of the tone at `hz`, where the finest level has so many channels to a
    column. Return what `highest_column` returns at last.
    """
    for _ in range(40):
        await settled(page)
        found, pixel_hz, view = await highest_column(page)
        # A pixel, or the column that is drawn over several of them.
        assert abs(found - hz) <= 1.5 * pixel_hz + finest / 2 * channel_hz, (found, hz, pixel_hz, view)
        if pixel_hz < channel_hz / 8:
            return found, pixel_hz, view
        await page.mouse.move(*await place(page, (found - view["center_hz"]) / view["width_hz"] + 0.5, 0.4))
        await page.mouse.wheel(0, -700)
        await until(page, lambda: page.evaluate(VIEW), lambda now, old=view: now["width_hz"] < old["width_hz"])
        # The line at the pointer would be the highest column.
        await page.mouse.move(*await place(page, -0.5, -0.5))
        await expect(page.locator(".waterfall-reading dt", has_text="Frequency")).to_have_count(0)
        await page.evaluate(TWO_FRAMES)
    raise AssertionError(f"a pixel is {pixel_hz} Hz wide after forty turns of the wheel")


def number_of(text):
    return float(text.split()[0].replace("\u2212", "-"))


async def reading(page, name):
    """Return a value of the read-out, or None."""
    found = page.locator(".waterfall-reading dl > div", has_text=re.compile(f"^{name}"))
    return await found.locator("dd").inner_text() if await found.count() else None


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
