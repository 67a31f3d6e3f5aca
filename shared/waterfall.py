"""The zoomable waterfall of a job: which objects dedoppler writes, and where in them each value is.

Each chunk has a pyramid, `jobs/{job_id}/waterfall/{chunk}.bin`: its own channels at several resolutions in frequency,
each by the maxima and by the means of columns of channels, and the noise with which they were measured. Where there
are hits, a second object holds every channel. A manifest of the job says how to read both.

A pyramid has one section after another: the noise, as pairs of float32 (level and sigma of a sample, in the file's
units) for every `noise_factor` channels; the levels of maxima, finest first; the levels of means. All columns and pairs
begin with the chunk's first channel, and the last ones may have fewer channels. A column of means is one code per row,
in order of time. A column of maxima has one code more, `integrated`.

A code is power in units of sigma: 0 where there is no sample, else `c = round(56 + 16 asinh(z / 2))` from 1 to 255. The
steps are 0.125 sigma within the noise, and a sixteenth of the value, 0.27 dB, far above it, up to 2.4e5 sigma.
"""

import math
from collections.abc import Sequence
from struct import Struct
from typing import Literal, NamedTuple, Self

from pydantic import Field

from shared.averaging import averaged_header, spectra_per_average
from shared.chunks import ChunkPlan, Record
from shared.header import MAX_CHANNELS, MAX_SAMPLES, Header

Statistic = Literal["max", "mean"]

NO_SAMPLE, LARGEST_CODE = 0, 255
CODE_OF_ZERO, CODES_PER_E_FOLD = 56, 16

MOST_ROWS = 128
FINEST_FACTOR = 16
# From one level to the next.
LEVEL_FACTOR = 4
FEWEST_COLUMNS = 8
FINEST_NOISE_FACTOR = 256

# Of the file, per mille: the pyramids, and the windows round hits, of all chunks together.
PYRAMID_PER_MILLE, SAMPLES_PER_MILLE = 45.0, 4.5
# Of the pyramids, the noise takes at most this part.
NOISE_PART = 16
# What either may take of a small file.
SMALL_FILE_BYTES = 2**16

NOISE_PAIR = Struct("<2f")
_COUNT = Struct("<I")
_WINDOW = Struct("<QIQ")
# Of one chunk.
MOST_WINDOWS = 4096


def code_of(z: float) -> int:
    """Return the code of a power in units of sigma."""
    return min(LARGEST_CODE, max(1, round(CODE_OF_ZERO + CODES_PER_E_FOLD * math.asinh(z / 2))))


def z_of(code: int) -> float:
    """Return the power of a code in units of sigma; NaN for `NO_SAMPLE`."""
    return math.nan if code == NO_SAMPLE else 2 * math.sinh((code - CODE_OF_ZERO) / CODES_PER_E_FOLD)


class Place(NamedTuple):
    """Some bytes of an object."""

    offset: int
    length: int


class ChunkLayout(NamedTuple):
    """Where everything is in the pyramid of one chunk.

    Attributes
    ----------
    start_channel, n_channels : int
        The chunk's own channels.
    rows : int
        Codes of a column of means; a column of maxima has one more.
    factors : sequence of int
        Channels of a column, level by level.
    noise_factor : int
        Channels that share one pair of level and sigma.
    """

    start_channel: int
    n_channels: int
    rows: int
    factors: Sequence[int]
    noise_factor: int

    def columns(self, factor: int) -> int:
        """Return the number of columns of a level."""
        return -(-self.n_channels // factor)

    def column_bytes(self, statistic: Statistic) -> int:
        """Return the bytes of a column."""
        return self.rows + 1 if statistic == "max" else self.rows

    @property
    def noise(self) -> Place:
        """The noise."""
        return Place(0, NOISE_PAIR.size * self.columns(self.noise_factor))

    def level(self, statistic: Statistic, factor: int) -> Place:
        """Return where a whole level is.

        Raises
        ------
        ValueError
            There is no level of this factor.
        """
        finer = self.factors[: self.factors.index(factor)]
        offset = self.noise.length + self.column_bytes(statistic) * sum(map(self.columns, finer))
        if statistic == "mean":
            offset += self.column_bytes("max") * sum(map(self.columns, self.factors))
        return Place(offset, self.column_bytes(statistic) * self.columns(factor))

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return sum(self.level("mean", self.factors[-1]))

    def column_range(self, factor: int, start_channel: int, stop_channel: int) -> range:
        """Return the columns of a level that hold any of the file's channels [start_channel, stop_channel)."""
        first = max(0, start_channel - self.start_channel) // factor
        stop = -(-min(self.n_channels, stop_channel - self.start_channel) // factor)
        return range(first, max(first, stop))

    def level_part(self, statistic: Statistic, factor: int, columns: range) -> Place:
        """Return where consecutive columns of a level are."""
        size = self.column_bytes(statistic)
        return Place(self.level(statistic, factor).offset + columns.start * size, len(columns) * size)

    def noise_part(self, pairs: range) -> Place:
        """Return where the noise of consecutive runs of `noise_factor` channels is (see `column_range`)."""
        return Place(pairs.start * NOISE_PAIR.size, len(pairs) * NOISE_PAIR.size)


class Manifest(Record):
    """`jobs/{job_id}/waterfall/manifest.json`: how to read the objects of all chunks.

    It says itself what the layout follows from, so objects of versions that chose other rows or factors stay readable.
    """

    version: Literal[1] = 1
    header: Header = Field(description="Of the file.")
    plan: ChunkPlan
    spectra_per_average: int = Field(ge=1, le=MAX_SAMPLES, description="Spectra that the search averaged.")
    rows: int = Field(ge=1, le=MOST_ROWS)
    spectra_per_row: int = Field(ge=1, le=MAX_SAMPLES, description="Spectra of the file; the last row may have fewer.")
    factors: tuple[int, ...] = Field(min_length=1, max_length=32, description="Channels of a column, level by level.")
    noise_factor: int = Field(ge=1, le=2 * MAX_CHANNELS)
    samples_bytes: int = Field(ge=0, description="What the windows round hits of one search take at most.")

    @classmethod
    def of(cls, header: Header, max_drift_rate_hz_s: float, plan: ChunkPlan, file_bytes: int) -> Self:
        """Return the manifest of a job.

        Parameters
        ----------
        header : Header
            Of the file.
        max_drift_rate_hz_s : float
            Of the search: it decides how many spectra are averaged.
        plan : ChunkPlan
            The job's chunks.
        file_bytes : int
            Size of the uploaded file. A file that is larger than its samples counts as these.
        """
        per_average = spectra_per_average(header, max_drift_rate_hz_s)
        n_spectra = averaged_header(header, per_average).n_spectra
        averages_per_row = -(-n_spectra // MOST_ROWS)
        rows = -(-n_spectra // averages_per_row)
        unpacked = header.n_spectra * header.n_ifs * header.n_channels * header.n_bits // 8
        of_one_search = min(file_bytes, unpacked) // len(plan.searches)
        factors, noise_factor = _factors(plan, rows, _allowed(of_one_search, PYRAMID_PER_MILLE))
        return cls(
            header=header,
            # The lanes depend on the number of workers, and say nothing about the chunks.
            plan=plan.model_copy(update={"lanes": 1}),
            spectra_per_average=per_average,
            rows=rows,
            spectra_per_row=averages_per_row * per_average,
            factors=factors,
            noise_factor=noise_factor,
            samples_bytes=_allowed(of_one_search, SAMPLES_PER_MILLE),
        )

    @property
    def chunks_of_one_search(self) -> int:
        """Number of chunks of each search; those of the first search come first."""
        return self.plan.count // len(self.plan.searches)

    def layout(self, chunk: int) -> ChunkLayout:
        """Return the layout of a chunk's pyramid."""
        channels = self.plan.chunk(chunk).channels
        return ChunkLayout(channels.start, len(channels), self.rows, self.factors, self.noise_factor)

    def most_samples_bytes(self, chunk: int) -> int:
        """Return the most bytes of a chunk's windows round hits: its part of those of the whole search."""
        return self.samples_bytes * len(self.plan.chunk(chunk).channels) // self.header.n_channels


def _allowed(file_bytes: int, per_mille: float) -> int:
    return max(SMALL_FILE_BYTES, int(file_bytes * per_mille / 1000))


def _factors(plan: ChunkPlan, rows: int, most_bytes: int) -> tuple[tuple[int, ...], int]:
    """Return the finest levels, and noise_factor, with which the pyramids of one search fit in `most_bytes`.

    All chunks have the levels of the widest. There is one level at least, of a single column if need be.
    """
    chunks, widest = plan.count // len(plan.searches), min(plan.n_channels, -(-plan.stride_channels // plan.parts))
    noise_factor = FINEST_NOISE_FACTOR
    while noise_factor < widest and NOISE_PAIR.size * plan.n_channels / noise_factor > most_bytes / NOISE_PART:
        noise_factor *= 2
    finest = FINEST_FACTOR
    while True:
        factors = [finest]
        while widest >= FEWEST_COLUMNS * LEVEL_FACTOR * factors[-1]:
            factors.append(LEVEL_FACTOR * factors[-1])
        # Each further chunk begins with a column, and a pair, of its own.
        more = (2 * rows + 1) * len(factors) + NOISE_PAIR.size
        size = ChunkLayout(0, plan.n_channels, rows, factors, noise_factor).size + (chunks - 1) * more
        if finest >= widest or size <= most_bytes:
            return tuple(factors), noise_factor
        finest *= 2


class Window(NamedTuple):
    """Channels of a `samples` object: `n_channels` columns, of one code per row each, from byte `offset` on."""

    start_channel: int
    n_channels: int
    offset: int


def pack_windows(channels: Sequence[range], rows: int) -> bytes:
    """Return the head of a `samples` object whose windows hold these channels, in order."""
    offset, entries = _COUNT.size + _WINDOW.size * len(channels), []
    for window in channels:
        entries.append(_WINDOW.pack(window.start, len(window), offset))
        offset += rows * len(window)
    return _COUNT.pack(len(channels)) + b"".join(entries)


def head_bytes(windows: int) -> int:
    """Return the bytes of the head of a `samples` object."""
    return _COUNT.size + _WINDOW.size * windows


def read_windows(head: bytes) -> list[Window]:
    """Return the windows that the first bytes of a `samples` object list, in order of channel.

    Raises
    ------
    ValueError
        The head is longer than these bytes; `head_bytes(MOST_WINDOWS)` are always enough.
    """
    count = _COUNT.unpack_from(head)[0] if len(head) >= head_bytes(0) else 0
    if len(head) < head_bytes(count):
        raise ValueError(f"{len(head)} bytes are no head of {count} windows")
    return [Window(*_WINDOW.unpack_from(head, head_bytes(k))) for k in range(count)]
