"""The plan of a job, stored in the results bucket, so that a job that is submitted again has the same chunks.

The settings or the version of ingest may change between two submissions, and chunks that are already searched fit only
the plan that the job started with. A plan whose chunks exceed the present limit is replaced (see `handlers`).
"""

from typing import Literal, Protocol

import structlog
from pydantic import ValidationError

from shared.errors import ObjectNotFoundError
from shared.events import ChunkPlan, Record
from shared.object_keys import artefact_key

logger = structlog.get_logger(__name__)


class ResultsStore(Protocol):
    """The part of the results bucket that plans need."""

    async def get(self, key: str) -> bytes:
        """Return the whole object."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write a whole object."""


class PlanFile(Record):
    """Content of the object. A reader refuses versions that it does not know."""

    version: Literal[1]
    plan: ChunkPlan


def plan_key(job_id: str) -> str:
    """Return the key of the object that holds a job's plan."""
    return artefact_key(job_id, "plan.json")


class KeptPlans:
    """The stored plans of jobs.

    Not every S3 server can refuse to overwrite an object, so a plan is looked up, written and read back. Two ingest
    processes that plan one job at the same moment, with different settings, may still announce chunks of two plans.
    That costs some work done twice and changes no result: classify finishes the job with the chunks of one plan alone,
    and the next submission uses the stored plan.
    """

    def __init__(self, results: ResultsStore) -> None:
        self._results = results

    async def find(self, job_id: str, n_channels: int) -> ChunkPlan | None:
        """Return the stored plan of a job with `n_channels` channels, or None if there is none.

        A plan that can't be read, such as one of another version, counts as none: the job is planned again, and chunks
        that don't fit are searched again. The job itself is sound, so it does not fail.

        Raises
        ------
        TransientError
            Storage is unavailable.
        """
        try:
            raw = await self._results.get(plan_key(job_id))
        except ObjectNotFoundError:
            return None
        try:
            plan = PlanFile.model_validate_json(raw).plan
        except ValidationError as error:
            logger.warning("kept plan not readable", errors=error.error_count())
            return None
        if plan.n_channels != n_channels:
            # An early version did not notice that the upload was replaced before the job was submitted again.
            logger.warning("kept plan does not fit", planned=plan.n_channels, n_channels=n_channels)
            return None
        return plan

    async def keep(self, job_id: str, plan: ChunkPlan) -> ChunkPlan:
        """Store the new plan of a job and return the one that is stored, which may be that of another process.

        Raises
        ------
        TransientError
            Storage is unavailable.
        """
        body = PlanFile(version=1, plan=plan).model_dump_json().encode()
        await self._results.put(plan_key(job_id), body, "application/json")
        return await self.find(job_id, plan.n_channels) or plan
