"""Pictures of pages for the documents: dark and light, as high as their content, in few bytes."""

import io
from pathlib import Path
from typing import ClassVar

from PIL import Image
from playwright.async_api import Page, ViewportSize

ROOT = Path(__file__).parents[2]
SCHEMES = ("light", "dark")
# Pages have few colours; the map of the waterfall fills the rest of the palette. `kmeans` keeps large areas exact.
COLOURS = 256


class Album:
    """Takes pictures into a folder: `dashboard/{name}_{scheme}.png`, and one wide `dashboard.png`."""

    WINDOW: ClassVar[ViewportSize] = {"width": 1280, "height": 800}
    HIGHEST: ClassVar[int] = 1400

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes: dict[Path, int] = {}

    async def take(self, page: Page, name: str, *, at: str = "", until: str = "") -> None:
        """Take the page from its top, or from the element `at` on, down to its end or to the element `until`."""
        await self._resize(page, at, until)
        for scheme in SCHEMES:
            await self._keep(page, scheme, self._folder / f"dashboard/{name}_{scheme}.png")
        await page.emulate_media(color_scheme="light")
        await page.set_viewport_size(self.WINDOW)

    async def take_wide(self, page: Page, at: str, window: ViewportSize) -> None:
        """Take the picture at the head of the README, from the element `at` on."""
        await page.set_viewport_size(window)
        await page.evaluate("(top) => window.scrollTo(0, top)", await self._top_of(page, at))
        await self._keep(page, "dark", self._folder / "dashboard.png")
        await page.emulate_media(color_scheme="light")
        await page.set_viewport_size(self.WINDOW)

    def report(self) -> str:
        """Return the size of each picture, and of all."""
        lines = [f"{path.relative_to(self._folder)!s:<40} {size:>9,} bytes" for path, size in self._sizes.items()]
        return "\n".join([*lines, f"{'all':<40} {sum(self._sizes.values()):>9,} bytes"])

    async def _resize(self, page: Page, at: str, until: str) -> None:
        """Make the window as high as what it is to show, and put the page there."""
        top = await self._top_of(page, at) if at else 0.0
        bottom = await self._top_of(page, until) if until else await page.evaluate("document.body.scrollHeight")
        least = self.WINDOW["height"] if not until else 0
        height = min(self.HIGHEST, max(least, round(bottom - top)))
        await page.set_viewport_size({"width": self.WINDOW["width"], "height": height})
        await page.evaluate("(top) => window.scrollTo(0, top)", top)

    async def _top_of(self, page: Page, selector: str) -> float:
        script = "(element) => element.getBoundingClientRect().top + window.scrollY - 12"
        top: float = await page.locator(selector).first.evaluate(script)
        return top

    async def _keep(self, page: Page, scheme: str, path: Path) -> None:
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        # The canvas is drawn again in the new colours and size in the next frames.
        await page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if await page.locator(".waterfall canvas").count():
            await page.locator(".waterfall canvas[data-state=settled]").wait_for()
        taken = Image.open(io.BytesIO(await page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
        path.parent.mkdir(parents=True, exist_ok=True)
        taken.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE).save(
            path, optimize=True
        )
        self._sizes[path] = path.stat().st_size
