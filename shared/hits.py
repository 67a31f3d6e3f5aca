"""The hits object: the result of the search of one chunk, stored in S3 for classify and export."""

import io
import json
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
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
        ("curvature_hz_s2", np.float64),  # change of the drift rate along the best parabola; 0 if straight
        ("curvature_error_hz_s2", np.float64),  # infinite if there are too few spectra to tell
        ("curved_snr", np.float64),  # SNR along the parabola; that of the path if it is straight
    ]
)
# What hits of versions before a field existed have in it.
_ADDED_FIELDS = dict.fromkeys(("false_alarms", "curvature_hz_s2", "curvature_error_hz_s2", "curved_snr"), np.nan)

# Wider hits are emissions, on which there may be lines.
WIDE_CHANNELS = 256


@dataclass(frozen=True)
class Cutout:
    """Normalised power around one hit's path (mean 0, sigma 1 of the chunk's noise).

    `power` is float32 of shape (rows, channels); row `i` averages spectra `[i * spectra_per_row, (i+1) * ...)`,
    its first column is the file's channel `start_channel`.
    """

    power: Power
    start_channel: int
    spectra_per_row: int = 1


@dataclass(frozen=True, order=True)
class Gap:
    """A box that is lost, or holds lost samples: channels and spectra of the file, stops excluded.

    `samples` is the number of lost samples in it.
    """

    start_channel: int
    stop_channel: int
    start_spectrum: int
    stop_spectrum: int
    samples: int


@dataclass(frozen=True, order=True)
class GainChange:
    """Spectra in which some channels are brighter or fainter than usual; stops are excluded.

    `factor` is their gain in units of the usual one, the lower quartile of all spectra.
    """

    start_channel: int
    stop_channel: int
    start_spectrum: int
    stop_spectrum: int
    factor: float

    @property
    def samples(self) -> int:
        """Number of samples that changed."""
        return (self.stop_channel - self.start_channel) * (self.stop_spectrum - self.start_spectrum)


@dataclass(frozen=True)
class ChunkNoise:
    """The noise that the search measured in one chunk; None for what was not measured.

    `level` and `sigma` are the medians over the chunk's channels of the mean power and of its scatter, in the file's
    units. `largest_row_offset_sigma` is how far the mean of a spectrum is from the mean of all, in sigma.
    `lost_fraction` is the part of the samples that was left out (NaN, zero or constant), 0 to 1. `dead_channels`
    counts the channels that never change. `gaps` are the largest of the boxes that are lost, in the chunk's own
    channels, and `lost_elsewhere` is the number of lost samples in none of them; none are listed where next to nothing
    is lost. `gain_changes` are the largest changes of gain with time, which were taken out.
    """

    level: float | None = None
    sigma: float | None = None
    largest_row_offset_sigma: float | None = None
    lost_fraction: float | None = None
    dead_channels: int | None = None
    lost_elsewhere: int | None = None
    gaps: tuple[Gap, ...] = ()
    gain_changes: tuple[GainChange, ...] = ()


# Fields of `ChunkNoise` that are lists of boxes.
_BOXES = {"gaps": Gap, "gain_changes": GainChange}


@dataclass(frozen=True)
class ChunkHits:
    """Everything that the search of one chunk found.

    `hits` has dtype `HIT_DTYPE`; `cutouts[i]` belongs to `hits[i]`. `channels` are the file's channels that the chunk
    owns; None if the object was stored by an early version, which did not write them. `waterfall` is float32
    (rows, bins): the chunk's own channels, each bin the maximum over its channels and the mean over its spectra, in
    units of sigma, for the picture of the whole observation. `ifs` are the IFs that were searched, as a sum if several.
    """

    hits: Hits
    cutouts: Sequence[Cutout]
    channels: range | None
    noise: ChunkNoise
    waterfall: Power
    warnings: list[str] = field(default_factory=list)
    ifs: tuple[int, ...] = (0,)

    def statistics(self) -> dict[str, float]:
        """Return the noise and the chunk's channels as numbers by name, in order of name; without what is None."""
        values = asdict(self.noise).items()
        known = {name: float(value) for name, value in values if value is not None and name not in _BOXES}
        if self.channels is not None:
            known |= {"start_channel": float(self.channels.start), "stop_channel": float(self.channels.stop)}
        return dict(sorted(known.items()))

    def to_bytes(self) -> bytes:
        """Serialise as `.npz`; the same content gives the same bytes."""
        powers = [c.power.astype(np.float32, copy=False).ravel() for c in self.cutouts]
        layout = np.array(
            [(*c.power.shape, c.start_channel, c.spectra_per_row) for c in self.cutouts], dtype=np.int64
        ).reshape(-1, 4)
        listed = {name: getattr(self.noise, name) for name in _BOXES}
        more: dict[str, Any] = {name: [astuple(box) for box in some] for name, some in listed.items() if some}
        if self.ifs != (0,):
            more["ifs"] = self.ifs
        text = json.dumps({"noise": self.statistics(), "warnings": self.warnings, **more})
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
            power, cutouts, at = _cutout_power(raw, archive), [], 0
            for rows, channels, start_channel, spectra_per_row in archive["cutout_layout"].tolist():
                block = power[at : at + rows * channels].reshape(rows, channels)
                cutouts.append(Cutout(block, start_channel, spectra_per_row))
                at += rows * channels
            statistics = metadata["noise"]
            return cls(
                hits=_with_added_fields(archive["hits"]),
                cutouts=cutouts,
                channels=_channels_in(statistics),
                noise=_noise_in(statistics, metadata),
                waterfall=archive["waterfall"],
                warnings=metadata["warnings"],
                ifs=tuple(metadata.get("ifs", (0,))),
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


def _cutout_power(raw: bytes, archive: np.lib.npyio.NpzFile) -> Power:
    """Return the samples of all cut-outs, most of the object, as a view of its bytes where these are not compressed."""
    assert archive.zip is not None
    member = archive.zip.getinfo("cutout_power.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        return np.asarray(archive["cutout_power"], np.float32)
    # The data follow the member's own header, whose last two fields are the lengths of a name and of an extra field.
    start = member.header_offset + 30 + sum(struct.unpack_from("<2H", raw, member.header_offset + 26))
    with io.BytesIO(raw[start : start + 256]) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            return np.asarray(archive["cutout_power"], np.float32)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        start += file.tell()
    return np.frombuffer(raw, dtype, int(np.prod(shape)), start)


def _channels_in(statistics: Mapping[str, float]) -> range | None:
    start, stop = statistics.get("start_channel"), statistics.get("stop_channel")
    return range(int(start), int(stop)) if start is not None and stop is not None else None


def _noise_in(statistics: Mapping[str, float], metadata: Mapping[str, Any]) -> ChunkNoise:
    dead, elsewhere = statistics.get("dead_channels"), statistics.get("lost_elsewhere")
    return ChunkNoise(
        level=statistics.get("level"),
        sigma=statistics.get("sigma"),
        largest_row_offset_sigma=statistics.get("largest_row_offset_sigma"),
        lost_fraction=statistics.get("lost_fraction"),
        dead_channels=None if dead is None else int(dead),
        lost_elsewhere=None if elsewhere is None else int(elsewhere),
        # Early versions did not list boxes.
        gaps=tuple(Gap(*box) for box in metadata.get("gaps", ())),
        gain_changes=tuple(GainChange(*box) for box in metadata.get("gain_changes", ())),
    )


def merge_hits(hits: Hits, chunk: Indices, most: int | None = None) -> Indices:
    """Keep each emitter once if neighbouring chunks both found it, and of what is left the `most` strongest.

    From the strongest hit down, a hit removes every weaker hit of another chunk in its footprint: within
    `|dsteps| + width` channels of it, where `dsteps` is the difference of their drifts and `width` the stronger hit's.
    Hits of one chunk are different emitters at any distance, as the search already removed repeats. A wide emission
    never removes a line on it, nor a line the emission. Equal SNRs are ordered by channel, then steps, so the result
    does not depend on the order of the input (except for exact duplicates, of which the first is kept).

    Parameters
    ----------
    hits
        `HIT_DTYPE`, (n,), in any order.
    chunk
        (n,), the chunk of each hit.
    most
        Largest number of hits to keep; None for all.

    Returns
    -------
    ndarray
        Indices of the hits that are kept, sorted by (channel, steps).
    """
    strongest = np.lexsort((hits["steps"], hits["channel"], -hits["snr"]))
    kept, taken = np.empty(0, np.int64), 0
    # A weaker hit never removes a stronger one, so a number of the strongest hits are merged as if they were alone.
    while len(kept) < (len(hits) if most is None else most) and taken < len(hits):
        taken = len(hits) if most is None else min(len(hits), max(2 * taken, most))
        among = strongest[:taken]
        kept = among[_without_repeats(hits[among], chunk[among])][:most]
    return np.asarray(kept[np.lexsort((hits["steps"][kept], hits["channel"][kept]))], np.int64)


def _without_repeats(hits: Hits, chunk: Indices) -> Indices:
    """Return the positions of the hits that no stronger one removes; `hits` and the result begin with the strongest."""
    by_channel = np.argsort(hits["channel"], kind="stable")
    channel, chunk_of = hits["channel"][by_channel], chunk[by_channel]
    steps, width = hits["steps"][by_channel].astype(np.int64), hits["width"][by_channel].astype(np.int64)
    is_wide = width > WIDE_CHANNELS
    widest_difference = int(steps.max() - steps.min()) if len(hits) else 0
    alive, kept_already = np.ones(len(hits), dtype=bool), np.zeros(len(hits), dtype=bool)
    place = np.empty(len(hits), np.int64)
    place[by_channel] = np.arange(len(hits))
    for i in place[_near_another_chunk(hits["channel"], chunk, channel, chunk_of, widest_difference + width)]:
        if not alive[i]:
            continue
        reach = widest_difference + width[i]
        near = slice(
            np.searchsorted(channel, channel[i] - reach), np.searchsorted(channel, channel[i] + reach, side="right")
        )
        inside = np.abs(channel[near] - channel[i]) <= np.abs(steps[near] - steps[i]) + width[i]
        kept_already[i] = True
        apart = (chunk_of[near] == chunk_of[i]) | (is_wide[near] != is_wide[i])
        alive[near] &= ~inside | kept_already[near] | apart
    return np.flatnonzero(alive[place])


def _near_another_chunk(at: Indices, of: Indices, channel: Indices, chunk_of: Indices, reach: Indices) -> Indices:
    """Return the positions of the hits within reach of one of another chunk; only these can be repeats.

    `at` and `of` are the channel and chunk of each hit, `channel` and `chunk_of` the same in order of channel.
    """
    if not len(at):
        return np.empty(0, np.int64)
    farthest = int(reach.max())
    changes = np.concatenate([[0], np.cumsum(chunk_of[1:] != chunk_of[:-1])])
    low = np.searchsorted(channel, at - farthest)
    high = np.searchsorted(channel, at + farthest, side="right") - 1
    return np.flatnonzero(changes[high] != changes[low])
