"""The query parameters of a list of jobs or cadences, and the headers that state its length and its next page."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from services.gateway.jobs.errors import BadPageError
from services.gateway.jobs.model import Followed
from services.gateway.jobs.paging import DEFAULT_JOBS, MAX_JOBS, MAX_TEXT, STATUSES, Cursor, Page

CURSOR_HEADER = "X-Next-Cursor"
TOTAL_HEADER = "X-Total-Count"

EntryT = TypeVar("EntryT", bound=Followed, covariant=True)


class Listing(Protocol[EntryT]):
    """A store with a list of each user."""

    async def list_recent(self, user_id: str, page: Page) -> Sequence[EntryT]:
        """Return a page of a user's list, most recent first."""

    async def count(self, user_id: str, page: Page) -> int:
        """Return how many entries all pages of a user's list have."""


def page_of(query: Mapping[str, str]) -> Page:
    """Return the page that the parameters `limit`, `status`, `q` and `cursor` ask for.

    Raises
    ------
    BadPageError
        One of them is not valid.
    """
    raw = query.get("limit", str(DEFAULT_JOBS))
    # At most nine digits: `int` is slow for thousands of them.
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 9 and 1 <= int(raw) <= MAX_JOBS):
        raise BadPageError("limit")
    status = next((one for one in STATUSES if one == query.get("status")), None)
    if status is None and "status" in query:
        raise BadPageError("status")
    try:
        after = Cursor.parse(query["cursor"]) if "cursor" in query else None
    except ValueError as error:
        raise BadPageError("cursor") from error
    text = query.get("q", "")
    if len(text) > MAX_TEXT or any(unicodedata.category(one) in {"Cc", "Cs"} for one in text):
        raise BadPageError("q")
    return Page(int(raw), status, after, text)


async def read_page(store: Listing[EntryT], path: str, user_id: str, page: Page) -> tuple[list[EntryT], dict[str, str]]:
    """Return a page of a user's list at `path`, and the headers that state the list's length and its next page.

    Raises
    ------
    TransientError
        MongoDB is unavailable.
    """
    # One more entry than the page shows reveals whether there is another page.
    found = await store.list_recent(user_id, replace(page, limit=page.limit + 1))
    shown = list(found[: page.limit])
    is_all = page.after is None and len(found) == len(shown)
    total = len(shown) if is_all else await store.count(user_id, page)
    headers = next_page_headers(path, page, shown[-1]) if len(found) > len(shown) else {}
    return shown, {TOTAL_HEADER: str(total), **headers}


def next_page_headers(path: str, page: Page, last: Followed) -> dict[str, str]:
    """Return the headers that name the page after `last`, the last entry of this page of the list at `path`."""
    cursor = str(Cursor.at(last))
    query = {"limit": str(page.limit), "status": page.status, "q": page.text, "cursor": cursor}
    given = {name: value for name, value in query.items() if value}
    return {CURSOR_HEADER: cursor, "Link": f'<{path}?{urlencode(given)}>; rel="next"'}
