"""The query parameters of a list of jobs or cadences, and the headers that lead to its next page."""

from collections.abc import Mapping
from urllib.parse import urlencode

from services.gateway.jobs.errors import BadPageError
from services.gateway.jobs.model import Followed
from services.gateway.jobs.paging import DEFAULT_JOBS, MAX_JOBS, STATUSES, Cursor, Page

CURSOR_HEADER = "X-Next-Cursor"


def page_of(query: Mapping[str, str]) -> Page:
    """Return the page that the parameters `limit`, `status` and `cursor` ask for.

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
    return Page(int(raw), status, after)


def next_page_headers(path: str, page: Page, last: Followed) -> dict[str, str]:
    """Return the headers that name the page after `last`, the last entry of this page of the list at `path`."""
    cursor = str(Cursor.at(last))
    query = {"limit": str(page.limit), **({"status": page.status} if page.status else {}), "cursor": cursor}
    return {CURSOR_HEADER: cursor, "Link": f'<{path}?{urlencode(query)}>; rel="next"'}
