"""The rules of the search: which boxes and drifts are tried, where noise is measured, and how sure a hit is.

Channels count from the file's first, `steps` is how far a path moves from the first spectrum to the last.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from shared.header import Header

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

# A tone found by the ladder keeps at least this part of the statistic that refinement then finds.
LADDER_EFFICIENCY = 0.8
INT16_MAX = 2**15 - 1
# Above that a box is no noise, and where one is the screen does not look.
SCREEN_BOX_SIGMA = 10.0
# How far below the threshold noise must stay on average, so that few tiles of 2048 starts hold a suspect.
SCREEN_MARGIN_SIGMA = 3.6
# Beyond that a wider group saves nothing any more.
SCREEN_MOST_LIFT = 1.3
# No box is wider than the larger of this and twice the widest rung.
WIDEST_BOX = 256
BLOCK_CHANNELS = 2048
NARROWEST_BLOCK = 1024
TILE_SAMPLES = 512
MOST_TILES_IN_TIME = 256
SIGMA_SMOOTHING_BLOCKS = 5
# Detected power is positive and far above zero in units of its scatter, unless a mean was subtracted.
POSITIVE_POWER_SIGMA = 5.0
MOST_LEAKAGE_CHANNELS = 4096
CUTOUT_MARGIN = 32
CUTOUT_ROWS = 64
CUTOUT_SAMPLES = 2**18
WATERFALL_ROWS = 64
WATERFALL_BINS = 2048
FEWEST_WATERFALL_BINS = 64


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder: boxes of `width` channels every `hop` channels, along paths of each of `steps`."""

    width: int
    hop: int
    steps: Indices


@dataclass(frozen=True)
class LadderShape:
    """How finely the ladder is made.

    An octave of widths has the `mantissas` times a power of two (above the first few widths). Starts are at most a
    `hops_per_box`th of a width apart, drifts a `drifts_per_width`th.
    """

    mantissas: tuple[int, ...] = (4, 6)
    hops_per_box: int = 6
    drifts_per_width: int = 2

    def widths(self) -> list[int]:
        """1, 2, 3, then the octaves: 4, 6, 8, 12, ..."""
        return [1, 2, 3, *(mantissa << octave for octave in range(18) for mantissa in self.mantissas)]

    def hop(self, width: int) -> int:
        """The largest power of two that is small enough and divides the width: sums of it are made by halving."""
        hop = 1
        while 2 * hop * self.hops_per_box <= width and width % (2 * hop) == 0:
            hop *= 2
        return hop

    def drift_step(self, width: int) -> int:
        """Steps between the drifts of a rung."""
        return 1 if width < 4 else max(1, width // self.drifts_per_width)


# Keeps 0.96 of a tone on average and 0.89 at least; finer shapes cost more than they give: see
# `science.measure.ladder_tradeoff`.
LADDER = LadderShape()


def plan_rungs(n_spectra: int, max_steps: int, shape: LadderShape = LADDER) -> tuple[Rung, ...]:
    """The ladder over every drift from -max_steps to max_steps, zero and both ends included.

    A tone that moves by `r = |steps| / (T - 1)` channels per spectrum is smeared over about `r + 1` of them, so each
    part of an octave of `r` has boxes of about that width, at a drift step of half of it. Single channels and pairs
    are searched over all slow drifts: a tone between two channels needs both.
    """
    widths, moves = shape.widths(), n_spectra - 1
    rungs = [_rung(shape, 1, 0, min(moves, max_steps)), _rung(shape, 2, 0, min(2 * moves, max_steps))]
    for width, (below, above) in zip(widths[2:], zip(widths[1:], widths[3:], strict=False), strict=False):
        # Between the middle of this width and the one below, and that of this and the one above.
        low, high = ((below + width - 1) * moves) // 2, ((width + above - 1) * moves) // 2
        if low >= max_steps:
            break
        rungs.append(_rung(shape, width, low + 1, min(high, max_steps)))
    return tuple(rungs)


def _rung(shape: LadderShape, width: int, low: int, high: int) -> Rung:
    steps = np.arange(low, high + 1, shape.drift_step(width))
    steps = np.append(steps, high)
    return Rung(width, shape.hop(width), np.unique(np.concatenate([-steps, steps])).astype(np.int64))


@dataclass(frozen=True)
class Quantisation:
    """How the columns of one hop (sums of its channels) are rounded to 16-bit integers, quanta, for the screen.

    Quanta per sigma of one channel, where columns are cut off, and the box that makes a tile suspect, all in quanta.
    """

    quanta_per_sigma: float
    lowest: int
    highest: int
    largest_box: int


def quantisation(rungs: Sequence[Rung], n_spectra: int) -> Quantisation:
    """That of rungs of one hop.

    T boxes of up to `largest_box` add up within int16, and that is `SCREEN_BOX_SIGMA` of the widest rung's boxes. A box
    of any rung that holds a column cut off at `highest` has at least as many quanta, as no other column is below
    `lowest`; so a tile that holds such a box is suspect.
    """
    hop, per_box = rungs[0].hop, max(rung.width // rung.hop for rung in rungs)
    highest = INT16_MAX // per_box
    largest_box = min(INT16_MAX // n_spectra, highest // 2)
    lowest = -((highest - largest_box) // (per_box - 1)) if per_box > 1 else -INT16_MAX
    return Quantisation(largest_box / (SCREEN_BOX_SIGMA * math.sqrt(per_box * hop)), lowest, highest, largest_box)


@dataclass(frozen=True)
class Screen:
    """How a rung's paths are bounded: drifts within `span` steps together, by sums of at least `limit` quanta."""

    span: int
    limit: int


def plan_screen(rung: Rung, quanta: Quantisation, n_spectra: int, snr_threshold: float) -> Screen | None:
    """The widest groups of drifts whose bound noise seldom lifts above the threshold; None if there are none.

    Each of the samples of a path is off by half a quantum at most, and the ladder's own float32 sums by far less than a
    thousandth per sample. A group's windows are span / 2 channels longer than a box on average over the spectra, and
    the mean of the largest box in one is about that of the largest of n = 1 + 1.5 (span / 2) / width normal deviates,
    which is the quantile of (n - 0.375) / (n + 0.25); Blom 1958, Statistical Estimates and Transformed Beta-Variables.
    """
    if not quanta.largest_box:
        return None
    samples = n_spectra * rung.width // rung.hop
    sigma = quanta.quanta_per_sigma * math.sqrt(n_spectra * rung.width)
    limit = math.floor(snr_threshold * sigma - 0.501 * samples) - 1
    room = (limit / sigma - SCREEN_MARGIN_SIGMA) / math.sqrt(n_spectra)
    probability = NormalDist().cdf(min(room, SCREEN_MOST_LIFT))
    deviates = (0.375 + 0.25 * probability) / (1 - probability)
    span = int((deviates - 1) / 0.75 * rung.width)
    # Where no two drifts go together, the bound costs as much as what it saves.
    return Screen(span, limit) if span >= np.diff(rung.steps).min(initial=span + 1) else None


def seed_threshold(snr_threshold: float) -> float:
    """What the ladder must see of a signal that may prove to be above the threshold."""
    return LADDER_EFFICIENCY * snr_threshold


def widest_box(rungs: tuple[Rung, ...]) -> int:
    """Channels of the widest box that refinement tries."""
    return max(WIDEST_BOX, 2 * max(rung.width for rung in rungs))


def leakage_channels(snr: float, width: int, snr_threshold: float) -> int:
    """Channels beside a box in which the wings of so strong a tone may exceed half the threshold.

    An unwindowed transform leaks 1 / (2 pi^2 d^2) of a tone's power, on average over its phases, into the channel at
    distance `d`; the best box on such a wing is about `d` wide. A tone smeared over `width` channels leaks
    1 / (2 pi^2 d (d + width)): nearer than its width the wing falls more slowly, beyond it as that of a steady tone.
    """
    excess = snr / (math.pi**2 * snr_threshold)
    reach = min(excess**2 / width, math.cbrt(excess**2 * width))
    return min(MOST_LEAKAGE_CHANNELS, 1 + math.ceil(max(reach, math.cbrt(excess**2))))


def noise_segments(first: int, stop: int, n_channels: int, coarse_width: int | None) -> list[Indices]:
    """Edges of the blocks in which noise is measured, a rising array for each coarse channel in [first, stop).

    Blocks lie on one grid per coarse channel (or per file), whatever part of it is read, so that a channel's noise does
    not depend on the chunk. What is cut off narrower than `NARROWEST_BLOCK` joins its neighbour.
    """
    width = coarse_width or n_channels
    segments = []
    for start in range(first // width * width, stop, width):
        end = min(start + width, n_channels)
        count = max(1, round((end - start) / BLOCK_CHANNELS))
        grid = start + np.round(np.arange(count + 1) * ((end - start) / count)).astype(np.int64)
        inner = grid[(grid > max(start, first) + NARROWEST_BLOCK) & (grid < min(end, stop) - NARROWEST_BLOCK)]
        segments.append(np.concatenate([[max(start, first)], inner, [min(end, stop)]]).astype(np.int64))
    return segments


def rows_per_tile(n_spectra: int, block_channels: int) -> int:
    """Spectra in a tile of the noise measurement: one where a block of one spectrum holds enough samples."""
    wanted = max(math.ceil(TILE_SAMPLES / block_channels), math.ceil(n_spectra / MOST_TILES_IN_TIME))
    return min(wanted, n_spectra)


@dataclass(frozen=True)
class Bandpass:
    """Level and scatter per block, raw units, and the common offset of each tile of spectra in units of sigma.

    `tile_ok` (tiles in time, blocks) says which tiles hold noise.
    """

    level: Floats
    sigma: Floats
    tile_offset: Floats
    tile_ok: npt.NDArray[np.bool_]


def join_bandpass(level: Floats, scatter: Floats, number: Indices) -> Bandpass | None:
    """Join the statistics of tiles, each (tiles in time, blocks), `number` 0 where a tile holds no noise.

    A block's level is the mean over its good tiles, its scatter their median. Its sigma comes from its nearest five
    blocks, so that a bright tone that stays in one does not pass for noise: the median of their scatter in units of
    their level, which the band's shape leaves alone, times its own level. Blocks without noise take their nearest
    neighbours'. Spectra may be brighter or fainter as a whole: that is their offset. None if there is no noise at all.
    """
    ok = number > 0
    usable = ok.any(axis=0)
    if not usable.any():
        return None
    masked_level, masked_scatter = np.where(ok, level, np.nan)[:, usable], np.where(ok, scatter, np.nan)[:, usable]
    at, blocks = np.flatnonzero(usable), np.arange(level.shape[1])
    good_level, good_scatter = np.nanmean(masked_level, axis=0), np.nanmedian(masked_scatter, axis=0)
    # Where a mean was subtracted from the power, level says nothing of scatter.
    detected = good_level.min() > 0 and np.median(good_level / good_scatter) > POSITIVE_POWER_SIGMA
    gain = good_level if detected else np.ones(len(at))
    block_level = np.interp(blocks, at, good_level)
    block_sigma = np.interp(blocks, at, gain * _running_median(good_scatter / gain, SIGMA_SMOOTHING_BLOCKS))
    deviation = (masked_level - block_level[usable]) / block_sigma[usable]
    alive = ok.any(axis=1)
    offset = np.zeros(len(level))
    offset[alive] = np.nanmedian(deviation[alive], axis=1)
    return Bandpass(block_level, block_sigma, offset, ok)


def _running_median(values: Floats, window: int) -> Floats:
    """Median of the `window` values nearest to each: itself and its neighbours, at the ends more from one side."""
    windows = np.lib.stride_tricks.sliding_window_view(values, min(window, len(values)))
    medians = np.median(windows, axis=1)
    return medians[np.clip(np.arange(len(values)) - window // 2, 0, len(medians) - 1)]


def nodes(edges: Indices, values: Floats, *, positive: bool) -> tuple[Floats, Floats]:
    """Places and values of a bandpass in one segment: at the blocks' middles, and at the ends by the end's slope."""
    centres = (edges[:-1] + edges[1:] - 1) / 2
    if len(values) == 1:
        return centres, values
    ends = np.array([edges[0] - 0.5, edges[-1] - 0.5])
    slopes = np.diff(values)[[0, -1]] / np.diff(centres)[[0, -1]]
    outer = values[[0, -1]] + slopes * (ends - centres[[0, -1]])
    if positive:
        outer = np.maximum(outer, values[[0, -1]] / 2)
    return np.concatenate([ends[:1], centres, ends[1:]]), np.concatenate([outer[:1], values, outer[1:]])


def dc_channels(header: Header, first: int, stop: int) -> Indices:
    """Channels within [first, stop) that hold a DC spike: the middle one of each coarse channel."""
    width = header.coarse_channel_width
    if not header.has_dc_spike or not width:
        return np.empty(0, np.int64)
    middles = np.arange(width // 2, header.n_channels, width, dtype=np.int64)
    return middles[(middles >= first) & (middles < stop)]


@dataclass(frozen=True)
class Errors:
    """Standard errors of one hit: channels at the first spectrum, steps, channels of width, SNR."""

    channel: float
    steps: float
    width: float
    snr: float


def bandwidth_channels(width: int, steps: int, n_spectra: int) -> float:
    """Width of a box less the smear of its drift, at least one channel."""
    return max(1.0, width - abs(steps) / (n_spectra - 1))


def errors_of(snr: float, width: int, bandwidth: float) -> Errors:
    """How well a box and its path are known, one standard deviation.

    Summed along its track, a channel of the signal has an SNR of `snr / sqrt(width)`; let `q` be its inverse. A box
    that is moved a little gains and loses at its two edges.

    - A tone's edges are sharp: only its response and the whole channels of the path soften them, over e = 2.2 channels.
      Fisher's information gives sqrt(e / 2) q = 1.05 q for the middle of the track. Where noise is as strong as the
      tone (q near 1) an edge is found to about q^2 channels only, as change points are (Hinkley 1970, Biometrika 57).
    - The edges of an emission of some bandwidth `b` of its own are soft over `b` channels. A box of width `w` that is
      moved by `d` loses `snr d^2 / (w b)`, against noise of sqrt(2 d / w), so it strays by (sqrt(2) b q)^(2/3), as
      estimates of this kind do (Kim and Pollard 1990, Annals of Statistics 18).

    A line through equally good points is known at its first to twice the error of its middle, and from first to last
    to sqrt(12) times it. Whole channels and steps add their own part. The factors 2.5 and 0.25, those of the width and
    the parts of the grid are fitted to simulated signals: tones of SNR 12.5 to 200, up to 4 Hz/s, T 4, 16 and 60, and
    Gaussian lines of 10 to 300 Hz, SNR 15 to 150. Errors over stated ones scatter by 0.7 to 1.2 (1.5 for 100 Hz at
    SNR 15). Sigma itself is known to 0.5 %.

    Args:
        snr, width: of the box, channels.
        bandwidth: the box's width less the smear of its drift, at least 1; see `bandwidth_channels`.
    """
    q = math.sqrt(width) / max(snr, 1.0)
    sharp, soft = q * (1.05 + 2.5 * q), 0.25 * (math.sqrt(2) * (bandwidth - 1) * q) ** (2 / 3)
    middle = math.hypot(sharp, soft)
    return Errors(
        channel=math.hypot(0.3, 2 * middle),
        steps=math.hypot(0.5, math.sqrt(12) * middle),
        width=math.hypot(0.4, 3 * middle),
        snr=math.hypot(1.0, 0.005 * snr),
    )


def cutout_rows(n_spectra: int, channels: int) -> int:
    """Spectra averaged in each row of a cut-out, so that it stays small."""
    rows = min(CUTOUT_ROWS, max(8, CUTOUT_SAMPLES // channels))
    return math.ceil(n_spectra / rows)


def waterfall_shape(n_spectra: int, n_channels: int, chunk_count: int) -> tuple[int, int]:
    """(rows, bins) of a chunk's waterfall: enough for a picture in which all chunks stand side by side."""
    bins = max(FEWEST_WATERFALL_BINS, WATERFALL_BINS // chunk_count)
    return min(n_spectra, WATERFALL_ROWS), min(n_channels, bins)


def runs(flags: npt.NDArray[np.uint8], gap: int) -> list[tuple[int, int]]:
    """Half-open runs of non-zero flags, joined where at most `gap` zeros lie between."""
    at = np.flatnonzero(flags)
    if not len(at):
        return []
    breaks = np.flatnonzero(np.diff(at) > gap + 1)
    starts, stops = np.concatenate([at[:1], at[breaks + 1]]), np.concatenate([at[breaks], at[-1:]]) + 1
    return [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def equal_edges(length: int, parts: int) -> Indices:
    """Edges that cut `length` into as equal `parts` as whole numbers allow."""
    return (np.arange(parts + 1, dtype=np.int64) * length) // parts


def slices(first: int, stop: int, size: int) -> list[tuple[int, int]]:
    """[first, stop) in pieces of `size`; they do not depend on the number of threads, so neither do the hits."""
    return list(pairwise([*range(first, stop, size), stop]))
