"""The zoomable waterfall of one chunk: its power at several resolutions, and every channel round the hits.

What is encoded is what was searched: power in units of sigma with the chunk's bandpass and noise, and with wide
emissions. `shared.waterfall` says where each value is.
"""

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import cache
from typing import NamedTuple

import numpy as np

from services.dedoppler.kernels import pyramid as kernels
from services.dedoppler.kernels.codes import code_table
from services.dedoppler.kernels.pyramid import Levels, Sums
from services.dedoppler.kernels.pyramid_strips import Block
from services.dedoppler.noise.conditioning import Conditioned
from services.dedoppler.noise.wide_structure import Flattened, Stretch
from services.dedoppler.slices import runs, slices
from services.dedoppler.threads import together
from shared.arrays import Flags, Floats
from shared.events import Chunk
from shared.waterfall import MOST_WINDOWS, ChunkLayout, Manifest, pack_windows

# Channels of one task; more where a column of the finest level has more.
CHANNELS_PER_TASK = 2**15
# Channels beside a track that are kept whole, and the widest window: a wide emission is broad enough to be seen.
WINDOW_MARGIN, WIDEST_WINDOW = 128, 4096

table = cache(code_table)


class Track(NamedTuple):
    """The channels [low, high) of the file that a signal crosses, and its SNR."""

    low: int
    high: int
    snr: float


class ChunkPyramid:
    """The objects of one chunk; without noise, they say that there is no sample."""

    def __init__(self, manifest: Manifest, chunk: Chunk) -> None:
        """Prepare the objects of a chunk without noise."""
        self._manifest, self._chunk = manifest, chunk
        self._layout = manifest.layout(chunk.index)
        self._codes: Flags | None = None
        self.samples = pack_windows([], manifest.rows)

    @property
    def pyramid(self) -> bytes:
        """The pyramid."""
        return bytes(self._layout.size) if self._codes is None else self._codes.tobytes()

    def fill(
        self, conditioned: Conditioned, flattened: Sequence[Flattened], tracks: Sequence[Track], pool: Executor
    ) -> None:
        """Encode the chunk.

        Parameters
        ----------
        conditioned : Conditioned
            Normalised power, and the noise; the chunk's own channels are encoded.
        flattened : sequence of Flattened
            What was taken off in addition to the bandpass.
        tracks : sequence of Track
            Where there are signals.
        pool : Executor
            Threads to work on; the result does not depend on their number.
        """
        layout, n_spectra = self._layout, len(conditioned.x)
        per_row = self._manifest.spectra_per_row // self._manifest.spectra_per_average
        if -(-n_spectra // per_row) != layout.rows:
            raise ValueError(f"{n_spectra} spectra make no {layout.rows} rows of {per_row}")
        first = layout.start_channel - self._chunk.read_start_channel + conditioned.pad
        block = Block(conditioned.x, first, layout.n_channels, per_row)
        codes = np.zeros(layout.size, np.uint8)
        pairs = _noise(conditioned.stretches, flattened, first, layout)
        # Of one spectrum, as the file has them.
        pairs[:, 1] *= math.sqrt(self._manifest.spectra_per_average)
        codes[: layout.noise.length] = pairs.astype("<f4").view(np.uint8).ravel()
        _fill_levels(block, layout, codes, pool)
        self._codes = codes
        most = self._manifest.most_samples_bytes(self._chunk.index) // layout.rows
        self.samples = _samples(block, windows_of(tracks, self._chunk.channels, most), layout, pool)


def _fill_levels(block: Block, layout: ChunkLayout, codes: Flags, pool: Executor) -> None:
    """Fill in all levels: the finest ones part by part, the others from the sums of these."""
    factors = list(layout.factors)
    enough = (k + 1 for k, factor in enumerate(factors) if factor >= CHANNELS_PER_TASK)
    depth = min(len(factors), max(2, next(enough, len(factors))))
    begins = [[layout.level(statistic, factor).offset for factor in factors] for statistic in ("max", "mean")]
    levels = Levels(codes, *(np.array(some, np.int64) for some in (factors, *begins)))
    parts = slices(0, block.channels, factors[depth - 1])
    shape = layout.rows, len(parts)
    sums = Sums(np.empty(shape, np.float32), np.empty(shape, np.float32))

    def fill(part: int) -> None:
        of_part = Sums(sums.total[:, part : part + 1], sums.number[:, part : part + 1])
        kernels.fill_part(block, parts[part], depth, table(), levels, of_part)

    together(pool, fill, [(part,) for part in range(len(parts))])
    kernels.fill_rest(sums, depth, block.channels, table(), levels)


def _noise(stretches: Sequence[Stretch], flattened: Sequence[Flattened], first: int, layout: ChunkLayout) -> Floats:
    """Return level and sigma of a sample in the middle of each run of channels, float64 (pairs, 2)."""
    edges = np.minimum(np.arange(layout.columns(layout.noise_factor) + 1) * layout.noise_factor, layout.n_channels)
    at = first + (edges[:-1] + edges[1:] - 1) / 2
    pairs = np.zeros((len(at), 2))
    for stretch in stretches:
        inside, shape = (at >= stretch.first) & (at < stretch.stop), stretch.shape
        for column, values in enumerate((shape.level, shape.sigma)):
            pairs[inside, column] = np.interp(at[inside], shape.centres, values)
    for one in flattened:
        inside = (at >= one.first) & (at < one.first + len(one.level))
        columns = one.first + np.arange(len(one.level))
        level, gain = (np.interp(at[inside], columns, values) for values in (one.level, one.gain))
        pairs[inside, 0] += pairs[inside, 1] * level
        # Where all samples are lost, sigma stays.
        pairs[inside, 1] /= np.where(gain > 0, gain, 1.0)
    return pairs


def windows_of(tracks: Sequence[Track], own: range, most_channels: int) -> list[range]:
    """Return which channels to keep whole: those of the strongest signals, and a margin.

    Parameters
    ----------
    tracks : sequence of Track
        Signals, in any order.
    own : range
        The channels that a chunk owns.
    most_channels : int
        Largest number of channels. A signal that would exceed it is passed over, and so are very wide ones.

    Returns
    -------
    list of range
        In order of channel; none touches another.
    """
    kept, taken, windows = np.zeros(len(own), np.uint8), 0, 0
    for low, high, _ in sorted(tracks, key=lambda track: (-track.snr, track.low, track.high)):
        window = kept[max(0, low - WINDOW_MARGIN - own.start) : max(0, high + WINDOW_MARGIN - own.start)]
        more = len(window) - int(np.count_nonzero(window))
        if more and len(window) <= WIDEST_WINDOW and taken + more <= most_channels and windows < MOST_WINDOWS:
            window[:] = 1
            taken, windows = taken + more, windows + 1
    return [range(own.start + low, own.start + high) for low, high in runs(kept, gap=0)]


def _samples(block: Block, windows: Sequence[range], layout: ChunkLayout, pool: Executor) -> bytes:
    """Return the object that keeps windows whole."""
    codes = [np.empty((len(window), layout.rows), np.uint8) for window in windows]

    def fill(window: range, out: Flags) -> None:
        channels = window.start - layout.start_channel, window.stop - layout.start_channel
        kernels.fill_window(block, channels, table(), out)

    together(pool, fill, zip(windows, codes, strict=True))
    return pack_windows(windows, layout.rows) + b"".join(some.tobytes() for some in codes)
