"""Pages of a list: a cursor names the last job of a page, so that new jobs never shift what comes next."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlencode

from services.gateway.api.errors import ApiError
from services.gateway.domain import Job, Status

DEFAULT_JOBS = 50
MAX_JOBS = 100
CURSOR_HEADER = "X-Next-Cursor"
STATUSES: tuple[Status, ...] = get_args(Status)
_CURSOR = re.compile(r"([0-9]{1,15}):([0-9a-f-]{1,64})")


@dataclass(frozen=True)
class Cursor:
    """A place in a list that is ordered by time of submission, then by id."""

    submitted_ms: int
    job_id: str

    @classmethod
    def at(cls, job: Job) -> "Cursor":
        """The place of a job."""
        return cls(job.submitted_ms, job.job_id)

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read what `str` wrote.

        Raises:
            ValueError: it did not.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        except (binascii.Error, UnicodeError) as error:
            raise ValueError("not a cursor") from error
        found = _CURSOR.fullmatch(raw)
        if found is None:
            raise ValueError("not a cursor")
        return cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(f"{self.submitted_ms}:{self.job_id}".encode()).decode().rstrip("=")


@dataclass(frozen=True)
class Page:
    """Which jobs of a list are asked for."""

    limit: int = DEFAULT_JOBS
    status: Status | None = None
    after: Cursor | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Page":
        """What the parameters of a URL ask for.

        Raises:
            ApiError: 400, one of them is not valid.
        """
        raw = query.get("limit", str(DEFAULT_JOBS))
        # No more digits than any number that makes sense has: `int` takes its time for thousands.
        if not (raw.isascii() and raw.isdigit() and len(raw) <= 9 and int(raw) >= 1):
            raise ApiError(400, "invalid_limit", "The parameter limit must be a whole number from 1 to 100.")
        status = next((one for one in STATUSES if one == query.get("status")), None)
        if status is None and "status" in query:
            raise ApiError(400, "invalid_status", f"The parameter status must be one of {', '.join(STATUSES)}.")
        try:
            after = Cursor.parse(query["cursor"]) if "cursor" in query else None
        except ValueError as error:
            raise ApiError(
                400, "invalid_cursor", f"The parameter cursor must be one that came with {CURSOR_HEADER}."
            ) from error
        return cls(min(int(raw), MAX_JOBS), status, after)

    def headers_before(self, last: Job) -> dict[str, str]:
        """The headers that name the page that follows after its last job."""
        cursor = str(Cursor.at(last))
        query = {"limit": str(self.limit), **({"status": self.status} if self.status else {}), "cursor": cursor}
        return {CURSOR_HEADER: cursor, "Link": f'</jobs?{urlencode(query)}>; rel="next"'}
