"""Users see their own jobs only."""

from services.gateway.jobs.errors import JobOfAnotherUserError, UnknownJobError
from services.gateway.jobs.model import Job
from services.gateway.jobs.ports import JobStore


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
