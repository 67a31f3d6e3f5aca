"""Pages of a list of jobs or cadences.

A cursor names the last job of a page, so that new jobs do not shift the next page.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import get_args

from services.gateway.jobs.model import Followed, Status

DEFAULT_JOBS = 50
MAX_JOBS = 100
MAX_TEXT = 100
STATUSES: tuple[Status, ...] = get_args(Status)
_CURSOR = re.compile(r"([0-9]{1,15}):([0-9a-f-]{1,64})")


@dataclass(frozen=True)
class Cursor:
    """A position in a list that is ordered by submission time, then by id."""

    submitted_ms: int
    job_id: str

    @classmethod
    def at(cls, job: Followed) -> "Cursor":
        """Return the position of a job or cadence."""
        return cls(job.submitted_ms, job.job_id)

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Parse the text that `str` returns.

        Raises
        ------
        ValueError
            The text is not a cursor.
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
    """Which entries of a list to return: at most `limit`, of one status or of all, and only those after a cursor.

    With a `text`, only entries with a file name or source name that contains it, in upper or lower case.
    """

    limit: int = DEFAULT_JOBS
    status: Status | None = None
    after: Cursor | None = None
    text: str = ""
