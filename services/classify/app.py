"""Composition root of classify: settings, adapters, handler, run."""

import asyncio
from datetime import UTC, datetime

from services.classify.cadence.sky_drift import warm_up
from services.classify.cadence_handlers import CadenceHandler
from services.classify.compile import compile_kernels
from services.classify.handlers import Handler
from services.classify.model import load_model
from services.classify.settings import Settings
from shared import service
from shared.blobs import open_storage
from shared.bus import Consumer, by_topic, open_publisher
from shared.events import CADENCE_READY, CHUNK_SEARCHED, TRACK_MEASURED


def utc_now() -> datetime:
    """Return the current time (UTC)."""
    return datetime.now(UTC)


async def serve(settings: Settings) -> None:
    """Run until the process is asked to stop."""
    # Read before the first job comes, so that a damaged model ends the process at once.
    model = load_model()
    # Without a cache on disk this takes half a minute, and the first job would wait for it.
    await asyncio.to_thread(compile_kernels, model)
    await asyncio.to_thread(warm_up)
    async with open_storage(settings) as storage, open_publisher(settings) as publisher:
        handler = Handler(
            storage.results,
            model=model,
            now=utc_now,
            concurrent_reads=settings.concurrent_reads,
            max_hits=settings.max_hits,
        )
        cadences = CadenceHandler(storage.results, now=utc_now)
        handlers = {
            CHUNK_SEARCHED: handler.handle,
            CADENCE_READY: cadences.handle,
            TRACK_MEASURED: cadences.handle,
        }
        consumer = Consumer(
            settings,
            group="classify",
            topics=list(handlers),
            handle=by_topic(handlers),
            publisher=publisher,
            stage="classify",
            at_once=settings.jobs_at_once,
        )
        checks = {"s3": storage.check, "kafka": publisher.check}
        await service.run("classify", settings, consumer=consumer, checks=checks)


def main() -> None:
    """Entry point of the process."""
    service.main("classify", Settings, serve)
