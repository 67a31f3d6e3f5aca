"""The job store, the outbox and the worker events on a server that speaks MongoDB's protocol."""

import asyncio
import os
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.gateway.accounts import create_user, issue_key
from services.gateway.domain import Failure, Job, Progress, hash_api_key, render_job
from services.gateway.outbox import Outbox
from services.gateway.settings import Settings
from services.gateway.store import Store, open_store
from services.gateway.worker_events import WorkerEvents
from shared.errors import PermanentError, TransientError
from shared.events import (
    Artefact,
    Event,
    JobFailed,
    JobProgress,
    ObservationClassified,
    ObservationExported,
    ObservationSubmitted,
    ResultsSummary,
    SearchParameters,
    TopCandidate,
    Upload,
)
from shared.header import Header

PEPPER = "a pepper of some length"
T0_MS = 1_712_444_400_000
OTHER = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
async def mongodb_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server of its own for this file."""
    home = tmp_path_factory.mktemp("mongodb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("nx-27017")
    arguments = ("--host", "127.0.0.1", "--port", str(port), "--data-dir", str(home))
    arguments += ("--log-file", os.devnull, "--pid-file", str(home / "pid"))
    quiet = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
    process = await asyncio.create_subprocess_exec(str(program), *arguments, **quiet)
    try:
        yield f"mongodb://127.0.0.1:{port}/?directConnection=true"
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


def settings_for(url: str, database: str) -> Settings:
    return Settings(mongodb_url=url, mongodb_database=database, mongodb_timeout_s=30, api_key_pepper=PEPPER)


@pytest.fixture
async def store(mongodb_url: str) -> AsyncIterator[Store]:
    """An empty database on that server."""
    async with open_store(settings_for(mongodb_url, f"test_{uuid.uuid4().hex[:8]}")) as store:
        yield store


class Bus:
    """Keeps what is published; can be away."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_away = False
        self.used = asyncio.Event()

    async def publish(self, event: Event) -> None:
        if self.is_away:
            raise TransientError("The bus is away.")
        self.events.append(event)
        self.used.set()


class Clock:
    def __init__(self) -> None:
        self.ms = T0_MS

    def __call__(self) -> int:
        return self.ms

    def advance(self, seconds: float) -> None:
        self.ms += round(1000 * seconds)


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(store: Store, bus: Bus, clock: Clock) -> Outbox:
    return Outbox(store.jobs, bus, settings_for("mongodb://unused", "unused"), now_ms=clock)


@pytest.fixture
def worker_events(store: Store, clock: Clock) -> WorkerEvents:
    return WorkerEvents(store.jobs, now_ms=clock, silence_s=60.0)


def a_job(user_id: str = "u1", submitted_ms: int = T0_MS) -> Job:
    return Job(
        job_id=str(uuid.uuid4()),
        user_id=user_id,
        file_key=f"uploads/{user_id}/x/Voyager1.fil",
        filename="Voyager1.fil",
        source_name="Voyager 1 — né",
        file_size=5_000_000_000,
        submitted_ms=submitted_ms,
    )


UPLOAD = Upload(
    file_key="uploads/u1/x/Voyager1.fil",
    file_name="Voyager1.fil",
    file_size=5_000_000_000,
    source_name="Voyager 1",
    submitted_at=datetime.fromtimestamp(T0_MS / 1000, UTC),
)


def submitted(job: Job) -> Event:
    return ObservationSubmitted.make(
        job_id=job.job_id, producer="gateway", upload=UPLOAD, parameters=SearchParameters()
    )


CANDIDATE = TopCandidate(
    frequency_hz=8419319368.432999,
    drift_rate=-0.39796596,
    snr=126.25,
    classification="NARROWBAND_DRIFTING",
    interestingness=0.82,
    rfi_source="",
    source="width_ladder",
)
SUMMARY = ResultsSummary(
    raw_hits=543,
    filtered_hits=163,
    candidates=2,
    processing_time_seconds=28.4,
    top_candidates=(CANDIDATE, CANDIDATE.model_copy(update={"snr": 1e-12})),
)
HEADER = Header.model_construct()


def classified(job_id: str, occurred_s: int = T0_MS // 1000 + 30) -> Event:
    return ObservationClassified.model_construct(
        event_id=uuid.uuid4(),
        job_id=job_id,
        occurred_at=datetime.fromtimestamp(occurred_s, UTC),
        producer="classify",
        upload=UPLOAD,
        parameters=SearchParameters(),
        header=HEADER,
        chunk_count=1,
        results_key=f"jobs/{job_id}/results.json",
        summary=SUMMARY,
    )


def exported(job_id: str) -> Event:
    names = {"csv": "catalog.csv", "fits": "catalog.fits"}
    artefacts = tuple(
        Artefact(format=name, key=f"jobs/{job_id}/{file}", filename=file, content_type="x", size=7, sha256="0" * 64)
        for name, file in names.items()
    )
    return ObservationExported.make(job_id=job_id, producer="export", artefacts=artefacts)


def progress(job_id: str, stage: str, done: int, total: int) -> Event:
    return JobProgress.make(job_id=job_id, producer="w", step=f"{stage}/{done}", stage=stage, done=done, total=total)


def failed(job_id: str, stage: str, message: str = "x.fil is empty.") -> Event:
    return JobFailed.make(job_id=job_id, producer=stage, stage=stage, code="bad_observation", message=message)


async def stored(store: Store, job: Job) -> Job:
    found = await store.jobs.get(job.job_id)
    assert found is not None
    return found


async def added(store: Store, job: Job | None = None) -> Job:
    job = job or a_job()
    await store.jobs.insert(job, submitted(job).to_bytes().decode(), due_ms=T0_MS)
    return job


async def test_a_job_comes_back_as_it_was_stored(store: Store) -> None:
    job = await added(store)
    assert await stored(store, job) == job
    assert await store.jobs.get(OTHER) is None


async def test_lists_are_a_users_own_most_recent_first_and_limited(store: Store) -> None:
    mine = [await added(store, a_job("u1", T0_MS + offset)) for offset in (5, 1, 9, 3)]
    await added(store, a_job("u2", T0_MS + 100))
    listed = await store.jobs.list_recent("u1", 3)
    assert [job.submitted_ms - T0_MS for job in listed] == [9, 5, 3]
    assert {job.job_id for job in listed} < {job.job_id for job in mine}
    assert len(await store.jobs.list_recent("u1", 100)) == 4


async def test_results_come_back_to_the_last_digit(store: Store, worker_events: WorkerEvents) -> None:
    job = await added(store)
    await worker_events.handle(classified(job.job_id))
    found = await stored(store, job)
    assert found.results == SUMMARY
    assert found.status == "complete"
    assert found.completed_at == T0_MS // 1000 + 30
    assert found.results_key == f"jobs/{job.job_id}/results.json"


async def test_every_event_handled_twice_leaves_what_once_leaves(store: Store, worker_events: WorkerEvents) -> None:
    job = await added(store)
    steps = [
        progress(job.job_id, "ingest", 1, 1),
        progress(job.job_id, "dedoppler", 1, 2),
        classified(job.job_id),
        exported(job.job_id),
        progress(job.job_id, "export", 1, 1),
    ]
    for event in steps:
        assert await worker_events.handle(event) == []
        once = await stored(store, job)
        assert await worker_events.handle(event) == []
        assert await stored(store, job) == once
    final = await stored(store, job)
    for event in steps:
        await worker_events.handle(event)
    assert await stored(store, job) == final


async def test_exported_may_come_before_classified(store: Store, worker_events: WorkerEvents) -> None:
    first, second = await added(store), await added(store)
    await worker_events.handle(exported(first.job_id))
    early = render_job(await stored(store, first))
    assert early["status"] == "submitted"
    assert early["exports_ready"] is False
    await worker_events.handle(classified(first.job_id))
    await worker_events.handle(classified(second.job_id))
    await worker_events.handle(exported(second.job_id))
    one, other = render_job(await stored(store, first)), render_job(await stored(store, second))
    assert one["exports_ready"] is True
    assert {**one, "job_id": ""} == {**other, "job_id": ""}


async def test_progress_starts_a_job_and_never_goes_back(store: Store, worker_events: WorkerEvents) -> None:
    job = await added(store)
    shown = []
    for stage, done in [("ingest", 1), ("dedoppler", 3), ("dedoppler", 2), ("ingest", 5), ("classify", 1)]:
        await worker_events.handle(progress(job.job_id, stage, done, 9))
        found = await stored(store, job)
        assert found.status == "processing"
        shown.append(found.progress)
    reached = Progress("dedoppler", 3, 9)
    assert shown == [Progress("ingest", 1, 9), reached, reached, reached, Progress("classify", 1, 9)]


async def test_late_events_do_not_reopen_a_job(store: Store, worker_events: WorkerEvents) -> None:
    complete, broken = await added(store), await added(store)
    await worker_events.handle(classified(complete.job_id))
    await worker_events.handle(failed(broken.job_id, "ingest"))
    for job in (complete, broken):
        await worker_events.handle(progress(job.job_id, "ingest", 1, 1))
        await worker_events.handle(failed(job.job_id, "dedoppler", "Another sentence."))
        await worker_events.handle(classified(job.job_id, T0_MS // 1000 + 99))
    found = await stored(store, complete)
    assert (found.status, found.failure, found.completed_at) == ("complete", None, T0_MS // 1000 + 30)
    found = await stored(store, broken)
    assert (found.status, found.results, found.progress) == ("failed", None, None)
    assert found.failure == Failure("ingest", "bad_observation", "x.fil is empty.")


@pytest.mark.parametrize("export_first", [True, False])
async def test_a_failed_export_never_fails_a_job(store: Store, worker_events: WorkerEvents, export_first: bool) -> None:
    job = await added(store)
    events = [failed(job.job_id, "export", "No plots."), classified(job.job_id)]
    for event in events if export_first else events[::-1]:
        await worker_events.handle(event)
    found = await stored(store, job)
    assert found.status == "complete"
    assert found.export_failure == Failure("export", "bad_observation", "No plots.")


async def test_events_of_an_unknown_job_are_dropped(store: Store, worker_events: WorkerEvents) -> None:
    for event in (
        progress(OTHER, "ingest", 1, 1),
        classified(OTHER),
        exported(OTHER),
        failed(OTHER, "ingest"),
        failed(OTHER, "export"),
    ):
        assert await worker_events.handle(event) == []
    assert await store.jobs.get(OTHER) is None


async def test_an_event_that_is_not_for_the_gateway_is_refused(worker_events: WorkerEvents) -> None:
    with pytest.raises(PermanentError):
        await worker_events.handle(submitted(a_job()))


async def test_racing_events_complete_a_job_once(store: Store, worker_events: WorkerEvents) -> None:
    job = await added(store)
    events = [classified(job.job_id, T0_MS // 1000 + second) for second in range(1, 21)]
    events += [progress(job.job_id, "dedoppler", done, 20) for done in range(1, 21)]
    await asyncio.gather(*map(worker_events.handle, events))
    found = await stored(store, job)
    assert found.status == "complete"
    assert found.progress == Progress("dedoppler", 20, 20)
    await asyncio.gather(*map(worker_events.handle, events))
    assert await stored(store, job) == found


async def test_a_submission_is_published_at_once(store: Store, outbox: Outbox, bus: Bus, clock: Clock) -> None:
    job = a_job()
    event = submitted(job)
    await outbox.submit(job, event)
    assert bus.events == [event]
    clock.advance(59)
    assert await outbox.sweep() == 0
    assert await stored(store, job) == job


async def test_what_the_bus_did_not_take_is_published_later(outbox: Outbox, bus: Bus, clock: Clock) -> None:
    job = a_job()
    event = submitted(job)
    bus.is_away = True
    await outbox.submit(job, event)
    clock.advance(2.1)
    with pytest.raises(TransientError):
        await outbox.sweep()
    bus.is_away = False
    assert bus.events == []
    clock.advance(5)
    assert await outbox.sweep() == 1
    assert bus.events == [event]
    assert await outbox.sweep() == 0


async def test_a_process_that_dies_before_it_publishes_loses_nothing(
    store: Store, outbox: Outbox, bus: Bus, clock: Clock
) -> None:
    job = a_job()
    await store.jobs.insert(job, submitted(job).to_bytes().decode(), due_ms=clock.ms + 2000)
    assert await outbox.sweep() == 0
    clock.advance(2.1)
    assert await outbox.sweep() == 1
    assert [event.job_id for event in bus.events] == [job.job_id]


async def test_a_silent_job_is_submitted_again_ever_more_rarely(outbox: Outbox, bus: Bus, clock: Clock) -> None:
    await outbox.submit(a_job(), submitted(a_job()))
    times = []
    for second in range(1, 500):
        clock.advance(1)
        if await outbox.sweep():
            times.append(second)
    assert times == [60, 180, 420]


async def test_a_job_that_is_heard_of_is_not_submitted_again(
    outbox: Outbox, worker_events: WorkerEvents, bus: Bus, clock: Clock
) -> None:
    job = a_job()
    await outbox.submit(job, submitted(job))
    for done in (1, 1, 2):
        clock.advance(50)
        await worker_events.handle(progress(job.job_id, "dedoppler", done, 9))
        assert await outbox.sweep() == 0
    clock.advance(61)
    assert await outbox.sweep() == 1


@pytest.mark.parametrize("ending", [classified, lambda job_id: failed(job_id, "ingest")])
async def test_a_finished_job_is_never_submitted_again(
    outbox: Outbox, worker_events: WorkerEvents, bus: Bus, clock: Clock, ending: type
) -> None:
    job = a_job()
    bus.is_away = True
    await outbox.submit(job, submitted(job))
    bus.is_away = False
    await worker_events.handle(ending(job.job_id))
    clock.advance(10_000)
    assert await outbox.sweep() == 0
    assert bus.events == []


async def test_two_sweepers_publish_a_stale_event_once(store: Store, outbox: Outbox, bus: Bus, clock: Clock) -> None:
    jobs = [a_job() for _ in range(10)]
    for job in jobs:
        await store.jobs.insert(job, submitted(job).to_bytes().decode(), due_ms=clock.ms)
    other = Outbox(store.jobs, bus, settings_for("mongodb://unused", "unused"), now_ms=clock)
    counts = await asyncio.gather(outbox.sweep(), other.sweep())
    assert sum(counts) == 10
    assert sorted(event.job_id for event in bus.events) == sorted(job.job_id for job in jobs)


async def test_the_sweeper_runs_until_it_is_stopped(store: Store, outbox: Outbox, bus: Bus) -> None:
    await added(store)
    stop = asyncio.Event()
    running = asyncio.create_task(outbox.run(stop))
    async with asyncio.timeout(30):
        await bus.used.wait()
        stop.set()
        await running
    assert len(bus.events) == 1


async def test_a_key_is_found_by_its_hash_and_not_stored(store: Store) -> None:
    user = await create_user(store.users, tier="free", name="né", now_s=1000.9)
    issued = await issue_key(store.users, user_id=user.user_id, name="k", ttl_days=2, pepper=PEPPER, now_s=1000.9)
    assert await store.users.user(user.user_id) == user
    found = await store.users.key_by_hash(hash_api_key(issued.api_key, PEPPER))
    assert found == issued.stored
    assert found.expires_at == 1000 + 2 * 86_400
    assert issued.api_key not in str(await store.database["api_keys"].find_one({}))
    assert await store.users.key_by_hash(hash_api_key(issued.api_key, "another pepper!!")) is None


async def test_neither_key_ids_nor_hashes_repeat(store: Store) -> None:
    issued = await issue_key(store.users, user_id="u", name="k", ttl_days=2, pepper=PEPPER, now_s=0)
    assert await store.users.add_key(issued.stored) is False


async def test_a_server_that_is_away_is_worth_another_try() -> None:
    settings = Settings(
        mongodb_url="mongodb://127.0.0.1:1/?directConnection=true", mongodb_timeout_s=0.2, api_key_pepper=PEPPER
    )
    with pytest.raises(TransientError):
        async with open_store(settings):
            pass
