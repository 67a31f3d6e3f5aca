"""A cadence in the job store, and the events about it."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

from services.gateway.jobs.cadence import Cadence, Scan, new_job_id
from services.gateway.mongodb.store import Store
from shared.cadence import CadenceParameters, CadenceScan, CadenceSummary, Role
from shared.cadence_events import CadenceClassified, CadenceExported, CadenceReady
from shared.events import Artefact, Event, JobLimits, SearchParameters
from tests.contract.job_store.parts import T0_MS, UPLOAD

LIMITS = JobLimits(max_unpacked_bytes=2**30, max_processor_s=60.0)
SUMMARY = CadenceSummary(
    events=1, families=1, candidates=1, rejected=3, processing_time_seconds=28.4, top_events=(), warnings=("<b>",)
)


def a_cadence(user_id: str = "u1", scans: int = 3, submitted_ms: int = T0_MS) -> Cadence:
    """Return a cadence of so many new scans, ON and OFF in turn."""
    cadence_id = str(uuid.uuid4())
    roles: tuple[Role, ...] = ("on", "off")
    return Cadence(
        job_id=cadence_id,
        user_id=user_id,
        name="HIP 39826 — né",
        scans=tuple(
            Scan(
                new_job_id(cadence_id, index),
                UPLOAD.model_copy(update={"file_key": f"uploads/{user_id}/{index}/scan.fil"}),
                roles[index % 2],
                is_new=True,
            )
            for index in range(scans)
        ),
        parameters=CadenceParameters(min_on_scans=1),
        search=SearchParameters(),
        limits=LIMITS,
        submitted_ms=submitted_ms,
        expires_at=submitted_ms // 1000 + 86_400,
        slot_ms=submitted_ms,
    )


def with_job(cadence: Cadence, index: int, job_id: str) -> Cadence:
    """Return the cadence with a job that was there before as one of its scans."""
    scans = list(cadence.scans)
    scans[index] = replace(scans[index], job_id=job_id, is_new=False)
    return replace(cadence, scans=tuple(scans))


async def stored_cadence(store: Store, cadence: Cadence) -> Cadence:
    found = await store.cadences.get(cadence.job_id)
    assert found is not None
    return found


async def add_cadence(store: Store, cadence: Cadence) -> Cadence:
    """Store a cadence, which takes a slot, as POST /cadences does."""
    files = sum(scan.is_new for scan in cadence.scans)
    await store.quotas.take(
        cadence.user_id,
        cadence.job_id,
        per_month=100,
        at_a_time=100,
        history=100,
        now_ms=cadence.slot_ms,
        files=files,
    )
    await store.cadences.use_jobs(cadence.job_id, [scan.job_id for scan in cadence.scans if not scan.is_new])
    assert await store.cadences.insert(cadence, check_ms=T0_MS + 30_000)
    return cadence


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(T0_MS / 1000 + seconds, UTC)


def cadence_classified(cadence: Cadence, seconds: float = 30) -> CadenceClassified:
    """Return what classify answers: the scans in reverse order."""
    scans = tuple(
        CadenceScan(
            role=scan.role or "off",
            job_id=scan.job_id,
            upload=scan.upload,
            results_key=f"jobs/{scan.job_id}/results.json",
        )
        for scan in reversed(cadence.scans)
    )
    made = CadenceClassified.make(
        job_id=cadence.job_id,
        producer="classify",
        name=cadence.name,
        scans=scans,
        parameters=cadence.parameters,
        parts=0,
        events_key=f"jobs/{cadence.job_id}/events.json",
        summary=SUMMARY,
    )
    return made.model_copy(update={"occurred_at": at(seconds)})


def cadence_exported(cadence: Cadence) -> CadenceExported:
    names = {"csv": "events.csv", "event_0000": "event_0000.png", "a_later_format": "x"}
    artefacts = tuple(
        Artefact(
            format=name,
            key=f"jobs/{cadence.job_id}/{file}",
            filename=file,
            content_type="x",
            size=7,
            sha256="0" * 64,
        )
        for name, file in names.items()
    )
    return CadenceExported.make(job_id=cadence.job_id, producer="export", artefacts=artefacts)


def ready_events(events: list[Event], cadence: Cadence) -> list[CadenceReady]:
    return [event for event in events if isinstance(event, CadenceReady) and event.job_id == cadence.job_id]
