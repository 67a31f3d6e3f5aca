"""The gain of each spectrum: level and noise that change with time, for all channels or for part of the band.

Gains are measured across frequency, on the tiles in which the noise is measured, and never along time in one channel,
so signals without drift survive. A gain that does not differ from 1 by more than its own error is left alone: steady
observations stay as they are, to the last bit.
"""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.dedoppler.kernels import gains as kernels
from services.dedoppler.kernels.conditioning import TileStatistics
from services.dedoppler.kernels.gains import Weighting
from services.dedoppler.noise.bandpass import POSITIVE_POWER_SIGMA, median
from services.dedoppler.slices import slices
from services.dedoppler.threads import together
from shared.arrays import Floats, Indices, Power

Truth = npt.NDArray[np.bool_]

# A gain is real if it differs from 1 by this many of its errors, and by at least this part.
SURE_ERRORS = 6.0
LEAST_CHANGE = 0.02
# Rounds in which factors of spectra and of blocks are fitted.
FITS = 4
# Part of the band may have a gain of its own; an emission narrower than half of this is not mistaken for one.
LOCAL_BLOCKS, LOCAL_CHANNELS = 5, 8192
LOCAL_ERRORS, LEAST_LOCAL_CHANGE = 8.0, 0.05
# Near the end of such a part, a tile that keeps less than this share of its samples, or scatters by more than this
# factor, holds two gains.
LEAST_KEPT, MOST_SPREAD = 0.995, 1.1
# The mean of a single spectrum differs from that of its tile by at least so many sigmas, on so many samples at least.
LEAST_SHIFT_SIGMA, FEWEST_SAMPLES = 0.15, 64
# A spectrum whose noise is fainter than this part of the usual holds no signal.
NO_SIGNAL = 0.02
# A median scatters by this factor more than a mean.
MEDIAN_ERROR = 1.2533
# Noise below this part of the usual counts as this part when spectra are weighted.
FAINTEST_NOISE = 0.25
# Blocks, and spectra, that one task works on.
BLOCKS_PER_TASK, SPECTRA_PER_TASK = 64, 1024


@dataclass(frozen=True)
class Gains:
    """Gains per tile; all are 1 in a steady observation.

    Attributes
    ----------
    edges : int64 (blocks + 1,)
        Channels where the blocks begin and end.
    tile_rows : int
        Spectra per tile.
    gain : float64 (tiles in time, blocks)
        Raw power in units of the level of most spectra (the lower median).
    noise : float64 (tiles in time, blocks)
        Scatter of the raw power in the same manner. It equals `gain` if the receiver amplifies all alike.
    """

    edges: Indices
    tile_rows: int
    gain: Floats
    noise: Floats

    def by_spectrum(self, values: Floats, n_spectra: int) -> Floats:
        """Return values per tile, (tiles in time, blocks), as (T, blocks)."""
        return np.repeat(values, self.tile_rows, axis=0)[:n_spectra]


@dataclass(frozen=True)
class Spectra:
    """What became of the spectra.

    Attributes
    ----------
    weighting : Weighting or None
        Their weights in path sums; None if they are all alike and none is lost.
    edges : int64 (blocks + 1,)
        Channels where the blocks begin and end.
    gain : float64 (T, blocks)
        Raw power in units of the usual level; NaN where a spectrum is lost.
    """

    weighting: Weighting | None
    edges: Indices
    gain: Floats


def take_out_gains(power: Power, tiles: TileStatistics, edges: Indices, tile_rows: int, pool: Executor) -> Gains:
    """Divide raw power, and what was measured of it, by the gains that differ from 1.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power, changed in place only where gains change; spectra without a signal become NaN.
    tiles : TileStatistics
        Of this power, changed in place.
    edges : int64 (blocks + 1,)
        Channels where the blocks begin and end.
    tile_rows : int
        Spectra per tile.
    pool : Executor
        Threads to work on.
    """
    gain, noise, mixed = measure_gains(tiles.level, tiles.scatter, tiles.number, edges)
    gains = Gains(edges, tile_rows, gain, noise)
    useless = mixed | (np.median(noise, axis=1, keepdims=True) < NO_SIGNAL)
    factor = gains.by_spectrum(np.where(useless, np.nan, 1 / gain), len(power)).astype(np.float32)
    if (factor != 1).any():
        together(
            pool,
            lambda low, high: kernels.scale_spectra(power, 0, edges[low : high + 1], factor[:, low:high]),
            slices(0, len(edges) - 1, BLOCKS_PER_TASK),
        )
        tiles.level[:] /= gain
        tiles.scatter[:] /= gain
        tiles.number[useless] = 0
    return gains


def measure_gains(level: Floats, scatter: Floats, number: Indices, edges: Indices) -> tuple[Floats, Floats, Truth]:
    """Return level and scatter of tiles in units of those of most spectra, and which tiles hold two gains.

    The gain of a tile is the product of a gain of its spectra, the median over all blocks, and of a gain of its part of
    the band, the running median over neighbouring blocks. It is measured by the level where that is far above zero, as
    detected power is: its error in units of itself is scatter / level / sqrt(samples). Where a mean was subtracted it
    is measured by the scatter of n samples, whose error is 1 / sqrt(2 n) of it.

    Parameters
    ----------
    level, scatter : float64 (tiles in time, blocks)
        Clipped mean and standard deviation, raw units.
    number : int64 (tiles in time, blocks)
        Number of samples; 0 where a tile holds no noise.
    edges : int64 (blocks + 1,)
        Channels where the blocks begin and end.

    Returns
    -------
    tuple of two float64 (tiles in time, blocks), and bool (tiles in time, blocks)
        The numbers are exactly 1 where they don't differ from 1 by more than their errors. Where the gain of a part of
        the band ends within a block, that block holds two gains.
    """
    gain, noise, ok = np.ones(number.shape), np.ones(number.shape), number > 0
    mixed = np.zeros(number.shape, bool)
    spectra, blocks = np.flatnonzero(ok.any(axis=1)), np.flatnonzero(ok.any(axis=0))
    if len(spectra) < 2:
        return gain, noise, mixed
    # A view costs less than the values that hold noise, which mostly are all.
    at = (slice(None), slice(None)) if ok.all() else np.ix_(spectra, blocks)
    level, scatter = np.where(ok[at], level[at], np.nan), np.where(ok[at], scatter[at], np.nan)
    samples = number[at]
    in_scatters = float(median((level / scatter).ravel(), 0))
    # Where a mean was subtracted, the level says nothing about the gain.
    detected = in_scatters > POSITIVE_POWER_SIGMA and float(np.nanmin(level)) > 0
    values, unit = (level, 1 / in_scatters) if detected else (scatter, 1 / np.sqrt(2))
    common, rest = _of_spectra(values, samples, unit)
    channels = np.diff(edges)[blocks]
    local = np.ones_like(rest)
    if _may_have_parts(rest):
        rest = _without_bandpass(values / common[:, None])
        local = _of_blocks(rest, samples, channels, unit)
        mixed[at] = _hold_two_gains(rest, local, scatter / common[:, None], samples)
    gain[at] = common[:, None] * local
    noise[at] = gain[at] * _of_spectra(scatter / gain[at], samples, 1 / np.sqrt(2))[0][:, None]
    return gain, noise, mixed


def _of_spectra(values: Floats, samples: Indices, unit: float) -> tuple[Floats, Floats]:
    """Return the factor of each row by which the values differ, and the values without factors of rows and columns.

    Rows and columns are fitted in turns by medians, with NaN left out. The lower median of the factors is 1, and all
    are 1 if none surely differs. `unit` is the error of a value of one sample in units of the value.
    """
    error = MEDIAN_ERROR * unit / np.sqrt(samples.sum(axis=1))
    factors = np.ones(len(values))
    for _ in range(FITS):
        rest = values / factors[:, None]
        rest /= median(rest, 0)
        rows = median(rest, 1)
        if not _differs(rows, error, SURE_ERRORS, LEAST_CHANGE).any():
            break
        factors *= rows
        factors /= np.sort(factors)[(len(factors) - 1) // 2]
    return factors, rest


def _may_have_parts(rest: Floats) -> bool:
    """Return whether most blocks of any `LOCAL_BLOCKS` neighbours differ in some spectrum."""
    off = _differs(rest, 0.0, 0.0, LEAST_LOCAL_CHANGE)
    return bool(off.any()) and bool(_most_of_neighbours(off).any())


def _most_of_neighbours(flags: Truth) -> Truth:
    """Return where most of `LOCAL_BLOCKS` neighbouring columns are set, or of all if there are fewer."""
    window = min(LOCAL_BLOCKS, flags.shape[1])
    number = np.pad(np.cumsum(flags, axis=1), ((0, 0), (1, 0)))
    most: Truth = number[:, window:] - number[:, :-window] > window // 2
    return most


def _without_bandpass(values: Floats) -> Floats:
    """Divide values by their bandpass, that of the smoothest spectra: a gain of a part of the band makes steps there.

    What is NaN becomes 1.
    """
    steps = np.abs(np.diff(values, axis=1)) / values[:, :-1]
    known = ~np.isnan(steps)
    roughness = np.sum(steps, axis=1, where=known) / np.maximum(known.sum(axis=1), 1)
    roughness[~known.any(axis=1)] = np.inf
    smoothest = values[np.argsort(roughness, kind="stable")[: max(1, len(values) // 4)]]
    bandpass, seen = np.nanmedian(values, axis=0), ~np.isnan(smoothest).all(axis=0)
    bandpass[seen] = np.nanmedian(smoothest[:, seen], axis=0)
    return np.where(np.isnan(values), 1.0, values / bandpass)


def _of_blocks(rest: Floats, samples: Indices, channels: Indices, unit: float) -> Floats:
    """Return the gains of parts of the band: the running median of `rest` along the blocks where that is not 1."""
    gains = np.ones_like(rest)
    window = max(LOCAL_BLOCKS, -(-LOCAL_CHANNELS // max(1, int(np.median(channels))))) | 1
    if rest.shape[1] < window:
        return gains
    windows = np.lib.stride_tricks.sliding_window_view(rest, window, axis=1)
    # At the ends more blocks are from one side.
    of_block = np.clip(np.arange(rest.shape[1]) - window // 2, 0, windows.shape[1] - 1)
    smooth = np.median(windows, axis=2)[:, of_block]
    error = MEDIAN_ERROR * unit / np.sqrt(window * max(1.0, float(np.median(samples))))
    sure = _differs(smooth, error, LOCAL_ERRORS, LEAST_LOCAL_CHANGE)
    gains[sure] = smooth[sure]
    return gains


def _hold_two_gains(values: Floats, gains: Floats, scatter: Floats, samples: Indices) -> Truth:
    """Return which tiles hold the end of a part of the band whose gain is its own.

    They lie beside a step of the gain, and are unlike both neighbours, or scatter more than the gain explains, or keep
    fewer samples, for most samples of the rarer gain are clipped where the other prevails.
    """
    n_blocks = values.shape[1]
    ends = _differs(gains[:, 1:] / gains[:, :-1], 0.0, 0.0, LEAST_LOCAL_CHANGE)
    if not ends.any():
        return np.zeros(values.shape, bool)
    reach = range(-(LOCAL_BLOCKS // 2) - 1, LOCAL_BLOCKS // 2 + 1)
    near = np.logical_or.reduce([ends[:, np.clip(np.arange(n_blocks) + k, 0, n_blocks - 2)] for k in reach])
    padded = np.pad(values, ((0, 0), (1, 1)), mode="edge")
    unlike = np.logical_and.reduce(
        [_differs(values / side, 0.0, 0.0, LEAST_LOCAL_CHANGE) for side in (padded[:, :-2], padded[:, 2:])]
    )
    spread = scatter / gains
    unlike |= spread > MOST_SPREAD * np.nanquantile(spread, 0.25, axis=0)
    unlike |= samples < LEAST_KEPT * samples.max(axis=0)
    mixed: Truth = near & unlike & (samples > 0)
    return mixed


def _differs(ratio: Floats, error: Floats | float, errors: float, least: float) -> Truth:
    sure: Truth = np.abs(ratio - 1) > np.maximum(errors * error, least)
    return sure


def equalise_spectra(x: Power, pad: int, gains: Gains, row_ok: Truth, pool: Executor) -> Spectra:
    """Bring the noise of every spectrum to mean 0 and sigma 1.

    Parameters
    ----------
    x : float32 (T, channels + 2 * pad)
        Power in units of the usual sigma, 0 where a sample is lost; changed in place only where spectra differ.
    pad : int
        Columns before the first channel.
    gains : Gains
        Of this observation.
    row_ok : bool (T, blocks)
        Which spectra of which blocks hold noise.
    pool : Executor
        Threads to work on.
    """
    n_spectra, edges = len(x), gains.edges
    lost: Truth
    gain, noise = gains.by_spectrum(gains.gain, n_spectra), gains.by_spectrum(gains.noise, n_spectra)
    lost = np.logical_not(row_ok.any(axis=1))
    factor = gains.by_spectrum(gains.gain / gains.noise, n_spectra).astype(np.float32)
    if (factor != 1).any():
        kernels.scale_spectra(x, pad, edges, factor)
    if gains.tile_rows > 1:
        parts = slices(0, n_spectra, SPECTRA_PER_TASK)
        stop = pad + int(edges[-1])
        moments = together(pool, lambda low, high: kernels.spectrum_moments(x[low:high], pad, stop), parts)
        mean, spread, number = (np.concatenate(part) for part in zip(*moments, strict=True))
        lost = np.logical_or(lost, number == 0)
        off = is_unlike_its_tile(mean, spread, number)
        if off.any():
            mean, spread = np.where(off, mean, 0.0).astype(np.float32), np.where(off, spread, 1.0)
            kernels.standardise_spectra(x, pad, stop, mean, (1 / spread).astype(np.float32))
            # A single spectrum's noise tells its gain.
            gain, noise = gain * spread[:, None], noise * spread[:, None]
    return Spectra(weighting(noise, lost, edges), edges, np.where(lost[:, None], np.nan, gain))


def is_unlike_its_tile(mean: Floats, spread: Floats, number: Indices) -> Truth:
    """Return which single spectra of normalised power have another level or scatter than the tile they are part of.

    Parameters
    ----------
    mean, spread : float64 (T,)
        Clipped mean and standard deviation of each spectrum.
    number : int64 (T,)
        Samples of each spectrum, lost ones left out.
    """
    samples = np.maximum(number, 1)
    off = np.abs(mean) > np.maximum(SURE_ERRORS / np.sqrt(samples), LEAST_SHIFT_SIGMA)
    off |= _differs(spread, 1 / np.sqrt(2 * samples), SURE_ERRORS, LEAST_CHANGE)
    unlike: Truth = off & (number >= FEWEST_SAMPLES)
    return unlike


def weighting(noise: Floats, lost: Truth, edges: Indices) -> Weighting | None:
    """Return the weights of spectra, or None if all are equal and none is lost.

    Power of sigma 1 is to be weighted by the signal's strength in units of each spectrum's noise. That is constant
    where the gain changes, and 1 / noise where noise is added to a signal that stays as it is. The weight of the search
    is noise^(-1/2), halfway between the two; `search.matched_snr` then decides for each box.

    Parameters
    ----------
    noise : float64 (T, blocks)
        Noise of each spectrum in units of the usual one.
    lost : bool (T,)
        Spectra that are lost in all blocks.
    edges : int64 (blocks + 1,)
        Channels where the blocks begin and end.
    """
    if lost.all() or (not lost.any() and (noise == 1).all()):
        return None
    share = np.where(lost[:, None], 0.0, 1 / np.maximum(noise, FAINTEST_NOISE))
    return Weighting(edges, share, np.sqrt(share * len(noise) / share.sum(axis=0)))
