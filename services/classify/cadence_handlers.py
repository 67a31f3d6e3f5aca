"""From `cadence.ready` to `track.ready`, and from `track.measured` to `cadence.classified`.

Classify keeps nothing of a cadence between the two: `cadence.json` holds the bus event that started it, and the scans'
results give the same tracks again.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import numpy as np
import structlog

from services.classify.cadence.closing import close
from services.classify.cadence.document import Origin
from services.classify.cadence.joining import Joined, join, tracks_of
from services.classify.cadence.roles import NamedScan, proposed_roles
from services.classify.cadence.scans import Scan, failed_scan, scan_of_results, source_of
from shared.cadence import CadenceScan
from shared.cadence_document import CadenceDocument
from shared.errors import ObjectNotFoundError, PermanentError
from shared.events import CadenceClassified, CadenceReady, Event, JobProgress, TrackMeasured, TrackReady, decode
from shared.formats import EVENTS_JSON
from shared.object_keys import artefact_key, measured_key, measured_prefix
from shared.polarisations import FIRST_IF, Ifs
from shared.results import Results
from shared.tracks import MeasuredTracks, Measurements, TrackList

logger = structlog.get_logger(__name__)

PRODUCER = "classify"
# Tracks of one part: each is about a tenth of a megabyte to read, and a millisecond of work.
TRACKS_PER_PART = 256
# A cadence with more parts gets larger ones: each is a message, and an object to look for.
MOST_PARTS = 2000


class CadenceStore(Protocol):
    """The operations on the results bucket that the handler uses."""

    async def get(self, key: str) -> bytes:
        """Return the whole object."""

    async def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write the whole object."""

    async def list_keys(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`, sorted."""


def _kept_key(job_id: str) -> str:
    """Return the key of the object that holds the bus event which started the cadence."""
    return artefact_key(job_id, "cadence.json")


def _closer_key(job_id: str) -> str:
    """Return the key of the object that holds the number of the part whose bus event closed the cadence."""
    return artefact_key(job_id, "closed_by_part")


def _tracks_key(job_id: str) -> str:
    return artefact_key(job_id, "tracks.npz")


def _ifs_of(results: Results) -> Ifs:
    """Return the IFs in which tracks are measured: the powers that were searched, as their sum."""
    choice, header = results.parameters, results.observation
    is_one_power = header.n_ifs == 1 or choice.pol_type == "IQUV"
    return FIRST_IF if choice.ifs == "first" or is_one_power else (0, 1)


class CadenceHandler:
    """Joins the hits of the scans, has the tracks measured, and decides which are events."""

    def __init__(self, results: CadenceStore, *, now: Callable[[], datetime]) -> None:
        self._results = results
        self._now = now

    async def handle(self, event: Event) -> Sequence[Event]:
        """Begin a cadence whose scans are searched, or end one whose tracks are measured.

        Raises
        ------
        PermanentError
            The bus event is of another type, or the scans are no cadence; the message names the scans.
        """
        match event:
            case CadenceReady():
                return await self._begin(event)
            case TrackMeasured():
                return await self._count(event)
            case _:
                raise PermanentError(f"Classify can't handle {event.topic} as a cadence.", code="unexpected_event")

    async def _begin(self, event: CadenceReady) -> Sequence[Event]:
        """Store the tracks, and return the bus events that have them measured."""
        results = await self._read(event)
        joined, why = await asyncio.to_thread(_joined, event, results)
        tracks = await asyncio.to_thread(tracks_of, joined)
        # Kept first: whoever measures a track finds what it is for.
        await self._results.put(_kept_key(event.job_id), event.to_bytes(), "application/json")
        await self._results.put(_tracks_key(event.job_id), await asyncio.to_thread(tracks.to_bytes))
        parts = list(_parts(event, joined, results, tracks))
        if not parts:
            return await self._closed(event, joined, {}, why, parts=0)
        return [*parts, _progress(event.job_id, "dedoppler", 0, len(parts))]

    async def _read(self, event: CadenceReady) -> Mapping[str, Results]:
        """Return the results of the scans that have some, by job."""
        found = {}
        for scan in event.scans:
            if scan.results_key is not None:
                raw = await self._results.get(scan.results_key)
                found[scan.job_id] = await asyncio.to_thread(Results.from_bytes, raw)
        return found

    async def _count(self, event: TrackMeasured) -> Sequence[Event]:
        """Return the progress and, once all parts are measured, the events of the cadence.

        The bus event of the part that was stored last closes it, and closes it again if it is delivered again.
        """
        wanted = [measured_key(event.job_id, part) for part in range(event.parts)]
        present = set(await self._results.list_keys(measured_prefix(event.job_id))) & set(wanted)
        progress = _progress(event.job_id, "dedoppler", len(present), event.parts)
        if len(present) < event.parts or await self._was_closed_by_another(event):
            return [progress]
        ready = decode(await self._results.get(_kept_key(event.job_id)))
        if not isinstance(ready, CadenceReady):
            raise PermanentError("The cadence can't be read; start it again.", code="unreadable_cadence")
        joined, why = await asyncio.to_thread(_joined, ready, await self._read(ready))
        measured, warnings = await self._measured(wanted)
        searched = {scan.index for scan in joined.scans if scan.has_results}
        if measured.keys() != searched or any(len(found) != len(joined) for found in measured.values()):
            logger.warning("parts of other tracks", parts=event.parts)
            return [progress]
        closed = await self._closed(ready, joined, measured, (*why, *warnings), parts=event.parts)
        await self._results.put(_closer_key(event.job_id), str(event.part).encode(), "text/plain")
        return [progress, *closed]

    async def _was_closed_by_another(self, event: TrackMeasured) -> bool:
        try:
            closer = int(await self._results.get(_closer_key(event.job_id)))
        except ObjectNotFoundError:
            return False
        return closer < event.parts and closer != event.part

    async def _measured(self, keys: Sequence[str]) -> tuple[dict[int, Measurements], list[str]]:
        """Return the measurements by scan, and the warnings of the parts, each once."""
        parts: dict[int, list[Measurements]] = {}
        warnings: dict[str, None] = {}
        for key in keys:
            found = await asyncio.to_thread(MeasuredTracks.from_bytes, await self._results.get(key))
            parts.setdefault(found.scan, []).append(found.measurements)
            warnings |= dict.fromkeys(found.warnings)
        return {scan: np.concatenate(some) for scan, some in sorted(parts.items())}, list(warnings)

    async def _closed(
        self,
        event: CadenceReady,
        joined: Joined,
        measured: Mapping[int, Measurements],
        warnings: tuple[str, ...],
        *,
        parts: int,
    ) -> Sequence[Event]:
        events_key = artefact_key(event.job_id, EVENTS_JSON.filename)
        origin = Origin(event.job_id, event.name, await self._processing_time(event, events_key))
        document = await asyncio.to_thread(close, joined, measured, origin, warnings)
        await self._results.put(events_key, await asyncio.to_thread(document.to_bytes), EVENTS_JSON.content_type)
        classified = CadenceClassified.make(
            job_id=event.job_id,
            producer=PRODUCER,
            name=event.name,
            scans=_in_order(event, joined),
            parameters=event.parameters,
            parts=parts,
            events_key=events_key,
            summary=document.summary,
        )
        return [_progress(event.job_id, "classify", 1, 1), classified]

    async def _processing_time(self, event: CadenceReady, events_key: str) -> float:
        """Return the seconds from acceptance to now; for a repeat those of the first time, so that bytes are equal."""
        try:
            earlier = await asyncio.to_thread(CadenceDocument.from_bytes, await self._results.get(events_key))
        except ObjectNotFoundError:
            return max(0.0, (self._now() - event.submitted_at).total_seconds())
        return earlier.processing_time_seconds


def _joined(event: CadenceReady, results: Mapping[str, Results]) -> tuple[Joined, tuple[str, ...]]:
    """Return the joined hits of a cadence, and warnings: where the roles that were proposed come from."""
    known = [_named(scan, results.get(scan.job_id)) for scan in event.scans]
    roles, why = proposed_roles(known)
    scans: list[Scan] = []
    for scan, role in zip(event.scans, roles, strict=True):
        found = results.get(scan.job_id)
        if found is not None:
            scans.append(scan_of_results(found, role))
        else:
            scans.append(
                failed_scan(
                    role,
                    scan.upload.file_name,
                    scan.failure or "",
                    source_name=scan.upload.source_name,
                    job_id=scan.job_id,
                )
            )
    return join(scans, event.parameters), (why,) if why else ()


def _named(scan: CadenceScan, results: Results | None) -> NamedScan:
    """Return what is known of a scan's time and names. A scan without results comes last."""
    if results is None:
        return NamedScan(np.inf, scan.upload.source_name, scan.upload.file_name, scan.role)
    header = results.observation
    return NamedScan(header.tstart_mjd, header.source_name or source_of(results), results.file_name, scan.role)


def _parts(
    event: CadenceReady, joined: Joined, results: Mapping[str, Results], tracks: TrackList
) -> Iterator[TrackReady]:
    """Yield the parts in which the tracks are measured: some hundred of them in one scan."""
    uploads = {scan.job_id: scan.upload for scan in event.scans}
    searched = [scan for scan in joined.scans if scan.has_results]
    n_tracks = len(tracks.tracks)
    size = max(TRACKS_PER_PART, -(-n_tracks * len(searched) // MOST_PARTS))
    slices = [(first, min(first + size, n_tracks)) for first in range(0, n_tracks, size)]
    places = [(scan, *ends) for scan in searched for ends in slices]
    for part, (scan, first, stop) in enumerate(places):
        yield TrackReady.make(
            job_id=event.job_id,
            producer=PRODUCER,
            step=f"{part}/{len(places)}",
            upload=uploads[scan.job_id],
            header=scan.header,
            ifs=_ifs_of(results[scan.job_id]),
            scan=scan.index,
            part=part,
            parts=len(places),
            tracks_key=_tracks_key(event.job_id),
            first_track=first,
            stop_track=stop,
        )


def _in_order(event: CadenceReady, joined: Joined) -> tuple[CadenceScan, ...]:
    """Return the scans of a cadence in order of time, with their roles."""
    scans = {scan.job_id: scan for scan in event.scans}
    return tuple(scans[scan.job_id].model_copy(update={"role": scan.role}) for scan in joined.scans)


def _progress(job_id: str, stage: str, done: int, total: int) -> Event:
    return JobProgress.make(
        job_id=job_id, producer=PRODUCER, step=f"{stage}/{done}/{total}", stage=stage, done=done, total=total
    )
