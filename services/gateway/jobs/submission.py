"""The submission of a job: started within its user's limits, stored with its event, published."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from services.gateway.accounts.model import User
from services.gateway.jobs.idempotency import RequestKey
from services.gateway.jobs.model import Job
from services.gateway.jobs.outbox import Outbox
from services.gateway.jobs.starts import Place, Starts
from shared.events import Event, ObservationSubmitted, SearchParameters, Upload

logger = structlog.get_logger(__name__)

PRODUCER = "gateway"


@dataclass(frozen=True)
class NewJob:
    """The job that a user requests."""

    file_key: str
    filename: str
    source_name: str
    file_size: int
    etag: str | None
    parameters: SearchParameters
    sha256: str | None = None


class Submissions:
    """Starts jobs."""

    def __init__(self, starts: Starts, outbox: Outbox) -> None:
        self._starts = starts
        self._outbox = outbox

    async def repeated(self, key: RequestKey) -> str | None:
        """Return the id of the job that an earlier request with this key started, or None; see `Starts.repeated`."""
        return await self._starts.repeated(key)

    async def start(self, user: User, new: NewJob, key: RequestKey | None) -> str:
        """Start a job, or find the one that the same request started before. Return its id; see `Starts.start`."""

        async def store(place: Place) -> bool:
            job = Job(
                job_id=place.job_id,
                user_id=user.user_id,
                file_key=new.file_key,
                filename=new.filename,
                source_name=new.source_name,
                file_size=new.file_size,
                etag=new.etag,
                submitted_ms=place.now_ms,
                expires_at=place.expires_at,
                slot_ms=place.slot_ms,
                parameters=new.parameters,
            )
            is_first = await self._outbox.submit(job, _submitted(job, new, place))
            if is_first:
                logger.info("job accepted", job_id=place.job_id, file_size=new.file_size)
            return is_first

        return await self._starts.start(user, key, store)


def _submitted(job: Job, new: NewJob, place: Place) -> Event:
    upload = Upload(
        file_key=job.file_key,
        file_name=job.filename,
        file_size=job.file_size,
        source_name=job.source_name,
        etag=job.etag,
        sha256=new.sha256,
        submitted_at=datetime.fromtimestamp(job.submitted_ms / 1000, UTC),
    )
    return ObservationSubmitted.make(
        job_id=job.job_id,
        producer=PRODUCER,
        upload=upload,
        parameters=new.parameters,
        limits=place.tier.job_limits,
    )
