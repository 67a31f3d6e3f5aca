"""A job's plan, kept in the results bucket: a job that is submitted again is cut as it was the first time.

Settings of ingest, or its version, may have changed in between. The chunks that are searched already fit the plan that
the job was begun with, and no other. A plan with chunks beyond today's limit is given up all the same (see `handlers`).
"""

from typing import Literal, Protocol

import structlog
from pydantic import ValidationError

from shared.blobs import artefact_key
from shared.errors import ObjectNotFoundError
from shared.events import ChunkPlan, Record

logger = structlog.get_logger(__name__)


class ResultsStore(Protocol):
    """What is needed of the results bucket."""

    async def get(self, key: str) -> bytes:
        """The whole object."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write an object, whole."""


class PlanFile(Record):
    """What the object holds. A reader of another version does not know what the plan would mean."""

    version: Literal[1]
    plan: ChunkPlan


def plan_key(job_id: str) -> str:
    """Key of the object that holds a job's plan."""
    return artefact_key(job_id, "plan.json")


class KeptPlans:
    """The plans of jobs.

    Not every S3 server can refuse to write over an object, so a plan is looked for, written, and read back. Two ingests
    that plan one job at the same moment, by different settings, may still announce chunks of two plans. That costs work
    done twice and nothing else: the job is finished with the chunks of one plan alone (see `services.classify`), and
    the next time that it is submitted both obey what is kept.
    """

    def __init__(self, results: ResultsStore) -> None:
        self._results = results

    async def find(self, job_id: str, n_channels: int) -> ChunkPlan | None:
        """The plan that a job goes by; None where there is none for an observation of so many channels.

        One that can't be read, as another version of ingest wrote it, counts as none: the job is cut anew, and chunks
        that don't fit are searched again. To fail the job would help nobody, since nothing is wrong with it.

        Raises:
            TransientError: storage is out of reach.
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
            # The upload is another one by now: its URL lets the user write it over for an hour.
            logger.warning("kept plan does not fit", planned=plan.n_channels, n_channels=n_channels)
            return None
        return plan

    async def keep(self, job_id: str, plan: ChunkPlan) -> ChunkPlan:
        """Keep a job's new plan; returns the one to go by, which is another where somebody else was quicker.

        Raises:
            TransientError: storage is out of reach.
        """
        body = PlanFile(version=1, plan=plan).model_dump_json().encode()
        await self._results.put(plan_key(job_id), body, "application/json")
        return await self.find(job_id, plan.n_channels) or plan
