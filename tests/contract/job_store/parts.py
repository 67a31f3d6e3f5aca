"""A job and the events about it, and a bus, a bucket and a clock that tests control."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from services.gateway.jobs.model import Job
from services.gateway.mongodb.store import Store
from services.gateway.settings import Settings
from shared.blobs import OpenMultipart, StoredObject
from shared.errors import TransientError
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
    decode,
)
from shared.header import Header

PEPPER = "a pepper of some length"
T0_MS = 1_712_444_400_000
OTHER = "00000000-0000-0000-0000-000000000000"


def settings_for(url: str, database: str) -> Settings:
    return Settings(mongodb_url=url, mongodb_database=database, mongodb_timeout_s=30, api_key_pepper=PEPPER)


class Bus:
    """Records what is published; can be unavailable."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_away = False
        self.used = asyncio.Event()

    async def publish_raw(self, topic: str, key: bytes, value: bytes) -> None:
        if self.is_away:
            raise TransientError("The bus is away.")
        event = decode(value)
        assert (topic, key) == (event.topic, event.partition_key.encode())
        self.events.append(event)
        self.used.set()


class Bucket:
    """Holds objects by key; can be unavailable."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.is_away = False

    async def list_keys(self, prefix: str) -> list[str]:
        self._answer()
        return sorted(key for key in self.objects if key.startswith(prefix))

    async def list_pages(self, prefix: str) -> AsyncIterator[list[StoredObject]]:
        yield [StoredObject(key, 1, 0.0) for key in await self.list_keys(prefix)]

    async def list_multiparts(self, prefix: str) -> list[OpenMultipart]:
        self._answer()
        return []

    async def delete(self, key: str) -> None:
        self._answer()
        self.objects.pop(key, None)

    def _answer(self) -> None:
        if self.is_away:
            raise TransientError("Storage is away.")


class Storage:
    def __init__(self) -> None:
        self.uploads = Bucket()
        self.results = Bucket()


class Clock:
    def __init__(self) -> None:
        self.ms = T0_MS

    def __call__(self) -> int:
        return self.ms

    def advance(self, seconds: float) -> None:
        self.ms += round(1000 * seconds)


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
    source="dedoppler_search",
)
SUMMARY = ResultsSummary(
    raw_hits=543,
    filtered_hits=163,
    candidates=2,
    processing_time_seconds=28.4,
    top_candidates=(CANDIDATE, CANDIDATE.model_copy(update={"snr": 1e-12})),
)
HEADER = Header(
    file_format="fil",
    n_spectra=16,
    n_channels=4096,
    n_ifs=1,
    n_bits=32,
    data_offset_bytes=300,
    fch1_mhz=8421.386717353016,
    foff_mhz=-2.7939677238464355e-06,
    tsamp_s=18.253611008,
    tstart_mjd=57650.78209490741,
    source_name="Voyager1",
    ra_hours=17.167773333,
    dec_deg=12.183,
    telescope_id=6,
)


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
