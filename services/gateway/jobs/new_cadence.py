"""The cadence that a user requests, and what its scans must be to make one."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.gateway.jobs.errors import BadCadenceError
from shared.cadence import CadenceParameters, Role
from shared.events import SearchParameters


@dataclass(frozen=True)
class NewScan:
    """A scan that a user requests: a file for which a job is started, or a job that is there, with its file.

    Of a job that is there, `job_id` is its id and `submitted_ms` when it was accepted, unix ms.
    """

    file_key: str
    filename: str
    source_name: str
    file_size: int
    etag: str | None
    sha256: str | None
    role: Role | None
    job_id: str | None = None
    submitted_ms: int | None = None


@dataclass(frozen=True)
class NewCadence:
    """The cadence that a user requests. `search` are the parameters of the jobs that it starts."""

    name: str
    scans: tuple[NewScan, ...]
    parameters: CadenceParameters
    search: SearchParameters

    @property
    def files(self) -> int:
        """How many jobs it starts."""
        return sum(scan.job_id is None for scan in self.scans)


def require_roles(roles: Sequence[Role | None], min_on_scans: int | None) -> None:
    """Raise unless some scan may be ON, and as many may be as an event must be present in.

    Raises
    ------
    BadCadenceError
        The message says what to change.
    """
    may_be_on = sum(role != "off" for role in roles)
    if not may_be_on:
        raise BadCadenceError("no_on_scan", "All scans are OFF: give at least one scan the role on, or no role.")
    if min_on_scans is not None and min_on_scans > may_be_on:
        message = (
            f"The field 'parameters.min_on_scans' is not valid: an event must be present in {min_on_scans} ON scans, "
            f"and only {may_be_on} of the {len(roles)} scans may be ON."
        )
        raise BadCadenceError("invalid_field", message)


def require_different(scans: Sequence[NewScan]) -> None:
    """Raise if two scans are one file or one job.

    Raises
    ------
    BadCadenceError
        The message names the scans.
    """
    for number, scan in enumerate(scans, 1):
        for earlier_number, earlier in enumerate(scans[: number - 1], 1):
            if scan.file_key == earlier.file_key:
                what = "job" if scan.job_id is not None and scan.job_id == earlier.job_id else "file"
                message = (
                    f"Scans {earlier_number} and {number} are the same {what} ({scan.filename}): leave one of them out."
                )
                raise BadCadenceError("duplicate_scan", message)
