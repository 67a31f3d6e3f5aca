"""Composition root of export: settings, adapters, handler, run."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from services.export.artefacts import warm_up
from services.export.handlers import Handler
from services.export.settings import Settings
from shared import service
from shared.blobs import open_storage
from shared.bus import Consumer, open_publisher
from shared.events import OBSERVATION_CLASSIFIED

# Pictures and tables of one job are made side by side. The allocator keeps an arena for each thread, as large as the
# most that was ever drawn there: as many threads as asyncio would take hold 50 to 100 MB more, and on two cores they
# are no faster.
THREADS = 2


def use_few_threads() -> None:
    """Have `asyncio.to_thread` go to so many threads at most."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="export"))


async def serve(settings: Settings) -> None:
    """Run until told to stop."""
    use_few_threads()
    # Fonts and lazily loaded modules would cost the first job a second.
    await asyncio.to_thread(warm_up)
    async with open_storage(settings) as storage, open_publisher(settings) as publisher:
        handler = Handler(
            storage.results,
            storage.uploads,
            concurrent_reads=settings.concurrent_reads,
            hash_up_to_bytes=settings.hash_input_max_bytes if settings.hash_input else None,
        )
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
    service.main("export", Settings, serve)
