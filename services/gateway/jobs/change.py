"""A change of a job or cadence that its user sees."""

from dataclasses import dataclass

from services.gateway.jobs.model import OPEN_STATUSES


@dataclass(frozen=True)
class Change:
    """The last change of a job or cadence: its number (`revision`), and what is needed to find what shows it.

    `status` means nothing if the job was removed. `cadences` are those that use a job and may be open; `uses` is how
    many cadences have ever used it.
    """

    job_id: str
    user_id: str
    revision: int
    status: str
    is_removed: bool = False
    is_cadence: bool = False
    cadences: frozenset[str] = frozenset()
    uses: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether the job has ended or was removed."""
        return self.is_removed or self.status not in OPEN_STATUSES
