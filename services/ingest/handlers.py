"""Handler of `observation.submitted`: publishes `chunk.ready` for the first chunk of each lane.

Dedoppler announces the next chunk of a lane after it has searched one. So a job has a bounded number of events on the
bus, whatever its number of chunks, and jobs take turns: a job waits for at most one chunk of each other job.
"""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from services.ingest.chunk_plan import is_within, plan_observation
from services.ingest.cost import predict, require_cost, require_size
from services.ingest.kept_plan import KeptPlans, ResultsStore
from services.ingest.polarisations import choose_ifs
from shared.averaging import searched_grid
from shared.errors import BadObservationError, PermanentError
from shared.event_fields import plain_sentence
from shared.events import ChunkPlan, ChunkReady, Event, JobProgress, ObservationSubmitted, SearchParameters, Upload
from shared.filterbank import BlobSource, Objects, Storage, describe
from shared.header import Header
from shared.narrowband import FEWEST_CHANNELS, why_unsuited
from shared.polarisations import Ifs

logger = structlog.get_logger(__name__)

PRODUCER = "ingest"


class Handler:
    """Reads the header of an upload and plans its chunks, once per job."""

    def __init__(
        self,
        uploads: Objects,
        results: ResultsStore,
        *,
        max_chunk_samples: int,
        lanes: Callable[[], Awaitable[int]],
    ) -> None:
        """`lanes` returns how many chunks of one job may be searched at the same time."""
        self._uploads = uploads
        self._plans = KeptPlans(results)
        self._max_chunk_samples = max_chunk_samples
        self._lanes = lanes

    async def handle(self, event: Event) -> Sequence[Event]:
        """Return the first chunk of each lane, in channel order, and the progress event that ends ingest.

        A job that was planned before keeps its plan and lanes, whatever the settings are now. It is planned again only
        if its chunks exceed the present limit, which operators lower when chunks need too much memory.

        Raises
        ------
        BadObservationError
            The file can't be searched.
        ObjectNotFoundError
            The upload no longer exists.
        ObjectChangedError
            The upload was replaced since the job was accepted.
        PermanentError
            The file is too long for the drift range, would have too many chunks, or exceeds a limit of the tier.
        TransientError
            Storage or the bus is unavailable.
        """
        if not isinstance(event, ObservationSubmitted):
            raise PermanentError(f"Ingest can't handle {event.topic}.", code="unexpected_event")
        upload = event.upload
        source = BlobSource(self._uploads, upload.file_key, upload.file_name, upload.etag, upload.file_size)
        # An event of an early version has no ETag. Then the job is that of the object as it is now.
        source = await source.pinned()
        upload = upload.model_copy(update={"etag": source.etag})
        header, warnings, storage = await describe(source)
        if event.limits is not None:
            require_size(upload.file_name, storage, event.limits)
        if header.n_channels == 1:
            raise BadObservationError(
                f"The file {event.upload.file_name!r} can't be searched: it holds 1 channel (nchans). A search for "
                f"narrowband signals compares channels; upload a product with at least {FEWEST_CHANNELS}."
            )
        choice = choose_ifs(header, event.parameters, upload.file_name)
        # First, for it says most about the results.
        told = filter(None, (why_unsuited(header), choice.warning, *warnings))
        warnings = tuple(map(plain_sentence, told))
        plan = await self._plans.find(event.job_id, header.n_channels)
        n_spectra = searched_grid(header, event.parameters.max_drift_rate_hz_s).n_spectra
        most_samples = self._most_samples(choice.searches)
        if plan is not None and not is_within(plan, n_spectra, most_samples):
            logger.warning("kept plan exceeds the limit", chunks=plan.count, max_chunk_samples=most_samples)
            plan = None
        if plan is None:
            planned = await self._planned(header, event.parameters, storage, choice.searches)
            if event.limits is not None:
                cost = predict(header, event.parameters, storage, planned)
                require_cost(upload.file_name, storage, cost, event.limits)
            plan = await self._plans.keep(event.job_id, planned)
        ready = [_chunk_ready(event, upload, header, plan, lane, warnings) for lane in range(plan.lanes)]
        done = JobProgress.make(
            job_id=event.job_id, producer=PRODUCER, step="ingest/1/1", stage="ingest", done=1, total=1
        )
        return [*ready, done]

    def _most_samples(self, searches: tuple[Ifs, ...]) -> int:
        """Return how many samples a chunk may have: the IFs of a sum are in memory together."""
        return self._max_chunk_samples // max(map(len, searches))

    async def _planned(
        self, header: Header, parameters: SearchParameters, storage: Storage, searches: tuple[Ifs, ...]
    ) -> ChunkPlan:
        return plan_observation(
            header,
            parameters,
            max_chunk_samples=self._most_samples(searches),
            lanes=await self._lanes(),
            packed_channels=storage.packed_channels or 1,
            searches=searches,
        )


def _chunk_ready(
    event: ObservationSubmitted,
    upload: Upload,
    header: Header,
    plan: ChunkPlan,
    index: int,
    warnings: tuple[str, ...],
) -> ChunkReady:
    return ChunkReady.make(
        job_id=event.job_id,
        producer=PRODUCER,
        step=str(index),
        upload=upload,
        parameters=event.parameters,
        header=header,
        chunk=plan.chunk(index),
        warnings=warnings,
        plan=plan,
    )
