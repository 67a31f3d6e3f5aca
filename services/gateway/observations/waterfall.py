"""Reads the pyramids that dedoppler writes (`shared.waterfall`), by ranges of many objects at a time.

Where the IFs of a file are searched singly, the waterfall is that of the first search.
"""

import asyncio
import math
import statistics
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cachetools import LRUCache
from pydantic import ValidationError

from services.gateway.jobs.model import Job
from services.gateway.observations.errors import (
    BadChannelsError,
    NoWaterfallError,
    RangeTooLargeError,
    UnknownLevelError,
)
from shared.errors import ObjectNotFoundError
from shared.object_keys import waterfall_key, waterfall_manifest_key, waterfall_samples_key
from shared.waterfall import (
    MOST_WINDOWS,
    NOISE_PAIR,
    ChunkLayout,
    Manifest,
    Place,
    Statistic,
    Window,
    head_bytes,
    read_windows,
)

MAX_ANSWER_BYTES = 2**20
# Chunks that one answer may take parts of: each is a read, and takes about a millisecond.
MAX_CHUNKS_READ = 4096
# Of windows, each chunk takes two reads. A view so narrow that single channels matter has a few chunks.
MAX_CHUNKS_OF_WINDOWS = 64
# Of one answer, and of all together.
READS_AT_ONCE = 16
ALL_READS_AT_ONCE = 32
# About a kilobyte each. The least recently used one is dropped first.
MAX_MANIFESTS = 1000
# Parts of levels that took so many reads are kept: views of a whole wide band, which all its viewers begin with.
KEPT_FROM_CHUNKS = 32
MAX_KEPT_BYTES = 32 * 2**20
# Enough for most heads of objects of windows: 800 windows.
HEAD_BYTES = 16 * 1024
_WINDOW = struct.Struct("<QI")
_COUNT = struct.Struct("<I")

ABSENT = (
    "This job has no waterfall to zoom into: it was completed before there was one. Analyze the observation again, or "
    "download the format waterfall."
)


class PyramidBucket(Protocol):
    """The bucket of results, as far as pyramids are read from it (see `shared.blobs`)."""

    async def get(self, key: str) -> bytes: ...
    async def get_range(self, key: str, start: int, length: int, etag: str | None = None) -> bytes: ...
    async def get_range_into(self, key: str, start: int, buffer: memoryview, etag: str | None = None) -> int: ...


@dataclass(frozen=True)
class Waterfall:
    """How to read the objects of one job, as it was completed at one time.

    `sigma_relative` is the noise's sigma of a sample over its level, in the middle of the band; None if it has none.
    """

    job_id: str
    completed_at: int | None
    manifest: Manifest
    sigma_relative: float | None

    def chunks(self, channels: range, most: int = MAX_CHUNKS_READ) -> range:
        """Return the chunks that hold any of these channels.

        Raises
        ------
        BadChannelsError
            They are no range of the observation.
        RangeTooLargeError
            They are more than `most`.
        """
        n_channels = self.manifest.header.n_channels
        if not 0 <= channels.start < channels.stop <= n_channels:
            raise BadChannelsError(n_channels)
        edge, indices = self.manifest.plan.edge, range(self.manifest.chunks_of_one_search)
        chunks = range(
            bisect_right(indices, channels.start, key=edge) - 1, bisect_left(indices, channels.stop, key=edge)
        )
        if len(chunks) > most:
            raise RangeTooLargeError(
                f"The channels lie in {len(chunks)} chunks, of which one answer has at most {most}; ask for fewer "
                "channels at a time."
            )
        return chunks


class _Part(NamedTuple):
    """A place in the object of one chunk."""

    key: str
    place: Place


class Waterfalls:
    """The waterfalls of all jobs."""

    def __init__(self, results: PyramidBucket) -> None:
        self._results = results
        self._turns = asyncio.Semaphore(ALL_READS_AT_ONCE)
        self._known: LRUCache[tuple[str, int | None], Waterfall] = LRUCache(MAX_MANIFESTS)
        self._kept: LRUCache[tuple[str | int | None, ...], bytearray] = LRUCache(MAX_KEPT_BYTES, getsizeof=len)

    async def find(self, job: Job) -> Waterfall:
        """Return how to read a job's waterfall.

        Raises
        ------
        NoWaterfallError
            It has none, or not yet.
        TransientError
            Storage is unavailable.
        """
        if job.status != "complete":
            raise NoWaterfallError("The waterfall is there once the job is complete.")
        # A job that is reopened is completed at another time, maybe with another plan.
        identity = (job.job_id, job.completed_at)
        known = self._known.get(identity)
        if known is None:
            known = self._known[identity] = await self._read(*identity)
        return known

    async def _read(self, job_id: str, completed_at: int | None) -> Waterfall:
        try:
            manifest = Manifest.model_validate_json(await self._results.get(waterfall_manifest_key(job_id)))
        except ObjectNotFoundError as error:
            raise NoWaterfallError(ABSENT) from error
        except ValidationError as error:
            # That of another version of dedoppler.
            raise NoWaterfallError("The waterfall of this job can't be read; analyze the observation again.") from error
        middle = manifest.chunks_of_one_search // 2
        part = _Part(waterfall_key(job_id, middle), manifest.layout(middle).noise)
        return Waterfall(job_id, completed_at, manifest, _sigma_relative(await self._gather([part])))

    async def level(self, waterfall: Waterfall, statistic: Statistic, factor: int, channels: range) -> bytearray:
        """Return the columns of a level that hold any of some channels, chunk by chunk.

        Raises
        ------
        UnknownLevelError
            There is no level of this factor.
        BadChannelsError
            The channels are no range of the observation.
        RangeTooLargeError
            The answer would be too large.
        NoWaterfallError
            The objects are gone.
        TransientError
            Storage is unavailable.
        """
        manifest = waterfall.manifest
        if factor not in manifest.factors:
            factors = ", ".join(map(str, manifest.factors))
            raise UnknownLevelError(f"The waterfall has no level of this factor; it has {factors}.")

        def place(layout: ChunkLayout) -> Place:
            columns = layout.column_range(factor, channels.start, channels.stop)
            return layout.level_part(statistic, factor, columns)

        chunks = waterfall.chunks(channels)
        what = (waterfall.job_id, waterfall.completed_at, statistic, factor, channels.start, channels.stop)
        if (kept := self._kept.get(what)) is not None:
            return kept
        part = await self._gather(
            [_Part(waterfall_key(waterfall.job_id, chunk), place(manifest.layout(chunk))) for chunk in chunks],
            "ask for fewer channels, or a larger factor",
        )
        if len(chunks) >= KEPT_FROM_CHUNKS:
            self._kept[what] = part
        return part

    async def noise(self, waterfall: Waterfall, channels: range) -> bytearray:
        """Return the noise of some channels, chunk by chunk: float32 pairs of level and sigma.

        Raises
        ------
        BadChannelsError
            The channels are no range of the observation.
        RangeTooLargeError
            The answer would be too large.
        NoWaterfallError
            The objects are gone.
        TransientError
            Storage is unavailable.
        """

        def place(layout: ChunkLayout) -> Place:
            return layout.noise_part(layout.column_range(layout.noise_factor, channels.start, channels.stop))

        chunks = waterfall.chunks(channels)
        return await self._gather(
            [_Part(waterfall_key(waterfall.job_id, chunk), place(waterfall.manifest.layout(chunk))) for chunk in chunks]
        )

    async def samples(self, waterfall: Waterfall, channels: range) -> bytes:
        """Return the channels among these that are kept at full resolution, as windows of neighbouring ones.

        First their number (uint32), then the first channel (uint64) and the number of channels (uint32) of each, then
        the columns of each, all little-endian.

        Raises
        ------
        BadChannelsError
            The channels are no range of the observation.
        RangeTooLargeError
            The answer would be too large.
        NoWaterfallError
            The objects are gone.
        TransientError
            Storage is unavailable.
        """
        rows = waterfall.manifest.rows
        parts, found = [], list[Window]()
        chunks = waterfall.chunks(channels, MAX_CHUNKS_OF_WINDOWS)
        for key in [waterfall_samples_key(waterfall.job_id, chunk) for chunk in chunks]:
            windows = _within(await self._windows(key), channels, rows)
            if windows:
                # Neighbouring windows follow one another in the object.
                start, last = windows[0].offset, windows[-1]
                parts.append(_Part(key, Place(start, last.offset + last.n_channels * rows - start)))
                found += windows
        codes = await self._gather(parts)
        listed = [_WINDOW.pack(window.start_channel, window.n_channels) for window in found]
        return b"".join([_COUNT.pack(len(found)), *listed, codes])

    async def _windows(self, key: str) -> list[Window]:
        """Return the windows of a chunk; without hits it has no object of them."""
        try:
            head = await self._results.get_range(key, 0, HEAD_BYTES)
            try:
                return read_windows(head)
            except ValueError:
                return read_windows(await self._results.get_range(key, 0, head_bytes(MOST_WINDOWS)))
        except ObjectNotFoundError:
            return []

    async def _gather(self, parts: Sequence[_Part], advice: str = "ask for fewer channels") -> bytearray:
        """Return the content of all parts, one after another."""
        size = sum(part.place.length for part in parts)
        if size > MAX_ANSWER_BYTES:
            raise RangeTooLargeError(
                f"The answer would have {size} bytes; one has at most {MAX_ANSWER_BYTES}. Please {advice}."
            )
        answer = bytearray(size)
        view, end = memoryview(answer), 0
        reads = []
        for key, place in parts:
            reads.append((key, place.offset, view[end : end + place.length]))
            end += place.length
        todo = iter(reads)

        async def worker() -> None:
            for key, offset, buffer in todo:
                await self._fill(key, offset, buffer)

        workers = [asyncio.create_task(worker()) for _ in range(min(READS_AT_ONCE, len(reads)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for one in workers:
                one.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return answer

    async def _fill(self, key: str, offset: int, buffer: memoryview) -> None:
        async with self._turns:
            try:
                filled = await self._results.get_range_into(key, offset, buffer)
            except ObjectNotFoundError as error:
                raise NoWaterfallError("The waterfall of this job was removed.") from error
        if filled != len(buffer):
            raise NoWaterfallError("The waterfall of this job is not complete; analyze the observation again.")


def _within(windows: Sequence[Window], channels: range, rows: int) -> list[Window]:
    """Return what of the windows lies within some channels."""
    cut = []
    for window in windows:
        start = max(window.start_channel, channels.start)
        stop = min(window.start_channel + window.n_channels, channels.stop)
        if start < stop:
            cut.append(Window(start, stop - start, window.offset + (start - window.start_channel) * rows))
    return cut


def _sigma_relative(noise: bytes | bytearray) -> float | None:
    """Return the median of sigma over level."""
    ratios = [sigma / level for level, sigma in NOISE_PAIR.iter_unpack(noise) if level > 0 and math.isfinite(sigma)]
    return statistics.median(ratios) if ratios else None
