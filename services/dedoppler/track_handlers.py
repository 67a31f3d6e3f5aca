"""Handles `track.ready`: measures tracks of a cadence in one scan's samples, and publishes `track.measured`."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Protocol

import numpy as np
import structlog

from services.dedoppler.chunk_power import Wanted, power_of
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.threads import ThisThread
from services.dedoppler.tracks.choice import MOST_CHANNELS, MOST_PATHS, smears_of, tries_few
from services.dedoppler.tracks.measurement import Measurement, measure_window, not_measured
from services.dedoppler.tracks.prediction import ScanGrid
from services.dedoppler.tracks.reads import ScanRead, plan_reads
from services.dedoppler.tracks.windows import TrackPlan, TrackWindow, plan_track, plan_windows
from shared.averaging import spectra_per_average
from shared.cadence_events import TrackMeasured, TrackReady
from shared.errors import PermanentError
from shared.event import Event, Upload
from shared.event_fields import MAX_CHUNK_SAMPLES
from shared.filterbank import Source, describe
from shared.filterbank.fetch import for_each
from shared.header import Header
from shared.object_keys import measured_key
from shared.search_parameters import SearchParameters
from shared.tracks import MEASUREMENT_DTYPE, OUTSIDE, MeasuredTracks, TrackList, Tracks

logger = structlog.get_logger(__name__)

PRODUCER = "dedoppler"
# Reads that are in hand at a time, and samples of all of them.
READS_AT_ONCE, SAMPLES_AT_ONCE = 4, 2**24
# Parts that are measured at a time; more would only take memory.
PARTS_IN_HAND = 2


class ResultsStore(Protocol):
    """The results bucket, as far as the handler uses it."""

    async def get(self, key: str) -> bytes:
        """Return a whole object; raise `ObjectNotFoundError` if there is none."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write a whole object."""


class TrackHandler:
    """Measures tracks: only channels around them are read, and few reads are in memory."""

    def __init__(self, source_of: Callable[[Upload], Source], results: ResultsStore, pool: Executor) -> None:
        """Prepare to handle events.

        Parameters
        ----------
        source_of : callable
            Returns the file of an upload, to be read in byte ranges.
        results : ResultsStore
            The results bucket.
        pool : Executor
            Threads, each of which measures a window.
        """
        self._source_of = source_of
        self._results = results
        self._pool = pool
        self._in_hand = asyncio.Semaphore(PARTS_IN_HAND)

    async def handle(self, event: Event) -> Sequence[Event]:
        """Measure the tracks of one part and store the measurements; return `track.measured`.

        Raises
        ------
        PermanentError
            If the event is no `track.ready`, or contradicts its tracks or its file.
        """
        if not isinstance(event, TrackReady):
            raise PermanentError(f"Dedoppler can't handle {event.topic}.", code="unexpected_event")
        listed = await asyncio.to_thread(TrackList.from_bytes, await self._results.get(event.tracks_key))
        tracks = _own_tracks(event, listed)
        per_average = spectra_per_average(event.header, _fastest(tracks))
        grid = ScanGrid.of(event.header, per_average, listed.epoch_mjd)
        plans = await asyncio.to_thread(lambda: [plan_track(track, grid) for track in tracks])
        async with self._in_hand:
            measurements = await self._measure(event, grid, plans, per_average)
        key = measured_key(event.job_id, event.part)
        found = _measured_tracks(event, tracks, plans, measurements, grid)
        await self._results.put(key, await asyncio.to_thread(found.to_bytes))
        logger.info("tracks measured", scan=event.scan, part=event.part, of=event.parts, tracks=len(tracks))
        measured = TrackMeasured.make(
            job_id=event.job_id,
            producer=PRODUCER,
            step=str(event.part),
            scan=event.scan,
            part=event.part,
            parts=event.parts,
            measured_key=key,
        )
        return [measured]

    async def _measure(
        self, event: TrackReady, grid: ScanGrid, plans: Sequence[TrackPlan], per_average: int
    ) -> list[Measurement]:
        """Return the measurement of each track."""
        found = [Measurement(not_measured(plan.prediction, grid, OUTSIDE), None) for plan in plans]
        windows, n_spectra = plan_windows(plans, grid.header.n_spectra), grid.header.n_spectra
        if not windows:
            return found
        source = self._source_of(event.upload)
        reads = plan_reads(windows, event.header, n_spectra, await _packed_channels(source, event.header))
        largest = max(read.stop - read.first for read in reads) * n_spectra
        if largest > MAX_CHUNK_SAMPLES:
            raise PermanentError(
                f"A track of scan {event.scan} needs more than {MAX_CHUNK_SAMPLES} samples.", code="inconsistent_event"
            )

        async def work(read: ScanRead, _scratch: object) -> None:
            wanted = Wanted(event.header, (read.first, read.stop), per_average, event.ifs)
            power = await power_of(source, wanted, self._pool, Scratch())

            def measure(window: TrackWindow) -> list[Measurement]:
                # A copy: gains are taken out of a window in place, and windows overlap.
                part = power[:, window.first - read.first : window.stop - read.first].copy()
                own = [plans[i] for i in window.tracks]
                return measure_window(part, grid, window, own, len(event.ifs), ThisThread())

            loop = asyncio.get_running_loop()
            measured = await asyncio.gather(*(loop.run_in_executor(self._pool, measure, one) for one in read.windows))
            for window, of_window in zip(read.windows, measured, strict=True):
                for i, one in zip(window.tracks, of_window, strict=True):
                    found[i] = one

        await for_each(reads, work, max(1, min(READS_AT_ONCE, SAMPLES_AT_ONCE // largest)))
        return found


async def _packed_channels(source: Source, header: Header) -> int | None:
    """Return the channels of a storage chunk that has to be unpacked, or None."""
    if header.file_format != "h5":
        return None
    return (await describe(source)).storage.packed_channels


def _own_tracks(event: TrackReady, listed: TrackList) -> Tracks:
    """Return the tracks of a part.

    Raises
    ------
    PermanentError
        There are fewer tracks, one has no numbers, or the file does not have the IFs.
    """
    tracks = listed.tracks[event.first_track : event.stop_track]
    if len(tracks) != event.stop_track - event.first_track:
        problem = f"ends with track {event.stop_track}, and the list with {len(listed.tracks)}"
    elif not all(np.isfinite(tracks[name]).all() for name in tracks.dtype.names or ()):
        problem = "has a track that is not finite"
    elif max(event.ifs) >= event.header.n_ifs:
        problem = f"needs IF {max(event.ifs)}, and the file has {event.header.n_ifs}"
    else:
        return tracks
    raise PermanentError(f"Part {event.part} of the tracks {problem}.", code="inconsistent_event")


def _fastest(tracks: Tracks) -> float:
    """Return the largest drift rate, at least that of a search by default: so averages are those of the search."""
    return max(SearchParameters().max_drift_rate_hz_s, float(np.abs(tracks["drift_rate_hz_s"]).max()))


def _measured_tracks(
    event: TrackReady,
    tracks: Tracks,
    plans: Sequence[TrackPlan],
    measurements: Sequence[Measurement],
    grid: ScanGrid,
) -> MeasuredTracks:
    table = np.zeros(len(tracks), MEASUREMENT_DTYPE)
    for row, track, measurement in zip(table, tracks, measurements, strict=True):
        row["track"] = track["id"]
        for name, value in measurement.values.items():
            row[name] = value
    shown = [i for i, one in enumerate(measurements) if one.cutout is not None]
    return MeasuredTracks(
        measurements=table,
        cutout_tracks=tracks["id"][shown].tolist(),
        cutouts=[one.cutout for one in measurements if one.cutout is not None],
        warnings=_warnings(event.header, plans, grid.header.n_spectra, event.scan),
        scan=event.scan,
    )


def _warnings(header: Header, plans: Sequence[TrackPlan], n_spectra: int, scan: int) -> list[str]:
    """Return what could not be measured; the same sentence from all parts of a scan, so that it is shown once."""
    vague = any(plan.prediction.reaches_beyond(MOST_CHANNELS) for plan in plans)
    inside = [plan.prediction for plan in plans if plan.needed is not None]
    few = any(tries_few(one, smears_of(one, n_spectra)) for one in inside)
    warnings = []
    if vague:
        warnings.append(
            f"Where some of the tracks are in scan {scan + 1} is known only to more than {MOST_CHANNELS} channels "
            f"({MOST_CHANNELS * abs(header.foff_hz) / 1e3:.3g} kHz); no signal farther away was measured."
        )
    if few:
        warnings.append(
            f"Some of the tracks have more than {MOST_PATHS} paths in scan {scan + 1}, since it is long before or "
            "after their hits or max_drift_change_hz_s2 is large; only the paths nearest to the prediction were tried."
        )
    return warnings
