"""The gateway, put together as in production on real servers, and a user who sends requests."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.test_utils import TestClient

from services.gateway.accounts.key_use import KeyUses
from services.gateway.app import JobParts
from services.gateway.jobs.handlers import WorkerEvents
from services.gateway.jobs.outbox import Outbox
from services.gateway.jobs.sweeper import Sweeper
from services.gateway.mongodb.store import Store
from services.gateway.settings import Settings
from services.gateway.users import add_user
from shared.blobs import Storage
from shared.errors import TransientError
from shared.events import (
    Artefact,
    Event,
    ObservationClassified,
    ObservationExported,
    ResultsSummary,
    TopCandidate,
    decode,
)
from shared.header import Header
from shared.object_keys import artefact_key
from tests.contract.gateway.document import check_answer

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FILES = {
    "json": "results.json",
    "csv": "catalog.csv",
    "catalog_json": "catalog.json",
    "classified": "classified.json",
    "fits": "catalog.fits",
    "votable": "catalog.vot",
    "parquet": "catalog.parquet",
    "dat": "hits.dat",
    "waterfall": "waterfall.png",
    "waterfall_thumb": "waterfall_thumb.png",
}


@dataclass
class Bus:
    """Records what is published and passes it on to the broker; can be unavailable."""

    publish_on: Callable[[str, bytes, bytes], Any]
    is_away: bool = False
    events: list[Event] = field(default_factory=list)

    async def publish_raw(self, topic: str, key: bytes, value: bytes) -> None:
        if self.is_away:
            raise TransientError("The bus is away.")
        await self.publish_on(topic, key, value)
        event = decode(value)
        assert (topic, key) == (event.topic, event.partition_key.encode())
        self.events.append(event)


class Clock:
    """The machine's time, plus an offset that a test can set."""

    def __init__(self) -> None:
        self._ahead_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self._ahead_ms

    @contextmanager
    def ahead(self, seconds: float) -> Iterator[None]:
        """Move the clock ahead by this many seconds within the context."""
        self._ahead_ms += round(1000 * seconds)
        try:
            yield
        finally:
            self._ahead_ms -= round(1000 * seconds)


@dataclass
class Gateway:
    """The gateway's parts, put together as in production."""

    client: TestClient[Any, Any]
    settings: Settings
    store: Store
    storage: Storage
    bus: Bus
    clock: Clock
    jobs: JobParts
    anybody: aiohttp.ClientSession
    key_uses: KeyUses

    @property
    def outbox(self) -> Outbox:
        return self.jobs.outbox

    @property
    def worker_events(self) -> WorkerEvents:
        return self.jobs.worker_events

    @property
    def sweeper(self) -> Sweeper:
        return self.jobs.sweeper


@dataclass
class Account:
    """A user who sends requests. Every answer is checked against the API's document."""

    gateway: Gateway
    user_id: str
    api_key: str
    token: str = ""

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request and return the status and the JSON of its answer."""
        status, content, _ = await self.answer(method, path, body)
        return status, content

    async def answer(self, method: str, path: str, body: Any = None, **more: str) -> tuple[int, Any, Mapping[str, str]]:
        """Return status, JSON and headers of an answer. `more` are headers of the request, with `_` for `-`."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {"x-api-key": self.api_key}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        async with self.gateway.client.request(method, path, headers=headers, json=body) as response:
            content = await response.json()
            check_answer(method, path, response.status, response.headers, content)
            return response.status, content, response.headers

    async def upload(self, content: bytes = b"data", name: str = "Voyager1.fil") -> str:
        """Upload a small file and return its key."""
        status, body = await self.ask("POST", "/upload-url", {"filename": name, "file_size": len(content)})
        assert status == 200
        async with self.gateway.anybody.put(body["upload_url"], data=content) as response:
            assert response.status == 200
        return str(body["file_key"])

    async def start(self, file_key: str, **more: Any) -> str:
        """Start a job on an uploaded file and return its id."""
        status, body = await self.ask("POST", "/analyze", {"file_key": file_key, **more})
        assert status == 202
        return str(body["job_id"])

    async def analyze(self, **more: Any) -> str:
        """Upload a file, start a job and return its id."""
        return await self.start(await self.upload(), **more)


async def account(gateway: Gateway, tier: str = "researcher") -> Account:
    user = await add_user(gateway.settings, tier=tier, name="test", ttl_days=365)
    return Account(gateway, user["user_id"], user["api_key"])


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
SUMMARY = ResultsSummary(
    raw_hits=543,
    filtered_hits=163,
    candidates=20,
    processing_time_seconds=28.4,
    top_candidates=(
        TopCandidate(
            frequency_hz=1420405751.68,
            drift_rate=0.15,
            snr=14.2,
            classification="NARROWBAND_DRIFTING",
            interestingness=0.82,
            rfi_source="",
            source="matched_filter",
        ),
    ),
)


def classified(gateway: Gateway, job_id: str) -> Event:
    submitted = next(event for event in gateway.bus.events if event.job_id == job_id)
    fields = {name: getattr(submitted, name) for name in ("job_id", "occurred_at", "upload", "parameters")}
    return ObservationClassified.model_construct(
        **fields,
        event_id=uuid.uuid4(),
        producer="classify",
        header=HEADER,
        chunk_count=1,
        results_key=artefact_key(job_id, "results.json"),
        summary=SUMMARY,
    )


async def export(gateway: Gateway, job_id: str) -> Event:
    """Write every artefact, as the export service does, and return its event."""
    artefacts = []
    for name, filename in FILES.items():
        content = f"{name} of {job_id}\n".encode()
        await gateway.storage.results.put(artefact_key(job_id, filename), content)
        key = artefact_key(job_id, filename)
        artefacts.append(
            Artefact(format=name, key=key, filename=filename, content_type="x", size=len(content), sha256="0" * 64)
        )
    return ObservationExported.make(job_id=job_id, producer="export", artefacts=tuple(artefacts))


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    """Return status and code of an error. Fail unless the body has the documented shape and nothing else."""
    status, body = answer
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    assert body["error"]["message"].endswith((".", "!"))
    return status, body["error"]["code"]
