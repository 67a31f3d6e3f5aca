"""Composition root of dedoppler: connects settings, adapters and handler, and runs the service."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from services.dedoppler.chunk_power import chunk_power
from services.dedoppler.compile import compile_kernels
from services.dedoppler.handlers import Handler
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.settings import Settings
from shared import service
from shared.arrays import Power
from shared.blobs import open_storage
from shared.bus import Consumer, open_publisher
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

            async def read_power(event: ChunkReady) -> Power:
                upload = event.upload
                source = BlobSource(storage.uploads, upload.file_key, upload.file_name, upload.etag, upload.file_size)
                return await chunk_power(source, event, pool, blocks)

            async with aclosing(Handler(read_power, storage.results, pool, scratch, blocks)) as handler:
                consumer = Consumer(
                    settings,
                    group="dedoppler",
                    topics=[CHUNK_READY],
                    handle=handler.handle,
                    publisher=publisher,
                    stage="dedoppler",
                )
                checks = {"s3": storage.check, "kafka": publisher.check}
                await service.run("dedoppler", settings, consumer=consumer, checks=checks)


def main() -> None:
    """Entry point of the process."""
    service.main("dedoppler", Settings, serve)
