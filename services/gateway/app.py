"""Composition root of the gateway: settings, adapters, routes, outbox, worker events, run."""

import time

from services.gateway.auth import ApiKeyAuthentication
from services.gateway.handlers import HealthRoutes, Routes, make_http_app
from services.gateway.jobs import JobRoutes
from services.gateway.outbox import Outbox
from services.gateway.settings import Settings
from services.gateway.store import open_store
from services.gateway.uploads import UploadRoutes
from services.gateway.worker_events import WorkerEvents
from shared import service
from shared.blobs import open_storage
from shared.bus import Consumer, open_publisher
from shared.events import JOB_FAILED, JOB_PROGRESS, OBSERVATION_CLASSIFIED, OBSERVATION_EXPORTED


def unix_ms() -> int:
    """The present time, unix ms."""
    return time.time_ns() // 1_000_000


async def serve(settings: Settings) -> None:
    """Run until told to stop."""
    async with (
        open_store(settings) as store,
        open_storage(settings) as storage,
        open_publisher(settings) as publisher,
    ):
        outbox = Outbox(store.jobs, publisher, settings, now_ms=unix_ms)
        subjects: list[Routes] = [
            HealthRoutes(service.VERSION),
            UploadRoutes(settings, storage.uploads),
            JobRoutes(
                settings,
                jobs=store.jobs,
                submissions=outbox,
                uploads=storage.uploads,
                results=storage.results,
                now_ms=unix_ms,
            ),
        ]
        pepper = settings.api_key_pepper.get_secret_value()
        authenticate = ApiKeyAuthentication(store.users, pepper=pepper, now_s=time.time)
        worker_events = WorkerEvents(store.jobs, now_ms=unix_ms, silence_s=settings.outbox_silence_s)
        consumer = Consumer(
            settings,
            group="gateway",
            topics=[OBSERVATION_CLASSIFIED, OBSERVATION_EXPORTED, JOB_PROGRESS, JOB_FAILED],
            handle=worker_events.handle,
            publisher=publisher,
        )
        await service.run(
            "gateway",
            settings,
            app=make_http_app(subjects, authenticate),
            consumer=consumer,
            checks={"mongodb": store.check, "s3": storage.check, "kafka": publisher.check},
            background=[outbox.run],
        )


def main() -> None:
    """Entry point of the process."""
    service.main("gateway", Settings(), serve)
