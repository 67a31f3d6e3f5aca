"""Users see their own jobs and cadences only."""

from services.gateway.jobs.cadence import Cadence
from services.gateway.jobs.errors import (
    CadenceOfAnotherUserError,
    JobOfAnotherUserError,
    UnknownCadenceError,
    UnknownJobError,
)
from services.gateway.jobs.model import Job
from services.gateway.jobs.ports import CadenceStore, JobStore


async def own_job(jobs: JobStore, job_id: str, user_id: str) -> Job:
    """Return a user's job.

    Raises
    ------
    UnknownJobError
        No job has this id, or it was removed.
    JobOfAnotherUserError
        The job belongs to a different user.
    TransientError
        MongoDB is unavailable.
    """
    job = await jobs.get(job_id)
    if job is None:
        raise UnknownJobError
    if job.user_id != user_id:
        raise JobOfAnotherUserError
    return job


async def own_cadence(cadences: CadenceStore, cadence_id: str, user_id: str) -> Cadence:
    """Return a user's cadence.

    Raises
    ------
    UnknownCadenceError
        No cadence has this id, or it was removed.
    CadenceOfAnotherUserError
        The cadence belongs to a different user.
    TransientError
        MongoDB is unavailable.
    """
    cadence = await cadences.get(cadence_id)
    if cadence is None:
        raise UnknownCadenceError
    if cadence.user_id != user_id:
        raise CadenceOfAnotherUserError
    return cadence
