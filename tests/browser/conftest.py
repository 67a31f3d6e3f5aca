"""Fixtures of the tests in a real browser: one Chromium, a fresh context for each test, and what they look at.

`page` fails its test if the page logs an error, breaks its Content-Security-Policy, or sends a request that fails,
unless the test expects that (`troubles.expect`).
"""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from deploy.local.client import Waterhole
from deploy.local.ports import free_ports
from deploy.local.stack import Stack, running_stack
from services.gateway.api.routes.dashboard import DashboardRoutes
from tests.browser.chromium import NONE_FOUND, find_chromium
from tests.browser.javascript import Javascript
from tests.browser.stand_in import StandIn
from tests.browser.troubles import Troubles
from tests.browser.waterfall_server import WaterfallServer

ROOT = Path(__file__).parents[2]
# Pictures of the pages, to be looked at; git ignores the folder.
SCREENSHOTS = Path(os.environ.get("WATERHOLE_SCREENSHOTS", ROOT / "out/screenshots"))
# Processes of a loaded machine answer late; a condition that never holds fails its test after this.
PATIENCE_MS = 30_000
WINDOW = {"width": 1440, "height": 900}
expect.set_options(timeout=PATIENCE_MS)

NewContext = Callable[..., Awaitable[BrowserContext]]
Screenshot = Callable[[Page, str], Awaitable[None]]


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    """Start the browser of this machine; skip the test where there is none."""
    path = find_chromium()
    if path is None:
        pytest.skip(NONE_FOUND)
    async with async_playwright() as playwright:
        # Containers seldom allow the browser's own sandbox, and it shows only our pages. /dev/shm is small in them.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        await browser.close()


@pytest.fixture
async def troubles() -> AsyncIterator[Troubles]:
    """Collect what goes wrong in the pages of a test, and fail it for what it does not expect."""
    troubles = Troubles()
    yield troubles
    assert troubles.unexpected == []


@pytest.fixture
async def new_context(browser: Browser, troubles: Troubles) -> AsyncIterator[NewContext]:
    """Return a function that opens a fresh context, such as one more user. It takes Playwright's options."""
    contexts = []

    async def make(**options: Any) -> BrowserContext:
        options = {"viewport": WINDOW, "color_scheme": "dark", "reduced_motion": "reduce"} | options
        context = await browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        troubles.watch(context)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        await context.close()


@pytest.fixture
async def page(new_context: NewContext) -> Page:
    """Return a page without a session, in a context of its own."""
    return await (await new_context()).new_page()


@pytest.fixture
def screenshot() -> Screenshot:
    """Return a function that keeps a picture of the whole page under a name."""

    async def take(page: Page, name: str) -> None:
        assert re.fullmatch(r"[a-z0-9_]+", name), name
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    return take


@pytest.fixture(scope="package")
async def served(browser: Browser) -> AsyncIterator[StandIn]:
    """Serve the dashboard with an API in memory. It ends after all pages are closed."""
    stand_in = StandIn()
    async with TestServer(stand_in.app()) as server:
        stand_in.url = str(server.make_url("")).rstrip("/")
        yield stand_in


@pytest.fixture
def api(served: StandIn) -> StandIn:
    """Return the API in memory, without what earlier tests left."""
    served.reset()
    return served


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> AsyncIterator[Stack]:
    """Run the whole stack, as `make up` does, for the tests of this folder. Without a browser it is not started."""
    async with running_stack(tmp_path_factory.mktemp("stack"), port=free_ports(1)[0]) as running:
        yield running


@pytest.fixture(scope="package")
async def client(stack: Stack) -> AsyncIterator[Waterhole]:
    """Return the API's client, with the demo user's key."""
    async with Waterhole(stack.url, stack.api_key) as waterhole:
        yield waterhole


@pytest.fixture(scope="package")
async def javascript(browser: Browser) -> AsyncIterator[Javascript]:
    """Return the dashboard's modules, for tests of pure functions. Only the files are served, no API."""
    app = web.Application()
    app.add_routes(DashboardRoutes().routes())
    async with TestServer(app) as server:
        context = await browser.new_context()
        page = await context.new_page()
        # A file of text: the page itself would start the dashboard.
        await page.goto(str(server.make_url("/app/vendor/htm_licence.txt")))
        yield Javascript(page)
        await context.close()


@pytest.fixture(scope="package")
async def waterfalls(browser: Browser) -> AsyncIterator[WaterfallServer]:
    """Serve waterfalls of observations in memory, and a page that shows nothing else."""
    server = WaterfallServer()
    async with TestServer(server.app()) as running:
        server.url = str(running.make_url("/waterfall_page"))
        yield server
