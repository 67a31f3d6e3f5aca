"""The link of `make up`, the cookie, and a page of another origin that tries to use it, on the whole stack."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from deploy.local.stack import Stack
from services.gateway.settings import Settings
from shared.blobs import open_storage
from tests.browser.troubles import Troubles
from tests.contract.gateway.process import settings_of

# Each attempt returns what it has got; an error of the browser is a failure of the attempt.
ATTACK = """async (target) => {
  const tried = async (path, options) => {
    try {
      const response = await fetch(target + path, { credentials: "include", ...options });
      return `${response.type} ${response.status} ${await response.text()}`;
    } catch (error) {
      return "nothing";
    }
  };
  const post = { method: "POST", body: JSON.stringify({ name: "stolen" }) };
  const opaque = await tried("/session", { mode: "no-cors" });
  const frame = document.createElement("iframe");
  frame.src = target + "/app/";
  const loaded = new Promise((done) => { frame.onload = done; });
  document.body.append(frame);
  await loaded;
  let framed = "nothing";
  try { framed = frame.contentDocument.body.textContent; } catch { /* Another origin: the frame says nothing. */ }
  return {
    session: await tried("/session"),
    jobs: await tried("/jobs"),
    key: await tried("/api-keys", { ...post, mode: "no-cors" }),
    preflighted: await tried("/api-keys", { ...post, headers: { "X-CSRF-Token": "x" } }),
    sign_out: await tried("/session", { method: "DELETE" }),
    opaque,
    framed,
  };
}"""
# From the page itself: the answer of a presigned URL, read in a part.
RANGE = """async (url) => {
  const response = await fetch(url, { headers: { Range: "bytes=2-4" } });
  return [response.status, await response.text(), response.headers.get("Content-Range")];
}"""


@pytest.fixture
async def evil_url() -> AsyncIterator[str]:
    """Serve a page of another origin on the same host: browsers send it the host's cookies, whatever the port."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Evil</title><body></body>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def test_the_link_signs_in_and_no_other_page_uses_the_session(
    page: Page, stack: Stack, troubles: Troubles, evil_url: str
) -> None:
    link = await stack.sign_in_link()
    await page.goto(link)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    assert page.url == f"{stack.url}/app/"
    (cookie,) = await page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("waterhole_session", True, "Lax")
    assert await page.evaluate("document.cookie") == ""
    await page.evaluate("fetch('/usage').then((answer) => answer.json())")

    settings = settings_of(Settings, stack.environment)
    async with open_storage(settings) as storage:
        await storage.results.put("tests/session", b"0123456789")
        url = await storage.results.presign_get("tests/session", expires_s=60)
    assert await page.evaluate(RANGE, url) == [206, "234", "bytes 2-4/10"]

    evil = await page.context.new_page()
    troubles.expect("console error|403|ERR_FAILED|ERR_BLOCKED_BY_RESPONSE|favicon")
    await evil.goto(evil_url)
    got = await evil.evaluate(ATTACK, stack.url)
    assert got.pop("opaque") in ("nothing", "opaque 0 ")
    assert got.pop("key") in ("nothing", "opaque 0 ")
    assert got == dict.fromkeys(got, "nothing")
    assert len(got) == 5
    await evil.close()

    keys = await page.evaluate("fetch('/api-keys').then((answer) => answer.json())")
    assert "stolen" not in [key["name"] for key in keys["keys"]]
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    # The cookie is of no use any more, even to somebody who has kept it.
    await page.context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": stack.url}])
    answer = await page.request.get(f"{stack.url}/jobs")
    assert (answer.status, (await answer.json())["error"]["code"]) == (403, "session_ended")
    await page.goto(f"{stack.url}/app/help")
    await page.goto(link)
    await expect(page.get_by_role("alert")).to_be_visible()
