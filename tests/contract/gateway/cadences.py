"""Cadences of a user, and the events of workers about them and their jobs."""

from typing import Any

from shared.cadence import CadenceSummary, TopEvent
from shared.cadence_events import CadenceClassified, CadenceExported, CadenceReady
from shared.events import Artefact, Event, JobFailed
from shared.formats import CADENCE_FORMATS, event_picture
from shared.object_keys import artefact_key
from tests.contract.gateway.parts import Account, Gateway, classified

SUMMARY = CadenceSummary(
    events=2,
    families=1,
    candidates=1,
    rejected=12,
    processing_time_seconds=58.2,
    top_events=(
        TopEvent(
            id=1,
            frequency_hz=1380929370.0,
            drift_rate=-0.36,
            snr=31.5,
            on_scans=3,
            classification="CANDIDATE_ET",
            interestingness=0.91,
            family_size=2,
            rfi_source="",
        ),
    ),
)


async def files(user: Account, count: int, role: Any = None) -> list[dict[str, Any]]:
    """Upload so many files and return them as scans, ON and OFF in turn unless a role is given."""
    roles = ["on", "off"] if role is None else [role]
    return [
        {"file_key": await user.upload(name=f"scan{number}.fil"), "role": roles[number % len(roles)]}
        for number in range(count)
    ]


async def start_cadence(user: Account, scans: list[dict[str, Any]], **more: Any) -> str:
    status, body = await user.ask("POST", "/cadences", {"scans": scans, **more})
    assert status == 202, body
    assert body["status_url"] == f"/cadences/{body['cadence_id']}"
    return str(body["cadence_id"])


async def cadence_of(user: Account, cadence_id: str) -> dict[str, Any]:
    status, body = await user.ask("GET", f"/cadences/{cadence_id}")
    assert status == 200, body
    return dict(body)


async def scan_jobs(user: Account, cadence_id: str) -> list[str]:
    return [scan["job_id"] for scan in (await cadence_of(user, cadence_id))["scans"]]


def failed(job_id: str, sentence: str = "The file is empty.") -> Event:
    return JobFailed.make(job_id=job_id, producer="ingest", stage="ingest", code="bad_observation", message=sentence)


async def finish_jobs(user: Account, job_ids: list[str]) -> None:
    for job_id in job_ids:
        await user.gateway.worker_events.handle(classified(user.gateway, job_id))


def ready_events(gateway: Gateway, cadence_id: str) -> list[CadenceReady]:
    return [event for event in gateway.bus.events if isinstance(event, CadenceReady) and event.job_id == cadence_id]


def cadence_classified(ready: CadenceReady) -> CadenceClassified:
    """Return what classify answers: the scans in another order, and a role for each."""
    scans = tuple(
        scan.model_copy(update={"role": scan.role or ("on", "off")[place % 2]})
        for place, scan in reversed(list(enumerate(ready.scans)))
    )
    return CadenceClassified.make(
        job_id=ready.job_id,
        producer="classify",
        name=ready.name,
        scans=scans,
        parameters=ready.parameters,
        parts=0,
        events_key=artefact_key(ready.job_id, "events.json"),
        summary=SUMMARY,
    )


async def cadence_exported(gateway: Gateway, cadence_id: str) -> CadenceExported:
    """Write every file, as the export service does, and return its event."""
    artefacts = []
    for made in (*CADENCE_FORMATS.values(), event_picture(1), event_picture(2)):
        content = f"{made.name} of {cadence_id}\n".encode()
        key = artefact_key(cadence_id, made.filename)
        await gateway.storage.results.put(key, content)
        artefacts.append(
            Artefact(
                format=made.name, key=key, filename=made.filename, content_type="x", size=len(content), sha256="0" * 64
            )
        )
    return CadenceExported.make(job_id=cadence_id, producer="export", artefacts=tuple(artefacts))


async def finish_cadence(user: Account, cadence_id: str) -> None:
    """Let all jobs of a cadence end with results, then the cadence itself."""
    await finish_jobs(user, await scan_jobs(user, cadence_id))
    (ready,) = ready_events(user.gateway, cadence_id)
    await user.gateway.worker_events.handle(cadence_classified(ready))
    await user.gateway.worker_events.handle(await cadence_exported(user.gateway, cadence_id))


async def quota(user: Account) -> dict[str, Any]:
    """Return what the quota of a user counts."""
    found = await user.gateway.store.database["quotas"].find_one({"_id": user.user_id})
    assert found is not None
    assert found["active_count"] == len(found["active"])
    return dict(found)
