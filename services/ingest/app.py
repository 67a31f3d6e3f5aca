"""Build ingest from its settings: storage, bus, handler, consumer."""

from services.ingest.handlers import Handler
from services.ingest.settings import Settings
from shared import service
from shared.blobs import open_storage
from shared.bus import Consumer, open_publisher
from shared.events import CHUNK_READY, OBSERVATION_SUBMITTED
from shared.filterbank import prepare_hdf5


async def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT."""
    prepare_hdf5()
    async with open_storage(settings) as storage, open_publisher(settings) as publisher:

        async def lanes() -> int:
            return settings.lanes or await publisher.partition_count(CHUNK_READY)

        handler = Handler(storage.uploads, storage.results, max_chunk_samples=settings.max_chunk_samples, lanes=lanes)
        consumer = Consumer(
            settings,
            group="ingest",
            topics=[OBSERVATION_SUBMITTED],
            handle=handler.handle,
            publisher=publisher,
            stage="ingest",
        )
        checks = {"s3": storage.check, "kafka": publisher.check}
        await service.run("ingest", settings, consumer=consumer, checks=checks)


def main() -> None:
    """Entry point of the process."""
    service.main("ingest", Settings, serve)
