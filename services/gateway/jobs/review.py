"""Reviews: the catalogues of a job or cadence with the verdicts of its user, which export writes on request.

A revision names one state of verdicts and results. A job has one review, that of the revision that was asked for last:
its event is in an outbox until export has answered, as the first event of a job is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.gateway.jobs.cadence import Cadence
from services.gateway.jobs.errors import UnknownJobError
from services.gateway.jobs.model import Failure, Job
from services.gateway.jobs.outbox import EventOutbox
from services.gateway.jobs.ports import DueEvents, JobStore, ResultsBucket
from services.gateway.jobs.removal import delete_all
from services.gateway.jobs.verdict import GivenVerdict, Kind, VerdictStore
from shared.event import Event
from shared.formats import EVENTS_JSON, JSON
from shared.object_keys import artefact_key, reviewed_prefix, reviews_prefix, verdicts_key
from shared.review_events import CadenceReviewed, ObservationReviewed
from shared.verdicts import NumberedVerdict, VerdictsDocument

PRODUCER = "gateway"


@dataclass(frozen=True)
class Review:
    """The catalogues of a job with one revision of verdicts; `formats` are those that are there, none until they are.

    `failure` says why there will be none.
    """

    job_id: str
    kind: Kind
    revision: str
    formats: tuple[str, ...] = ()
    failure: Failure | None = None


class ReviewStore(DueEvents, Protocol):
    """The review of each job and cadence, and its event. Every method raises `TransientError` if MongoDB is away."""

    async def get(self, job_id: str) -> Review | None:
        """Return the review of a job or cadence, or None."""

    async def ask(self, review: Review, topic: str, event: str, *, due_ms: int) -> bool:
        """Store a new revision in place of another one, with its event (JSON), as published and due at `due_ms`.

        Return False if the revision is stored already.
        """

    async def record_exported(self, job_id: str, revision: str, formats: Sequence[str]) -> bool:
        """Store which catalogues are there, and that the event is not due any more. Return False if none is asked."""

    async def record_failed(self, job_id: str, failure: Failure) -> bool:
        """Store that there will be no catalogues. Return False if none are waited for."""

    async def delete_of_job(self, job_id: str) -> None:
        """Delete the review of a job or cadence, if there is one."""


class Reviews:
    """Asks export for catalogues with verdicts."""

    def __init__(
        self,
        reviews: ReviewStore,
        *,
        verdicts: VerdictStore,
        jobs: JobStore,
        results: ResultsBucket,
        outbox: EventOutbox,
    ) -> None:
        self._reviews = reviews
        self._verdicts = verdicts
        self._jobs = jobs
        self._results = results
        self._outbox = outbox

    async def of_job(self, job: Job) -> Review:
        """Return the review with the present verdicts of a complete job; ask for it if it is not there.

        Raises
        ------
        UnknownJobError
            The job has just been removed.
        TransientError
            MongoDB or S3 is unavailable.
        """
        document = await self._document(job, JSON.name)
        upload = await self._jobs.upload_of(job.job_id)
        if upload is None:
            raise UnknownJobError

        def event(revision: str) -> Event:
            return ObservationReviewed.make(
                job_id=job.job_id,
                producer=PRODUCER,
                step=revision,
                revision=revision,
                verdicts_key=verdicts_key(job.job_id, revision),
                upload=upload,
                results_key=job.results_key or artefact_key(job.job_id, JSON.filename),
            )

        return await self._asked(job.job_id, "job", document, event)

    async def of_cadence(self, cadence: Cadence) -> Review:
        """Return the review with the present verdicts of a complete cadence; ask for it if it is not there.

        Raises
        ------
        TransientError
            MongoDB or S3 is unavailable.
        """

        def event(revision: str) -> Event:
            return CadenceReviewed.make(
                job_id=cadence.job_id,
                producer=PRODUCER,
                step=revision,
                revision=revision,
                verdicts_key=verdicts_key(cadence.job_id, revision),
                events_key=cadence.results_key or artefact_key(cadence.job_id, EVENTS_JSON.filename),
            )

        return await self._asked(cadence.job_id, "cadence", await self._document(cadence, EVENTS_JSON.name), event)

    async def _document(self, of: Job | Cadence, results_format: str) -> VerdictsDocument:
        results = of.artefact(results_format)
        given = await self._verdicts.of_job(of.user_id, of.job_id)
        return VerdictsDocument(
            job_id=of.job_id,
            results_sha256=results.sha256 if results is not None else "",
            verdicts=tuple(map(_numbered, given)),
        )

    async def _asked(
        self, job_id: str, kind: Kind, document: VerdictsDocument, event_of: Callable[[str], Event]
    ) -> Review:
        """Return the review of these verdicts; start it unless it is the one that was asked for last."""
        revision, before = document.revision, await self._reviews.get(job_id)
        if before is not None and before.revision == revision:
            return before
        review, event = Review(job_id, kind, revision), event_of(revision)
        await self._results.put(verdicts_key(job_id, revision), document.to_bytes(), "application/json")

        async def store(raw: str, due_ms: int) -> bool:
            return await self._reviews.ask(review, event.topic, raw, due_ms=due_ms)

        if await self._outbox.send(event, store):
            await self._delete_old(job_id, {revision, *([before.revision] if before is not None else [])})
        return review

    async def _delete_old(self, job_id: str, kept: set[str]) -> None:
        """Delete the catalogues of earlier revisions. URLs of the one before this may still be in use."""
        keys = await self._results.list_keys(reviews_prefix(job_id))
        prefixes = tuple(reviewed_prefix(job_id, revision) for revision in kept)
        await delete_all(self._results, [key for key in keys if not key.startswith(prefixes)])


def _numbered(given: GivenVerdict) -> NumberedVerdict:
    return NumberedVerdict(number=given.number, verdict=given.verdict, note=given.note)
