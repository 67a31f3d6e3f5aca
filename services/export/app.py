"""Composition root of export: settings, adapters, handler, run."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from services.export.artefacts import warm_up
from services.export.cadence_handlers import CadenceHandler
from services.export.handlers import Handler
from services.export.review_handlers import ReviewHandler
from services.export.settings import Settings
from shared import service
from shared.blobs import open_storage
from shared.bus import Consumer, by_topic, open_publisher
from shared.events import CADENCE_CLASSIFIED, CADENCE_REVIEWED, OBSERVATION_CLASSIFIED, OBSERVATION_REVIEWED

# Pictures and tables of one job are made at the same time, and beside a large job there is a thread for small ones. The
# allocator keeps an arena for each thread, as large as
# the largest picture drawn there: asyncio's default number of threads takes 50 to 100 MB more, and is no faster on two
# cores.
THREADS = 3


def use_few_threads() -> None:
    """Make `asyncio.to_thread` use at most `THREADS` threads."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="export"))


async def serve(settings: Settings) -> None:
    """Run until the process is asked to stop."""
    use_few_threads()
    # Load fonts and lazily imported modules now: they would delay the first job by a second.
    await asyncio.to_thread(warm_up)
    async with open_storage(settings) as storage, open_publisher(settings) as publisher:
        large = asyncio.Lock()
        handler = Handler(
            storage.results,
            storage.uploads,
            concurrent_reads=settings.concurrent_reads,
            hash_up_to_bytes=settings.hash_input_max_bytes if settings.hash_input else None,
            large=large,
        )
        reviews = ReviewHandler(storage.results, large)
        handlers = {
            OBSERVATION_CLASSIFIED: handler.handle,
            CADENCE_CLASSIFIED: CadenceHandler(storage.results).handle,
            OBSERVATION_REVIEWED: reviews.handle,
            CADENCE_REVIEWED: reviews.handle,
        }
        consumer = Consumer(
            settings,
            group="export",
            topics=list(handlers),
            handle=by_topic(handlers),
            publisher=publisher,
            stage="export",
            at_once=settings.jobs_at_once,
        )

        checks = {"s3": storage.check, "kafka": publisher.check}
        await service.run("export", settings, consumer=consumer, checks=checks)


def main() -> None:
    """Entry point of the process."""
    service.main("export", Settings, serve)
