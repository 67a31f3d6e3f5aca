"""What jobs need from the database, the object store and the bus.

Every method raises `TransientError` while its server is unavailable.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from services.gateway.jobs.cadence import Cadence, ClassifiedScan, ScanJob
from services.gateway.jobs.change import Change
from services.gateway.jobs.idempotency import RequestKey
from services.gateway.jobs.limits import Limit, PruningTurn, Slot
from services.gateway.jobs.model import (
    DueEvent,
    Failure,
    Job,
    ListedJob,
    Progress,
    RemovedJob,
    Reopening,
    StartedJob,
)
from services.gateway.jobs.paging import Page
from services.gateway.jobs.report import Report
from services.gateway.jobs.stored_upload import StoredUpload, UploadLimit, UploadUsage
from services.gateway.jobs.upload_record import UploadRecord
from shared.blobs import OpenMultipart, StoredObject, StoredPart, UploadedPart
from shared.cadence import CadenceSummary
from shared.content import Content
from shared.events import Artefact, ResultsSummary, Upload
from shared.header import Header


class DueEvents(Protocol):
    """Events that are stored until they are answered."""

    async def due_events(self, now_ms: int, limit: int) -> Sequence[DueEvent]:
        """Return due events, most overdue first."""

    async def claim(self, due: DueEvent, *, until_ms: int) -> bool:
        """Postpone a due event to `until_ms`. Return False if another process or a worker's event changed it first."""

    async def mark_published(self, job_id: str, *, due_ms: int) -> None:
        """Count a publication. The next one is due at `due_ms` if there is no news of the job."""

    async def mark_unpublished(self, job_id: str, *, due_ms: int) -> None:
        """Undo the first publication of a new job, unless another process has published it since."""


class JobStore(DueEvents, Protocol):
    """The jobs that users see, their events in the outbox, and what is left of removed jobs.

    A cadence has an id like a job's. Methods that take an id, and those of outbox, expiry and purge, are for cadences
    too, unless `CadenceStore` has its own.
    """

    async def insert(self, job: Job, event: str, *, due_ms: int) -> bool:
        """Store a new job with its submitted event (JSON) in one write, as published and due again at `due_ms`.

        Return False if a job of this id exists or existed.
        """

    async def prevent_insert(self, job_id: str, user_id: str, *, now_ms: int) -> bool:
        """Block a pending insert of this job for good. Return False if the job is stored already."""

    async def get(self, job_id: str) -> Job | None:
        """Return the job, or None."""

    async def some(self, job_ids: Sequence[str]) -> Sequence[Job]:
        """Return those of the jobs that exist."""

    async def upload_of(self, job_id: str) -> Upload | None:
        """Return the upload of a job, as the event that started it says, or None if there is no job."""

    async def list_recent(self, user_id: str, page: Page) -> Sequence[Job]:
        """Return a page of a user's jobs, most recent first."""

    async def count(self, user_id: str, page: Page) -> int:
        """Return how many jobs all pages of a user's list have."""

    async def list_all(self, user_id: str) -> Sequence[ListedJob]:
        """Return all jobs that the user sees, oldest first."""

    async def started(self, job_ids: Sequence[str]) -> Mapping[str, StartedJob]:
        """Return those of the jobs that were ever started, removed ones included."""

    async def files_in_use(self, file_keys: Sequence[str]) -> set[str]:
        """Return those of the uploads that some job analyzes."""

    async def files_of_removed(self, file_keys: Sequence[str]) -> set[str]:
        """Return those of the uploads that a job analyzed which was removed since, for as long as it is known."""

    async def record_progress(self, job_id: str, progress: Progress, *, due_ms: int) -> bool:
        """Store progress that is further than before; postpone the next publication. Return whether the job exists."""

    async def record_classified(
        self,
        job_id: str,
        results: ResultsSummary,
        *,
        observation: Header,
        results_key: str,
        completed_at: int,
        due_ms: int,
    ) -> bool:
        """Complete an open job, or keep the results of a failed one in case that it is reopened.

        Its event is due at `due_ms` if no artefacts arrive. Return whether the job exists.
        """

    async def record_exported(self, job_id: str, artefacts: Sequence[Artefact]) -> bool:
        """Store the artefacts, whatever the status. Return whether the job exists."""

    async def record_failed(self, job_id: str, failure: Failure, *, failed_ms: int) -> bool:
        """Fail an open job, unless it was reopened after `failed_ms`. Return whether the job exists."""

    async def record_reopened(self, job_id: str, reopening: Reopening, *, due_ms: int) -> bool:
        """Move a failed job back to processing, once; complete it if results arrived. Return whether it exists."""

    async def record_export_failed(self, job_id: str, failure: Failure) -> bool:
        """Store that there will be no artefacts, whatever the status. Return whether the job exists."""

    async def expired(self, now_s: int, limit: int) -> Sequence[str]:
        """Return the ids of expired jobs, open ones included."""

    async def remove(self, job_id: str, *, now_ms: int, even_open: bool, uses: int | None = None) -> bool:
        """Hide a job for good; its objects are due to be purged. Return False if the job does not exist (any more).

        With `uses`, the job stays if other than so many cadences have used it.
        """

    async def removed(self, job_id: str) -> RemovedJob | None:
        """Return the job if it was removed, or None."""

    async def due_purges(self, now_ms: int, limit: int) -> Sequence[RemovedJob]:
        """Return removed jobs whose objects are due to be purged."""

    async def postpone_purge(self, job: RemovedJob, *, until_ms: int) -> bool:
        """Purge the objects again at `until_ms`. Return False if another process changed the time first."""

    async def delete_removed(self, job_id: str) -> None:
        """Delete what is left of a removed job."""


class CadenceStore(Protocol):
    """The cadences that users see, and which jobs they use."""

    async def insert(self, cadence: Cadence, *, check_ms: int) -> bool:
        """Store a new cadence, to be checked at `check_ms`. Return False if one of this id exists or existed."""

    async def get(self, cadence_id: str) -> Cadence | None:
        """Return the cadence, or None."""

    async def some(self, cadence_ids: Sequence[str]) -> Sequence[Cadence]:
        """Return those of the cadences that exist."""

    async def list_recent(self, user_id: str, page: Page) -> Sequence[Cadence]:
        """Return a page of a user's cadences, most recent first."""

    async def count(self, user_id: str, page: Page) -> int:
        """Return how many cadences all pages of a user's list have."""

    async def list_all(self, user_id: str) -> Sequence[ListedJob]:
        """Return all cadences that the user sees, oldest first."""

    async def use_jobs(self, cadence_id: str, job_ids: Sequence[str]) -> None:
        """Note at jobs that a cadence uses them. From then on, no pruning that has not seen this removes them."""

    async def release_jobs(self, cadence_id: str, job_ids: Sequence[str]) -> None:
        """Note at jobs that a cadence does not need them any more."""

    async def scan_jobs(self, job_ids: Sequence[str]) -> Mapping[str, ScanJob]:
        """Return the state of those of the jobs that were ever stored."""

    async def mark_started(self, cadence_id: str) -> None:
        """Store that all jobs of new scans are stored."""

    async def mark_processing(self, cadence_id: str) -> None:
        """Move a submitted cadence to processing."""

    async def due_checks(self, now_ms: int, limit: int) -> Sequence[str]:
        """Return cadences that wait for their jobs and are due to be checked, most overdue first."""

    async def postpone_check(self, cadence_id: str, *, until_ms: int) -> None:
        """Check a waiting cadence again at `until_ms`."""

    async def make_ready(self, cadence_id: str, event: str, *, due_ms: int) -> bool:
        """Store the `cadence.ready` event (JSON) of a waiting cadence, as published and due again at `due_ms`.

        Return False if the cadence does not wait (any more).
        """

    async def fail_waiting(self, cadence_id: str, failure: Failure) -> bool:
        """Fail a cadence that waits for its jobs. Return False if it does not wait (any more)."""

    async def record_classified(
        self,
        cadence_id: str,
        scans: Sequence[ClassifiedScan],
        results: CadenceSummary,
        *,
        results_key: str,
        completed_at: int,
        due_ms: int,
    ) -> bool:
        """Complete an open cadence, or keep the results of a failed one; as `JobStore.record_classified`."""

    async def record_exported(self, cadence_id: str, artefacts: Sequence[Artefact]) -> bool:
        """Store the artefacts, whatever the status. Return whether the cadence exists."""

    async def forget_removed(self, cadence_id: str) -> None:
        """Store that a removed cadence has let go of its jobs."""


class Changes(Protocol):
    """The changes of jobs and cadences that users see, by any gateway."""

    async def since(self, at_ms: int) -> Sequence[Change]:
        """Return the last change of each job and cadence that has changed since `at_ms`, by the database's clock."""

    async def cadences_with(self, user_id: str, job_ids: Sequence[str]) -> set[str]:
        """Return those of a user's cadences, ended ones included, that have one of the jobs as a scan."""


class Quotas(Protocol):
    """Usage counters, slots of active jobs, and turns to prune a history, by user."""

    async def take(
        self,
        user_id: str,
        job_id: str,
        *,
        per_month: int,
        at_a_time: int,
        history: int,
        now_ms: int,
        is_repeatable: bool = True,
        files: int | None = None,
    ) -> Slot | Limit:
        """Count a job and give it a slot; a job that has one keeps it. Return the limit if one is reached.

        A cadence counts as many jobs as it starts (`files`).
        """

    async def retake(self, user_id: str, job_id: str, *, now_ms: int) -> None:
        """Give a reopened job a slot, beyond the limit if need be, unless it has one. It is not counted again."""

    async def give_back(self, user_id: str, job_id: str) -> bool:
        """Free the slot of an ended job. Return False if it has none."""

    async def undo(self, user_id: str, job_id: str, taken_ms: int) -> bool:
        """Free the slot, and uncount the job, of a failed start. Return False if the slot has changed since."""

    async def used_this_month(self, user_id: str, now_ms: int) -> int:
        """Return how many jobs the user has started in this calendar month, UTC."""

    def slots(self) -> AsyncIterator[tuple[str, Mapping[str, int]]]:
        """Yield each user with active jobs, and when each of these took its slot, unix ms."""

    async def with_slot(self, user_id: str) -> frozenset[str]:
        """Return the user's jobs and cadences that have a slot."""

    async def max_job_count(self, user_id: str) -> int:
        """Return an upper limit of the number of jobs that the user has."""

    async def begin_pruning(self, user_id: str, *, now_ms: int, until_ms: int) -> bool:
        """Request that the user's history is pruned. Return True if the caller has the turn, until `until_ms`."""

    async def pruning_turn(self, user_id: str, *, until_ms: int) -> PruningTurn | None:
        """Return the state to prune from, or None if the caller's turn is over."""

    async def end_pruning(self, user_id: str, turn: PruningTurn, *, until_ms: int, kept: int) -> bool:
        """Store that `kept` jobs were counted. Return False, and keep the turn, if pruning was requested again."""

    async def abandoned_prunings(self, now_ms: int) -> Sequence[str]:
        """Return users whose pruning began and did not end in time."""


class IdempotencyKeys(Protocol):
    """Which job each idempotency key stands for.

    `find` and `bind` raise `KeyReusedError` if the key was used with another request body.
    """

    async def find(self, key: RequestKey, now_ms: int) -> str | None:
        """Return the job that a key stands for, or None."""

    async def bind(self, key: RequestKey, now_ms: int) -> str:
        """Return the job that a key stands for; bind a new job id if it stands for none."""

    async def delete_expired(self, now_ms: int) -> int:
        """Delete keys older than a day. Return how many."""


class UploadRecords(Protocol):
    """What is remembered of uploads."""

    async def add(self, record: UploadRecord) -> None:
        """Store a new record."""

    async def get(self, file_key: str) -> UploadRecord | None:
        """Return the record of an upload, or None."""

    async def renew(self, file_key: str, asked_ms: int) -> None:
        """Store that an upload's URLs were requested again."""

    async def delete_before(self, asked_ms: int) -> int:
        """Delete the records of uploads requested before `asked_ms`. Return how many."""


class StoredUploads(Protocol):
    """What each user's uploads count for."""

    async def take(
        self, user_id: str, upload: StoredUpload, *, open_limit: int, bytes_limit: int
    ) -> UploadLimit | None:
        """Count a new, open upload. Return the limit, and count nothing, if one is reached."""

    async def all_of(self, user_id: str) -> Sequence[StoredUpload]:
        """Return the user's uploads that are counted."""

    async def change(self, user_id: str, before: StoredUpload | None, after: StoredUpload | None) -> bool:
        """Count an upload differently, begin (`before` is None) or end (`after` is None) to count it.

        Return False, and change nothing, if it is not counted as `before` says.
        """

    async def usage(self, user_id: str) -> UploadUsage:
        """Return how many uploads the user has open, and how many bytes all of them take."""


class Reports(Protocol):
    """What users report about their jobs."""

    async def add(self, report: Report) -> None:
        """Store a new report."""


class Bucket(Protocol):
    """What every bucket can do (see `shared.blobs`)."""

    async def delete(self, key: str) -> None: ...


class ResultsBucket(Bucket, Protocol):
    """The bucket of results."""

    async def get(self, key: str) -> bytes: ...
    async def put(self, key: str, body: bytes, content_type: str = ...) -> None: ...
    async def list_keys(self, prefix: str) -> list[str]: ...
    async def presign_get(self, key: str, *, expires_s: int, filename: str | None = None) -> str: ...


class UploadsBucket(Bucket, Protocol):
    """The bucket of uploads."""

    async def size(self, key: str) -> int | None: ...
    async def content(self, key: str) -> Content | None: ...
    async def presign_put(self, key: str, *, expires_s: int, length: int | None = None) -> str: ...
    async def create_multipart(self, key: str) -> str: ...
    async def presign_part(
        self, key: str, upload_id: str, part_number: int, *, expires_s: int, length: int | None = None
    ) -> str: ...
    async def complete_multipart(self, key: str, upload_id: str, parts: Sequence[UploadedPart]) -> None: ...
    async def abort_multipart(self, key: str, upload_id: str) -> None: ...
    async def copy(self, source: str, key: str) -> None: ...
    async def list_parts(self, key: str, upload_id: str) -> list[StoredPart]: ...
    def list_pages(self, prefix: str) -> AsyncIterator[list[StoredObject]]: ...
    async def list_multiparts(self, prefix: str) -> list[OpenMultipart]: ...


class Bus(Protocol):
    """The publisher of events."""

    async def publish_raw(self, topic: str, key: bytes, value: bytes) -> None:
        """Send a message. Return once the broker has acknowledged it."""
