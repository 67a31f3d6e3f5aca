"""Observations in memory, with the pyramids that dedoppler would write: obvious references for tests of the waterfall.

Values are in units of sigma. What is asked for is cut from whole arrays, level by level, as the API describes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.waterfall import CODE_OF_ZERO, CODES_PER_E_FOLD, LARGEST_CODE

Values = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]


def codes_of(values: npt.NDArray[np.floating[Any]]) -> Codes:
    """Return the codes of values in sigmas; 0 where they are NaN."""
    codes = np.clip(np.rint(CODE_OF_ZERO + CODES_PER_E_FOLD * np.arcsinh(values / 2)), 1, LARGEST_CODE)
    return np.where(np.isnan(values), 0, codes).astype(np.uint8)


def sigmas_of(codes: Codes) -> npt.NDArray[np.float64]:
    """Return the values of codes."""
    values = 2 * np.sinh((codes.astype(float) - CODE_OF_ZERO) / CODES_PER_E_FOLD)
    return np.where(codes == 0, np.nan, values)


class Chunk:
    """A chunk's samples in sigmas, and the columns of its levels, each made once."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self._levels: dict[tuple[str, int], Codes] = {}

    def level(self, statistic: str, factor: int) -> Codes:
        """Return the codes of a level, (columns, rows), and with the maxima a last one: the integrated value."""
        key = (statistic, factor)
        if key not in self._levels:
            self._levels[key] = codes_of(self._column_values(statistic, factor))
        return self._levels[key]

    def _column_values(self, statistic: str, factor: int) -> npt.NDArray[np.floating[Any]]:
        rows, n_channels = self.values.shape
        starts = np.arange(0, n_channels, factor)
        if statistic == "max":
            integrated = self.values.sum(axis=0) / np.sqrt(rows)
            both = np.concatenate([self.values, integrated[None]])
            return np.maximum.reduceat(both, starts, axis=1).T
        counts = np.diff(np.append(starts, n_channels))
        return (np.add.reduceat(self.values, starts, axis=1) / np.sqrt(counts)).T


@dataclass
class Sky:
    """One observation: chunks of equal rows side by side, and how its channels lie in frequency."""

    chunks: Sequence[Chunk]
    first_channel_hz: float = 1.42e9
    channel_width_hz: float = 2.7939677238464355
    spectrum_s: float = 18.253611008
    start_mjd: float = 59000.5
    factors: Sequence[int] = (16, 64, 256, 1024, 4096, 16384, 65536)
    # Channels whose single samples are kept, as (first, number).
    windows: Sequence[tuple[int, int]] = ()
    spectra_readable: bool = False
    noise_factor: int = 256
    level: float = 100.0
    sigma: float = 4.0
    source_name: str = "HIP 39826"
    other: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows; here each is one spectrum."""
        return len(self.chunks[0].values)

    @property
    def edges(self) -> list[int]:
        """First channels of the chunks, and the number of channels."""
        return list(accumulate((chunk.values.shape[1] for chunk in self.chunks), initial=0))

    def manifest(self) -> dict[str, Any]:
        """Return the answer of GET /jobs/{id}/waterfall."""
        return {
            "n_channels": self.edges[-1],
            "first_channel_hz": self.first_channel_hz,
            "channel_width_hz": self.channel_width_hz,
            "n_spectra": self.rows,
            "spectrum_s": self.spectrum_s,
            "start_mjd": self.start_mjd,
            "rows": self.rows,
            "spectra_per_row": 1,
            "factors": list(self.factors),
            "chunk_edges": self.edges,
            "noise_factor": self.noise_factor,
            "sigma_relative": self.sigma / self.level,
            "spectra_readable": self.spectra_readable,
            "source_name": self.source_name,
        } | dict(self.other)

    def frequency_hz(self, channel: int) -> float:
        """Return the frequency of a channel's centre."""
        return self.first_channel_hz + channel * self.channel_width_hz

    def columns(self, statistic: str, factor: int, start: int, stop: int) -> bytes:
        """Return the columns of a level that hold any of the channels."""
        parts = []
        for chunk, low in zip(self.chunks, self.edges, strict=False):
            first, last = max(0, start - low), min(chunk.values.shape[1], stop - low)
            if first < last:
                parts.append(chunk.level(statistic, factor)[first // factor : -(-last // factor)].tobytes())
        return b"".join(parts)

    def samples(self, start: int, stop: int) -> Values:
        """Return the values of single channels, (rows, channels)."""
        parts = [
            chunk.values[:, max(0, start - low) : max(0, stop - low)]
            for chunk, low in zip(self.chunks, self.edges, strict=False)
        ]
        return np.concatenate(parts, axis=1)

    def window_bytes(self, start: int, stop: int) -> bytes:
        """Return the answer of GET /jobs/{id}/waterfall/samples."""
        found = [(first, count) for first, count in self.windows if first < stop and first + count > start]
        head = np.array([len(found)], "<u4").tobytes()
        table = np.array(found, dtype=[("start", "<u8"), ("count", "<u4")]).tobytes()
        return head + table + b"".join(codes_of(self.samples(a, a + n)).T.tobytes() for a, n in found)

    def noise_bytes(self, start: int, stop: int) -> bytes:
        """Return the answer of GET /jobs/{id}/waterfall/noise."""
        pairs = 0
        for low, high in zip(self.edges, self.edges[1:], strict=False):
            first, last = max(0, start - low), min(high - low, stop - low)
            if first < last:
                pairs += -(-last // self.noise_factor) - first // self.noise_factor
        return np.tile(np.array([self.level, self.sigma], "<f4"), pairs).tobytes()

    def raw_bytes(self, start: int, stop: int) -> bytes:
        """Return the answer of GET /jobs/{id}/spectra?format=raw: the observation's own samples, float32."""
        return (self.level + self.sigma * self.samples(start, stop)).astype("<f4").tobytes()


def noise(rows: int, n_channels: int, seed: int) -> Values:
    """Return normal noise of sigma 1."""
    return np.random.default_rng(seed).standard_normal((rows, n_channels), np.float32)


def with_tone(values: Values, channel: float, snr: float, drift_channels: float = 0.0) -> Values:
    """Return values and a tone of one channel, which moves by so many channels over the observation."""
    values = values.copy()
    rows = len(values)
    at = np.rint(channel + drift_channels * np.arange(rows) / rows).astype(int)
    values[np.arange(rows), at] += snr / np.sqrt(rows)
    return values


@cache
def _noise_chunk(rows: int, n_channels: int) -> Chunk:
    return Chunk(noise(rows, n_channels, seed=1))


def wide_sky(tone_channel: int, snr: float, *, n_chunks: int = 64, chunk_channels: int = 2**20, **other: Any) -> Sky:
    """Return a sky of many chunks, all of the same noise but for one that has a tone of one channel besides."""
    quiet = _noise_chunk(16, chunk_channels)
    chunks = [quiet] * n_chunks
    at, channel = divmod(tone_channel, chunk_channels)
    chunks[at] = Chunk(with_tone(quiet.values, channel, snr))
    return Sky(chunks, **other)
