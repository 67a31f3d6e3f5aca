"""Composition root of export: settings, adapters, handler, run."""

import asyncio

from services.export.catalogs import warm_up as warm_up_catalogs
from services.export.handlers import Handler
from services.export.picture import warm_up as warm_up_pictures
from services.export.settings import Settings
from shared import service
from shared.blobs import open_storage
from shared.bus import Consumer, open_publisher
from shared.events import OBSERVATION_CLASSIFIED


async def serve(settings: Settings) -> None:
    """Run until told to stop."""
    # Fonts and lazily loaded modules would cost the first job a second.
    await asyncio.to_thread(warm_up_catalogs)
    await asyncio.to_thread(warm_up_pictures)
    async with open_storage(settings) as storage, open_publisher(settings) as publisher:
        handler = Handler(storage.results, concurrent_reads=settings.concurrent_reads)
        consumer = Consumer(
            settings,
            group="export",
            topics=[OBSERVATION_CLASSIFIED],
            handle=handler.handle,
            publisher=publisher,
            stage="export",
        )

        checks = {"s3": storage.check, "kafka": publisher.check}
        await service.run("export", settings, consumer=consumer, checks=checks)


def main() -> None:
    """Entry point of the process."""
    service.main("export", Settings(), serve)
