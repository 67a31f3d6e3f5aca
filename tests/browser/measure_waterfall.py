"""Measure the waterfall in a browser: `python -m tests.browser.measure_waterfall`. Prints a table; asserts nothing.

A frame is the time from one animation frame to the next while the view zooms or moves in every one, with the browser's
limit to the screen's rate off: scripts, drawing and what the browser does with the result.
"""

import asyncio
import statistics
import time

from aiohttp.test_utils import TestServer
from playwright.async_api import Page, async_playwright

from tests.browser.chromium import NONE_FOUND, find_chromium
from tests.browser.sky import Chunk, Sky, noise, wide_sky, with_tone
from tests.browser.waterfall_server import WaterfallServer

FRAMES = 150
# Zooms in and out about the middle, and drags left and right, an event per frame; returns the times between frames.
SCRIPT = """async ([frames, kind]) => {
  const canvas = document.querySelector(".waterfall canvas");
  const box = canvas.getBoundingClientRect();
  const [x, y] = [box.left + box.width * 0.6, box.top + 200];
  const at = { bubbles: true, cancelable: true, pointerId: 1, button: 0, clientY: y };
  canvas.setPointerCapture = () => {};
  if (kind === "pan") canvas.dispatchEvent(new PointerEvent("pointerdown", { ...at, clientX: x }));
  const times = [];
  let before = 0;
  for (let frame = 0; frame < frames; frame += 1) {
    const now = await new Promise((done) => requestAnimationFrame(done));
    if (before > 0) times.push(now - before);
    before = now;
    const half = frame < frames / 2 ? 1 : -1;
    if (kind === "zoom") {
      canvas.dispatchEvent(new WheelEvent("wheel", { ...at, clientX: x, deltaY: -30 * half }));
    } else {
      canvas.dispatchEvent(new PointerEvent("pointermove", { ...at, clientX: x + 300 * Math.sin(frame / 15) }));
    }
  }
  if (kind === "pan") canvas.dispatchEvent(new PointerEvent("pointerup", { ...at, clientX: x }));
  return times;
}"""
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-frame-rate-limit", "--disable-gpu-vsync"]
ZOOM = (
    'document.querySelector(".waterfall canvas").dispatchEvent(new KeyboardEvent("keydown", {key: "+", bubbles: true}))'
)


def _of_20() -> Sky:
    values = with_tone(noise(16, 2**20, 2), 700_000, 60)
    return Sky([Chunk(values)], factors=(16, 64, 256, 1024, 4096, 16384, 65536))


async def _measure(page: Page, server: WaterfallServer, url: str, skies: dict[str, Sky], name: str) -> None:
    await page.goto("about:blank")
    server.show(skies)
    # The columns are made at the first request; a real server reads them.
    for sky in skies.values():
        for factor in sky.factors:
            sky.columns("max", factor, 0, sky.edges[-1])
    began = time.perf_counter()
    await page.goto(url)
    await page.locator("canvas[data-state]").wait_for()
    first_s = time.perf_counter() - began
    await page.locator("canvas[data-state=settled]").wait_for()
    settled_s = time.perf_counter() - began
    screen = server.bytes_sent
    for _ in range(3):
        await page.evaluate(ZOOM)
    await page.locator("canvas[data-state=settled]").wait_for()
    texts = []
    for kind in ("pan", "zoom", "pan", "zoom"):
        times = await page.evaluate(SCRIPT, [FRAMES, kind])
        texts.append(f"{kind} {statistics.median(times):.1f} (95 %: {statistics.quantiles(times, n=20)[-1]:.1f})")
    print(
        f"{name}: first frame {first_s:.2f} s, settled {settled_s:.2f} s, first screen {screen / 1000:.0f} kB; "
        f"ms per frame: {', '.join(texts)}"
    )


async def main() -> None:
    """Measure one observation of 2^20 channels, one of 2^26, and six panels."""
    path = find_chromium()
    if path is None:
        raise SystemExit(NONE_FOUND)
    server = WaterfallServer()
    async with TestServer(server.app()) as running, async_playwright() as playwright:
        url = str(running.make_url("/waterfall_page"))
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1600, "height": 1000})
        small, large = _of_20(), wide_sky(50_000_000, 20)
        await _measure(page, server, url, {"small": small}, "2^20 channels")
        await _measure(page, server, url, {"large": large}, "2^26 channels")
        await _measure(page, server, url, {f"scan {k}": small for k in range(6)}, "six panels of 2^20 channels")
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
