"""Cadences as they are stored, and how events of workers change them, in any order and any number of times."""

import asyncio
from dataclasses import replace
from itertools import permutations

import pytest

from services.gateway.app import JobParts
from services.gateway.jobs.cadence import ClassifiedScan
from services.gateway.jobs.model import Failure, Progress
from services.gateway.jobs.paging import Page
from services.gateway.mongodb.store import Store
from shared.errors import PermanentError
from shared.events import JobReopened, ObservationSubmitted
from tests.contract.job_store.cadences import (
    SUMMARY,
    a_cadence,
    add_cadence,
    at,
    cadence_classified,
    cadence_exported,
    ready_events,
    stored_cadence,
    with_job,
)
from tests.contract.job_store.parts import (
    OTHER,
    T0_MS,
    Bus,
    Clock,
    a_job,
    added,
    classified,
    exported,
    failed,
    progress,
    stored,
)


async def slots(store: Store, user_id: str = "u1") -> set[str]:
    return {job_id async for owner, taken in store.quotas.slots() if owner == user_id for job_id in taken}


async def waiting(store: Store, job_parts: JobParts, scans: int = 3):
    """Return a cadence whose jobs have started."""
    cadence = await add_cadence(store, a_cadence(scans=scans))
    await job_parts.cadences.advance(cadence.job_id)
    return cadence


async def ready(store: Store, job_parts: JobParts):
    """Return a cadence whose jobs have all ended."""
    cadence = await waiting(store, job_parts)
    for scan in cadence.scans:
        await job_parts.worker_events.handle(classified(scan.job_id))
    return cadence


async def test_a_cadence_is_read_as_it_was_stored(store: Store) -> None:
    cadence = await add_cadence(store, a_cadence())
    assert await stored_cadence(store, cadence) == cadence
    assert await store.cadences.get(OTHER) is None
    assert await store.cadences.insert(cadence, check_ms=1) is False


async def test_jobs_and_cadences_are_listed_apart(store: Store) -> None:
    cadences = [await add_cadence(store, a_cadence("u1", submitted_ms=T0_MS + offset)) for offset in (5, 1, 9)]
    job = await added(store, a_job("u1", T0_MS + 3))
    await add_cadence(store, a_cadence("u2"))
    listed = await store.cadences.list_recent("u1", Page(2))
    assert [cadence.submitted_ms - T0_MS for cadence in listed] == [9, 5]
    assert [one.job_id for one in await store.cadences.list_all("u1")] == [cadences[at].job_id for at in (1, 0, 2)]
    assert await store.jobs.list_recent("u1", Page(9)) == [job]
    assert [one.job_id for one in await store.jobs.list_all("u1")] == [job.job_id]
    assert await store.jobs.get(cadences[0].job_id) is None
    assert await store.cadences.get(job.job_id) is None


async def test_the_jobs_of_new_scans_start_once(store: Store, job_parts: JobParts, bus: Bus) -> None:
    cadence = await add_cadence(store, a_cadence())
    await asyncio.gather(*(job_parts.cadences.advance(cadence.job_id) for _ in range(5)))
    submitted = [event for event in bus.events if isinstance(event, ObservationSubmitted)]
    assert sorted(event.job_id for event in submitted) == sorted(scan.job_id for scan in cadence.scans)
    assert {event.limits for event in submitted} == {cadence.limits}
    job = await store.jobs.get(cadence.scans[1].job_id)
    assert job is not None
    assert (job.cadence_id, job.slot_ms, job.file_key) == (cadence.job_id, None, cadence.scans[1].upload.file_key)
    assert (await stored_cadence(store, cadence)).is_started is True
    assert await slots(store) == {cadence.job_id}


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_it_is_ready_once_in_any_order_of_its_jobs(store: Store, job_parts: JobParts, bus: Bus, order) -> None:
    cadence = await waiting(store, job_parts)
    ends = [classified(cadence.scans[0].job_id), classified(cadence.scans[1].job_id)]
    ends.append(failed(cadence.scans[2].job_id, "ingest"))
    for place in order[:-1]:
        for _ in range(2):
            await job_parts.worker_events.handle(ends[place])
        assert ready_events(bus.events, cadence) == []
        assert (await stored_cadence(store, cadence)).status == "processing"
    await asyncio.gather(*(job_parts.worker_events.handle(ends[order[-1]]) for _ in range(5)))
    (event,) = ready_events(bus.events, cadence)
    assert [scan.results_key is None for scan in event.scans] == [False, False, True]
    assert [scan.upload for scan in event.scans] == [scan.upload for scan in cadence.scans]
    assert event.submitted_at == at(0)
    assert (await stored_cadence(store, cadence)).is_ready
    assert await slots(store) == {cadence.job_id}


async def test_all_jobs_may_end_at_once(store: Store, job_parts: JobParts, bus: Bus) -> None:
    cadence = await waiting(store, job_parts, scans=12)
    await asyncio.gather(*(job_parts.worker_events.handle(classified(scan.job_id)) for scan in cadence.scans))
    assert len(ready_events(bus.events, cadence)) == 1


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_the_order_of_its_own_events_does_not_matter(store: Store, job_parts: JobParts, order) -> None:
    cadence = await ready(store, job_parts)
    events = [
        progress(cadence.job_id, "dedoppler", 4, 4),
        cadence_classified(cadence),
        cadence_exported(cadence),
    ]
    for place in order:
        for _ in range(2):
            assert await job_parts.worker_events.handle(events[place]) == []
    found = await stored_cadence(store, cadence)
    assert (found.status, found.completed_at) == ("complete", T0_MS // 1000 + 30)
    assert found.results == SUMMARY.model_copy(update={"warnings": ("‹b›",)})
    assert found.results_key == f"jobs/{cadence.job_id}/events.json"
    assert found.classified_scans == tuple(ClassifiedScan(scan.job_id, scan.role) for scan in cadence.scans[::-1])
    # A format of a later version is passed over.
    assert [artefact.format for artefact in found.artefacts] == ["csv", "event_0000"]
    assert found.progress == Progress("export", 1, 1)
    assert await slots(store) == set()
    final = await stored_cadence(store, cadence)
    for event in events:
        await job_parts.worker_events.handle(event)
    assert await stored_cadence(store, cadence) == final


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
async def test_a_replayed_dead_letter_completes_it_in_any_order(store: Store, job_parts: JobParts, order) -> None:
    cadence = await ready(store, job_parts)
    reopened = JobReopened.make(job_id=cadence.job_id, producer="operator", operator="ada", dead_letter="x/0:1")
    events = [
        failed(cadence.job_id, "classify").model_copy(update={"occurred_at": at(10)}),
        reopened.model_copy(update={"occurred_at": at(100)}),
        cadence_classified(cadence, 110),
        cadence_exported(cadence),
    ]
    for place in order:
        await job_parts.worker_events.handle(events[place])
    found = await stored_cadence(store, cadence)
    assert (found.status, found.failure, len(found.artefacts)) == ("complete", None, 2)
    assert (await slots(store), await store.quotas.used_this_month("u1", T0_MS)) == (set(), 3)


async def test_a_failed_export_never_fails_it(store: Store, job_parts: JobParts) -> None:
    cadence = await ready(store, job_parts)
    for event in (failed(cadence.job_id, "export", "No plots."), cadence_classified(cadence)):
        await job_parts.worker_events.handle(event)
    found = await stored_cadence(store, cadence)
    assert (found.status, found.export_failure) == ("complete", Failure("export", "bad_observation", "No plots."))


async def test_events_of_the_wrong_kind_change_nothing(store: Store, job_parts: JobParts) -> None:
    cadence, job = await ready(store, job_parts), await added(store)
    before = await stored_cadence(store, cadence), await stored(store, job)
    of_job = replace(cadence, job_id=job.job_id)
    for event in (
        classified(cadence.job_id),
        exported(cadence.job_id),
        cadence_classified(of_job),
        cadence_exported(of_job),
    ):
        await job_parts.worker_events.handle(event)
    assert (await stored_cadence(store, cadence), await stored(store, job)) == before


async def test_a_file_other_than_the_one_of_its_format_is_refused(store: Store, job_parts: JobParts) -> None:
    cadence = await ready(store, job_parts)
    event = cadence_exported(cadence)
    wrong = event.artefacts[1].model_copy(update={"filename": "event_0001.png"})
    with pytest.raises(PermanentError):
        await job_parts.worker_events.handle(event.model_copy(update={"artefacts": (wrong,)}))


async def test_a_silent_cadence_is_announced_again(store: Store, job_parts: JobParts, bus: Bus, clock: Clock) -> None:
    cadence = await ready(store, job_parts)
    for scan in cadence.scans:
        await job_parts.worker_events.handle(exported(scan.job_id))
    for seconds in (61, 121):
        clock.advance(seconds)
        assert await job_parts.outbox.sweep() == 1
    first, second, third = ready_events(bus.events, cadence)
    assert first == second == third
    await job_parts.worker_events.handle(cadence_classified(cadence))
    await job_parts.worker_events.handle(cadence_exported(cadence))
    clock.advance(100_000)
    assert await job_parts.outbox.sweep() == 0


async def test_a_cadence_whose_event_the_bus_refused_is_announced_later(
    store: Store, job_parts: JobParts, bus: Bus, clock: Clock
) -> None:
    cadence = await waiting(store, job_parts)
    bus.is_away = True
    for scan in cadence.scans:
        await job_parts.worker_events.handle(classified(scan.job_id))
    bus.is_away = False
    assert ready_events(bus.events, cadence) == []
    clock.advance(2.1)
    assert await job_parts.outbox.sweep() == 1
    assert len(ready_events(bus.events, cadence)) == 1


async def test_a_job_that_is_there_is_known_to_all_its_cadences(store: Store, job_parts: JobParts, bus: Bus) -> None:
    job = await added(store)
    cadences = [await add_cadence(store, with_job(a_cadence(scans=2), 0, job.job_id)) for _ in range(3)]
    for cadence in cadences:
        await job_parts.cadences.advance(cadence.job_id)
        await job_parts.worker_events.handle(classified(cadence.scans[1].job_id))
    assert (await store.jobs.started([job.job_id]))[job.job_id].cadences == {one.job_id for one in cadences}
    await job_parts.worker_events.handle(classified(job.job_id))
    assert [len(ready_events(bus.events, cadence)) for cadence in cadences] == [1, 1, 1]
    await job_parts.worker_events.handle(cadence_classified(cadences[0]))
    assert (await store.jobs.started([job.job_id]))[job.job_id].cadences == {one.job_id for one in cadences[1:]}
