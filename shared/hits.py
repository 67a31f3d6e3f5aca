"""The hits object: the result of the search of one chunk, stored in S3 for classify and export."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from shared.arrays import Hits, Indices, Power

HIT_DTYPE = np.dtype(
    [
        ("channel", np.int64),  # first channel of the box in the first spectrum, counted from the file's channel 0
        ("steps", np.int32),  # channels moved from the first spectrum to the last, with sign
        ("width", np.int32),  # channels of the box
        ("snr", np.float64),  # calibrated: (path sum - expectation) / (sqrt(T * width) * sigma)
        ("snr_error", np.float64),
        ("snr_turboseti", np.float64),  # the definition of turboSETI, for comparison with old catalogues
        ("frequency_hz", np.float64),  # centre of the signal in the middle of the first spectrum
        ("frequency_error_hz", np.float64),
        ("drift_rate_hz_s", np.float64),  # sky sign
        ("drift_rate_error_hz_s", np.float64),
        ("bandwidth_hz", np.float64),  # width of the box minus the smear of the drift, at least one channel
        ("bandwidth_error_hz", np.float64),
        ("false_alarms", np.float64),  # hits of this SNR or above that noise alone would make in the whole search
    ]
)
# What hits of versions before a field existed have in it.
_ADDED_FIELDS = {"false_alarms": np.nan}


@dataclass(frozen=True)
class Cutout:
    """Normalised power around one hit's path (mean 0, sigma 1 of the chunk's noise).

    `power` is float32 of shape (rows, channels); row `i` averages spectra `[i * spectra_per_row, (i+1) * ...)`,
    its first column is the file's channel `start_channel`.
    """

    power: Power
    start_channel: int
    spectra_per_row: int = 1


@dataclass(frozen=True)
class ChunkNoise:
    """The noise that the search measured in one chunk; None for what was not measured.

    `level` and `sigma` are the medians over the chunk's channels of the mean power and of its scatter, in the file's
    units. `largest_row_offset_sigma` is how far the mean of a spectrum is from the mean of all, in sigma.
    `lost_fraction` is the part of the samples that was left out (NaN, zero or constant), 0 to 1. `dead_channels`
    counts the channels that never change.
    """

    level: float | None = None
    sigma: float | None = None
    largest_row_offset_sigma: float | None = None
    lost_fraction: float | None = None
    dead_channels: int | None = None


@dataclass(frozen=True)
class ChunkHits:
    """Everything that the search of one chunk found.

    `hits` has dtype `HIT_DTYPE`; `cutouts[i]` belongs to `hits[i]`. `channels` are the file's channels that the chunk
    owns; None if the object was stored by an early version, which did not write them. `waterfall` is float32
    (rows, bins): the chunk's own channels, each bin the maximum over its channels and the mean over its spectra, in
    units of sigma, for the picture of the whole observation.
    """

    hits: Hits
    cutouts: list[Cutout]
    channels: range | None
    noise: ChunkNoise
    waterfall: Power
    warnings: list[str] = field(default_factory=list)

    def statistics(self) -> dict[str, float]:
        """Return the noise and the chunk's channels as numbers by name, in order of name; without what is None."""
        known = {name: float(value) for name, value in asdict(self.noise).items() if value is not None}
        if self.channels is not None:
            known |= {"start_channel": float(self.channels.start), "stop_channel": float(self.channels.stop)}
        return dict(sorted(known.items()))

    def to_bytes(self) -> bytes:
        """Serialise as `.npz`; the same content gives the same bytes."""
        powers = [c.power.astype(np.float32, copy=False).ravel() for c in self.cutouts]
        layout = np.array(
            [(*c.power.shape, c.start_channel, c.spectra_per_row) for c in self.cutouts], dtype=np.int64
        ).reshape(-1, 4)
        text = json.dumps({"noise": self.statistics(), "warnings": self.warnings})
        buffer = io.BytesIO()
        np.savez(
            buffer,
            hits=self.hits,
            cutout_layout=layout,
            cutout_power=np.concatenate(powers) if powers else np.empty(0, np.float32),
            waterfall=self.waterfall,
            metadata=np.frombuffer(text.encode(), dtype=np.uint8),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "ChunkHits":
        """Read what `to_bytes` of this version or an earlier one wrote."""
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            metadata: dict[str, Any] = json.loads(archive["metadata"].tobytes())
            power, cutouts, at = archive["cutout_power"], [], 0
            for rows, channels, start_channel, spectra_per_row in archive["cutout_layout"]:
                size = int(rows * channels)
                block = power[at : at + size].reshape(int(rows), int(channels))
                cutouts.append(Cutout(block, int(start_channel), int(spectra_per_row)))
                at += size
            statistics = metadata["noise"]
            return cls(
                hits=_with_added_fields(archive["hits"]),
                cutouts=cutouts,
                channels=_channels_in(statistics),
                noise=_noise_in(statistics),
                waterfall=archive["waterfall"],
                warnings=metadata["warnings"],
            )


def _with_added_fields(hits: Hits) -> Hits:
    """Return hits of this version or an earlier one with all fields of `HIT_DTYPE`."""
    if hits.dtype == HIT_DTYPE:
        return hits
    complete = np.zeros(len(hits), HIT_DTYPE)
    for name in HIT_DTYPE.names or ():
        known = name in (hits.dtype.names or ()) or name not in _ADDED_FIELDS
        complete[name] = hits[name] if known else _ADDED_FIELDS[name]
    return complete


def _channels_in(statistics: Mapping[str, float]) -> range | None:
    start, stop = statistics.get("start_channel"), statistics.get("stop_channel")
    return range(int(start), int(stop)) if start is not None and stop is not None else None


def _noise_in(statistics: Mapping[str, float]) -> ChunkNoise:
    dead = statistics.get("dead_channels")
    return ChunkNoise(
        level=statistics.get("level"),
        sigma=statistics.get("sigma"),
        largest_row_offset_sigma=statistics.get("largest_row_offset_sigma"),
        lost_fraction=statistics.get("lost_fraction"),
        dead_channels=None if dead is None else int(dead),
    )


def merge_hits(hits: Hits, chunk: Indices) -> Indices:
    """Keep each emitter once if neighbouring chunks both found it.

    From the strongest hit down, a hit removes every weaker hit of another chunk in its footprint: within
    `|dsteps| + width` channels of it, where `dsteps` is the difference of their drifts and `width` the stronger hit's.
    Hits of one chunk are different emitters at any distance, as the search already removed repeats. Equal SNRs are
    ordered by channel, then steps, so the result does not depend on the order of the input (except for exact
    duplicates, of which the first is kept).

    Parameters
    ----------
    hits
        `HIT_DTYPE`, (n,), in any order.
    chunk
        (n,), the chunk of each hit.

    Returns
    -------
    ndarray
        Indices of the hits that are kept, sorted by (channel, steps).
    """
    by_channel = np.argsort(hits["channel"], kind="stable")
    channel, chunk_of = hits["channel"][by_channel], chunk[by_channel]
    steps, width = hits["steps"][by_channel].astype(np.int64), hits["width"][by_channel].astype(np.int64)
    snr = hits["snr"][by_channel]
    alive, kept_already = np.ones(len(hits), dtype=bool), np.zeros(len(hits), dtype=bool)
    widest_difference = int(steps.max() - steps.min()) if len(hits) else 0
    for i in np.lexsort((steps, channel, -snr)):
        if not alive[i]:
            continue
        reach = widest_difference + width[i]
        near = slice(
            np.searchsorted(channel, channel[i] - reach), np.searchsorted(channel, channel[i] + reach, side="right")
        )
        inside = np.abs(channel[near] - channel[i]) <= np.abs(steps[near] - steps[i]) + width[i]
        kept_already[i] = True
        alive[near] &= ~inside | kept_already[near] | (chunk_of[near] == chunk_of[i])
    kept = by_channel[alive]
    order: Indices = kept[np.lexsort((hits["steps"][kept], hits["channel"][kept]))].astype(np.int64)
    return order
