"""Measures of a hit's cut-out: shape in time, shape in frequency, straightness.

All measures are taken along the hit's path (column `channel + steps * u` at spectrum `u * (T - 1)`), in units of the
noise: a cut-out has mean 0 and sigma 1 per sample before its rows are averaged. In the drift-aligned cut-out each row
is shifted so that the path is vertical; its mean over time is the aligned spectrum, and the power in the box per row is
the profile in time.

| measure | unit | definition |
|---|---|---|
| path_snr | sigma | SNR along the path, from the cut-out alone |
| occupancy | 0..1 | share of the time in which the power is spread: (sum p)^2 / (N sum p^2), noise taken off |
| presence | 0..1 | share of (up to 8) equal stretches of time that hold at least 0.3 of the mean stretch |
| peak_fraction | 0..1 | share of the path's positive power in its brightest row |
| kurtosis | none | excess kurtosis of the power per row: near 0 for a steady tone, large for a pulse |
| fwhm_hz | Hz | full width at half maximum of the aligned spectrum, smoothed over an eighth of the box |
| window_fill | 0..1 | the same width as a share of the window examined (1: no edge seen) |
| edge_sharpness | 0..1 | fall of the aligned spectrum from the box to just outside it (1: to zero) |
| side_share | 0..1 | share of the aligned spectrum's power that lies outside of the box (side lobes, pedestals) |
| curvature_gain | >= 1 | path SNR of the best parabola over the straight path's; 1 if it gains under 4 sigma or 0.1 |
| curvature_hz_s2 | Hz/s^2 | second derivative of the frequency along that parabola |
| bend_channels | channels | distance of that parabola from its own chord, without sign |
| row_width_channels | channels | width of the box (1, 2, 4, ... up to the hit's) with the highest SNR in single rows |
| wobble_channels | channels | rms distance of those boxes from the best parabola through them |
| lean_channels | channels | total movement of that parabola relative to the hit's path, without sign |
| straightness_residual_channels | channels | rms distance of the peaks from a line; 0 if too faint to measure |

`neighbours` has the measures that depend on other hits (combs, equal drifts), `bands` those that depend on the band.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit

from services.classify.kernels.alignment import (
    Track,
    frequency_measures,
    gather,
    rows_of,
    straightness,
    time_measures,
)
from services.classify.kernels.curvature import curve, first_offsets, row_measures
from shared.arrays import Floats, Indices, Power


@dataclass(frozen=True)
class Features:
    """Measures of one hit; see the table above."""

    path_snr: float
    occupancy: float
    presence: float
    peak_fraction: float
    kurtosis: float
    fwhm_hz: float
    window_fill: float
    edge_sharpness: float
    side_share: float
    curvature_gain: float
    curvature_hz_s2: float
    bend_channels: float
    row_width_channels: float
    wobble_channels: float
    lean_channels: float
    straightness_residual_channels: float


def row_positions(n_rows: int, spectra_per_row: int, n_spectra: int) -> Floats:
    """Return the position of each row's middle on the path, from 0 at the first spectrum to 1 at the last."""
    middle = (np.arange(n_rows) + 0.5) * spectra_per_row - 0.5
    positions: Floats = np.minimum(middle, n_spectra - 1) / (n_spectra - 1)
    return positions


@cache
def _offsets(n_rows: int, spectra_per_row: int, n_spectra: int) -> Indices:
    return first_offsets(row_positions(n_rows, spectra_per_row, n_spectra))


@njit(cache=True, nogil=True)
def _measure(
    power: Power, start_channel: int, spectra_per_row: int, track: Track, offsets: Indices
) -> tuple[float, ...]:
    """Return the fields of `Features`, in their order."""
    rows = rows_of(power, start_channel, spectra_per_row, track)
    width, pad = rows.width, max(8, 2 * rows.width)
    aligned = gather(rows, pad, pad + width + pad)
    profile, spectrum = np.empty(len(aligned)), np.zeros(aligned.shape[1])
    for row in range(len(aligned)):
        profile[row] = aligned[row, pad : pad + width].sum() / (np.sqrt(width) * rows.sigma)
        spectrum += aligned[row]
    occupancy, presence, peak_fraction, kurtosis = time_measures(profile)
    fwhm, sharpness, side_share = frequency_measures(spectrum / len(aligned), width, pad)
    straight, gain, bend = curve(rows, offsets)
    row_width, wobble, lean = row_measures(rows)
    span_s = (track.n_spectra - 1) * track.tsamp_s
    return (
        straight,
        occupancy,
        presence,
        peak_fraction,
        kurtosis,
        fwhm * abs(track.foff_hz),
        fwhm / aligned.shape[1],
        sharpness,
        side_share,
        gain,
        2 * bend * track.foff_hz / span_s**2 + 0.0,
        abs(bend) / 4,
        float(row_width),
        wobble,
        lean,
        straightness(aligned, width, rows.sigma),
    )


def _is_inside(power: Power, start_channel: int, spectra_per_row: int, track: Track) -> bool:
    """Return whether the box lies in the cut-out in the first and in the last row, hence in all rows between."""
    n_rows, moves = power.shape[0], track.n_spectra - 1
    last = power.shape[1] - track.width
    for row in (0, n_rows - 1):
        position = min((row + 0.5) * spectra_per_row - 0.5, moves) / moves
        if not 0 <= round(track.channel + track.steps * position) - start_channel <= last:
            return False
    return True


def rows_inside(power: Power, start_channel: int, spectra_per_row: int, track: Track) -> tuple[int, int]:
    """Return the rows [low, high) in which the whole box lies in the cut-out: all, unless the band ends there.

    All rows too where fewer than two are left, which have no path.
    """
    if _is_inside(power, start_channel, spectra_per_row, track):
        return 0, len(power)
    positions = row_positions(len(power), spectra_per_row, track.n_spectra)
    first = np.rint(track.channel + track.steps * positions) - start_channel
    inside = np.flatnonzero((first >= 0) & (first + track.width <= power.shape[1]))
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) > 1 else (0, len(power))


def _part(track: Track, spectra_per_row: int, rows: tuple[int, int], n_rows: int) -> Track:
    """Return the part of a track in some rows, as a track of its own."""
    low, high = rows
    positions = row_positions(n_rows, spectra_per_row, track.n_spectra)
    return track._replace(
        channel=int(np.rint(track.channel + track.steps * positions[low])),
        steps=int(np.rint(track.steps * (positions[high - 1] - positions[low]))),
        n_spectra=min(track.n_spectra, high * spectra_per_row) - low * spectra_per_row,
    )


def measure(power: Power, start_channel: int, spectra_per_row: int, track: Track) -> Features:
    """Measure one hit on its cut-out. Of a track that leaves the band only the part inside counts.

    Parameters
    ----------
    power
        float32 (rows, channels), mean 0 and sigma 1 per sample before `spectra_per_row` spectra are averaged to a row.
        Samples that are not finite count as 0, the mean of the noise.
    start_channel
        The file's channel of the first column.
    spectra_per_row
        Spectra averaged in each row.
    track
        The hit's box, path and grid.
    """
    low, high = rows_inside(power, start_channel, spectra_per_row, track)
    if high - low < len(power):
        track = _part(track, spectra_per_row, (low, high), len(power))
        power = power[low:high]
    offsets = _offsets(len(power), spectra_per_row, track.n_spectra)
    # One memory layout, so that one compiled version serves every cut-out.
    contiguous = np.ascontiguousarray(power, np.float32)
    return Features(*_measure(contiguous, start_channel, spectra_per_row, track, offsets))
