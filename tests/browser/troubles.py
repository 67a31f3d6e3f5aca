"""What goes wrong in a page while a test uses it: errors in its console, errors of its scripts, failed requests."""

import re
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Response

# The browser says this of each answer from 400 on; `Troubles` names path and status instead.
_OF_RESPONSES = "Failed to load resource"
# A page that is left, a request that the page gave up, or an interface of the machine that came or went: the browser
# then ends all requests, even those to the machine itself.
_GIVEN_UP = ("net::ERR_ABORTED", "net::ERR_NETWORK_CHANGED")


class Troubles:
    """Collects the troubles of all pages of a test, without those that the test expects."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._expected: list[re.Pattern[str]] = []

    def expect(self, pattern: str) -> None:
        """Let troubles that match a pattern happen, such as `GET /jobs/x: 404`."""
        self._expected.append(re.compile(pattern))

    def watch(self, context: BrowserContext) -> None:
        """Collect the troubles of all pages of a context."""
        context.on("page", self._watch_page)
        context.on("response", self._on_response)
        context.on("requestfailed", self._on_failed)

    @property
    def unexpected(self) -> list[str]:
        """The troubles that no pattern matches."""
        return [one for one in self.found if not any(pattern.search(one) for pattern in self._expected)]

    def _watch_page(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.found.append(f"page error: {error}"))
        page.on("crash", lambda _: self.found.append("the page crashed"))

    def _on_console(self, message: ConsoleMessage) -> None:
        # Violations of the Content-Security-Policy are errors of the console, too.
        if message.type in ("error", "warning") and not message.text.startswith(_OF_RESPONSES):
            self.found.append(f"console {message.type}: {message.text}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.found.append(f"{_name(response.request)}: {response.status}")

    def _on_failed(self, request: Request) -> None:
        if request.failure not in _GIVEN_UP:
            self.found.append(f"{_name(request)}: {request.failure}")


def _name(request: Request) -> str:
    return f"{request.method} {urlsplit(request.url).path}"
