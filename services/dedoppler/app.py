"""Composition root of dedoppler: connects settings, adapters and handler, and runs the service."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from services.dedoppler.chunk_power import chunk_power
from services.dedoppler.compile import compile_kernels
from services.dedoppler.handlers import Handler
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.settings import Settings
from services.dedoppler.track_handlers import TrackHandler
from shared import service
from shared.arrays import Power
from shared.blobs import open_storage
from shared.bus import Consumer, open_publisher
from shared.cadence_events import TRACK_READY
from shared.event import Event, Upload
from shared.events import CHUNK_READY, ChunkReady
from shared.filterbank import BlobSource, prepare_hdf5


async def serve(settings: Settings) -> None:
    """Run until the process is asked to stop."""
    prepare_hdf5()
    with ThreadPoolExecutor(settings.threads, thread_name_prefix="search") as pool:
        scratch, blocks = Scratch(), Scratch()
        # Before the first job, so that no job waits for the compiler; from the on-disk cache if that is filled.
        await asyncio.to_thread(compile_kernels, pool, scratch)
        async with open_storage(settings) as storage, open_publisher(settings) as publisher:

            def source_of(upload: Upload) -> BlobSource:
                return BlobSource(storage.uploads, upload.file_key, upload.file_name, upload.etag, upload.file_size)

            async def read_power(event: ChunkReady) -> Power:
                return await chunk_power(source_of(event.upload), event, pool, blocks)

            tracks = TrackHandler(source_of, storage.results, pool)
            async with aclosing(Handler(read_power, storage.results, pool, scratch, blocks)) as chunks:

                async def handle(event: Event) -> Sequence[Event]:
                    return await (tracks if event.type == TRACK_READY else chunks).handle(event)

                consumer = Consumer(
                    settings,
                    group="dedoppler",
                    topics=[CHUNK_READY, TRACK_READY],
                    handle=handle,
                    publisher=publisher,
                    stage="dedoppler",
                )
                checks = {"s3": storage.check, "kafka": publisher.check}
                await service.run("dedoppler", settings, consumer=consumer, checks=checks)


def main() -> None:
    """Entry point of the process."""
    service.main("dedoppler", Settings, serve)
