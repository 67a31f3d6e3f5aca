"""Jobs, users and keys as they are stored, and how events of workers change them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from services.gateway.accounts.issue import create_user, issue_key
from services.gateway.accounts.model import hash_api_key
from services.gateway.api import answers
from services.gateway.jobs.change import Change
from services.gateway.jobs.handlers import WorkerEvents
from services.gateway.jobs.model import Failure, Job, Progress
from services.gateway.jobs.paging import Cursor, Page
from services.gateway.mongodb.store import Store, open_store
from services.gateway.settings import Settings
from shared.errors import PermanentError, TransientError
from tests.contract.job_store.parts import (
    HEADER,
    OTHER,
    PEPPER,
    SUMMARY,
    T0_MS,
    Clock,
    a_job,
    added,
    classified,
    exported,
    failed,
    progress,
    stored,
    submitted,
)


def shown(job: Job) -> dict[str, Any]:
    return answers.content_of(answers.Job.of(job))


async def test_a_job_is_read_as_it_was_stored(store: Store) -> None:
    job = await added(store)
    assert await stored(store, job) == job
    assert await store.jobs.get(OTHER) is None


async def test_lists_hold_only_the_users_jobs_most_recent_first_up_to_a_limit(store: Store) -> None:
    mine = [await added(store, a_job("u1", T0_MS + offset)) for offset in (5, 1, 9, 3)]
    await added(store, a_job("u2", T0_MS + 100))
    listed = await store.jobs.list_recent("u1", Page(3))
    assert [job.submitted_ms - T0_MS for job in listed] == [9, 5, 3]
    assert {job.job_id for job in listed} < {job.job_id for job in mine}
    assert len(await store.jobs.list_recent("u1", Page(100))) == 4


async def test_results_are_read_to_the_last_digit(store: Store, worker_events: WorkerEvents) -> None:
    job = await added(store)
    await worker_events.handle(classified(job.job_id))
    found = await stored(store, job)
    assert found.results == SUMMARY
    assert found.observation == HEADER
    assert found.status == "complete"
    assert found.completed_at == T0_MS // 1000 + 30
    assert found.results_key == f"jobs/{job.job_id}/results.json"


async def test_handling_an_event_twice_is_the_same_as_once(store: Store, worker_events: WorkerEvents) -> None:
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
    early = shown(await stored(store, first))
    assert early["status"] == "submitted"
    assert early["exports_ready"] is False
    await worker_events.handle(classified(first.job_id))
    await worker_events.handle(classified(second.job_id))
    await worker_events.handle(exported(second.job_id))
    one, other = shown(await stored(store, first)), shown(await stored(store, second))
    assert one["exports_ready"] is True
    assert {**one, "job_id": ""} == {**other, "job_id": ""}


async def test_late_progress_does_not_change_a_job_with_its_exports(store: Store, worker_events: WorkerEvents) -> None:
    job = await added(store)
    for event in (progress(job.job_id, "dedoppler", 1, 2), classified(job.job_id), exported(job.job_id)):
        await worker_events.handle(event)
    done = shown(await stored(store, job))
    assert done["progress"] == {"stage": "export", "done": 1, "total": 1}
    for stage, total in [("dedoppler", 2), ("classify", 1), ("export", 1)]:
        await worker_events.handle(progress(job.job_id, stage, 1, total))
        assert shown(await stored(store, job)) == done


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


async def test_a_key_is_found_by_its_hash_and_not_stored(store: Store) -> None:
    user = await create_user(store.users, tier="free", name="né", now_s=1000.9)
    issued = await issue_key(
        store.users, user_id=user.user_id, name="k", ttl_days=2, pepper=PEPPER, now_s=1000.9, limit=1
    )
    assert await store.users.user(user.user_id) == user
    found = await store.users.key_by_hash(hash_api_key(issued.api_key, PEPPER))
    assert found == issued.stored
    assert found.expires_at == 1000 + 2 * 86_400
    assert issued.api_key not in str(await store.database["api_keys"].find_one({}))
    assert await store.users.key_by_hash(hash_api_key(issued.api_key, "another pepper!!")) is None


async def test_neither_key_ids_nor_hashes_repeat(store: Store) -> None:
    user = await create_user(store.users, tier="free", name="n", now_s=0)
    issued = await issue_key(store.users, user_id=user.user_id, name="k", ttl_days=2, pepper=PEPPER, now_s=0, limit=1)
    assert await store.users.add_key(issued.stored) is False


async def test_an_unavailable_server_is_a_transient_error() -> None:
    settings = Settings(
        mongodb_url="mongodb://127.0.0.1:1/?directConnection=true", mongodb_timeout_s=0.2, api_key_pepper=PEPPER
    )
    with pytest.raises(TransientError):
        async with open_store(settings):
            pass


async def test_jobs_are_found_by_a_part_of_a_name_counted_and_cut_into_pages(store: Store) -> None:
    for number in range(5):
        job = replace(a_job("u1", T0_MS + number), filename=f"Größe {number}.fil", source_name="[a](b)*" * (number % 2))
        await added(store, job)
    plain = await added(store, replace(a_job("u2"), filename="Voyager1.fil", source_name="Voyager 1"))
    for text, count in (("GRÖ", 5), ("[A](b)*", 2), ("E 3.F", 1), (".*", 0), ("", 5)):
        assert await store.jobs.count("u1", Page(text=text)) == count
        assert len(await store.jobs.list_recent("u1", Page(text=text))) == count
    assert await store.jobs.count("u1", Page(status="failed", text="gr")) == 0
    first = await store.jobs.list_recent("u1", Page(3, text="gr"))
    rest = await store.jobs.list_recent("u1", Page(3, None, Cursor.at(first[-1]), "gr"))
    assert [job.submitted_ms - T0_MS for job in (*first, *rest)] == [4, 3, 2, 1, 0]
    assert await store.jobs.count("u1", Page(3, None, Cursor.at(first[-1]), "gr")) == 5
    names = f"{plain.filename} {plain.source_name}".lower()
    for character in map(chr, range(32, 127)):
        assert await store.jobs.count("u2", Page(text=character)) == (character.lower() in names)


async def test_changes_are_known_by_time_and_number_whoever_made_them(
    store: Store, worker_events: WorkerEvents, clock: Clock
) -> None:
    began_ms = await store.now_ms()
    job, other = await added(store), await added(store, a_job("u2"))

    async def changes() -> dict[str, Change]:
        return {one.job_id: one for one in await store.changes.since(began_ms - 1000)}

    first = await changes()
    assert first == {
        job.job_id: Change(job.job_id, "u1", 1, "submitted"),
        other.job_id: Change(other.job_id, "u2", 1, "submitted"),
    }
    await store.jobs.mark_published(job.job_id, due_ms=T0_MS)
    assert await changes() == first
    for event in (progress(job.job_id, "ingest", 1, 1), classified(job.job_id), exported(job.job_id)):
        before = (await changes())[job.job_id].revision
        await worker_events.handle(event)
        assert (await changes())[job.job_id].revision > before
    assert (await changes())[job.job_id].status == "complete"
    assert await store.jobs.remove(job.job_id, now_ms=clock(), even_open=True)
    removed = (await changes())[job.job_id]
    assert (removed.is_removed, removed.user_id, removed.is_cadence) == (True, "u1", False)
    assert (await changes())[other.job_id] == first[other.job_id]
    assert await store.changes.since(await store.now_ms() + 60_000) == []


async def test_a_job_is_inserted_once_however_many_try(store: Store) -> None:
    job = a_job()
    event = submitted(job).to_bytes().decode()
    outcomes = await asyncio.gather(*(store.jobs.insert(job, event, due_ms=T0_MS) for _ in range(20)))
    assert outcomes.count(True) == 1
    (change,) = [one for one in await store.changes.since(await store.now_ms() - 60_000) if one.job_id == job.job_id]
    assert change.revision == 1
