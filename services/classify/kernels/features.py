"""What a hit's cut-out says about the signal: shape in time, shape in frequency, straightness.

All measures are taken along the hit's own path (column `channel + steps * u` at spectrum `u * (T - 1)`), in units of
the noise: a cut-out has mean 0 and sigma 1 per sample before its rows are averaged.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MAX_SEGMENTS = 8
MAX_BOW_CHANNELS = 24
BRIGHT_SEGMENT_SNR = 5.0
PRESENT_FRACTION = 0.3


@dataclass(frozen=True)
class Features:
    """Measures of one hit."""

    path_snr: float  # SNR along the path, from the cut-out alone
    occupancy: float  # 0..1, share of the time in which the power is spread: (sum p)^2 / (N sum p^2), noise taken off
    presence: float  # 0..1, share of (up to 8) equal stretches of time that hold at least 0.3 of the mean stretch
    peak_fraction: float  # 0..1, share of the path's positive power in its brightest row
    kurtosis: float  # excess kurtosis of the power per row: near 0 for a steady tone, large for a pulse
    fwhm_hz: float  # full width at half maximum of the drift-aligned spectrum, Hz
    window_fill: float  # 0..1, the same width as a share of the window looked at (1: no edge in sight)
    edge_sharpness: float  # 0..1, fall of power from the box to just outside of it (1: all of it)
    curvature_gain: float  # >= 1, path SNR of the best parabola over that of the straight path
    curvature_hz_s2: float  # second derivative of the frequency of that parabola, Hz/s^2
    straightness_residual_channels: float  # rms of the peaks' columns from a line; 0 where too faint to tell


@dataclass(frozen=True)
class Track:
    """The hit's box and path, and the grid it lies on."""

    channel: int
    steps: int
    width: int
    n_spectra: int
    foff_hz: float
    tsamp_s: float


@dataclass(frozen=True)
class _Box:
    """The box of a track in the cut-out's own columns: first column per row, width, and columns to look at beside."""

    first: npt.NDArray[np.int64]
    width: int
    pad: int


def row_positions(n_rows: int, spectra_per_row: int, n_spectra: int) -> Array:
    """Middle of each row on the path, from 0 at the first spectrum to 1 at the last."""
    middle = (np.arange(n_rows) + 0.5) * spectra_per_row - 0.5
    positions: Array = np.minimum(middle, n_spectra - 1) / (n_spectra - 1)
    return positions


def bow(positions: Array) -> Array:
    """The second Legendre polynomial on 0..1: what of a parabola no straight line can follow."""
    return 6 * positions**2 - 6 * positions + 1


def _box(track: Track, start_channel: int, spectra_per_row: int, positions: Array) -> _Box:
    # Within a row of several spectra the path itself moves on.
    smear = int(np.ceil((spectra_per_row - 1) * abs(track.steps) / (track.n_spectra - 1)))
    width = track.width + smear
    first = np.rint(track.channel + track.steps * positions - smear / 2 - start_channel).astype(np.int64)
    return _Box(first, width, max(8, 2 * width))


def _gather(power: Array, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Array:
    """Samples at (rows, columns); 0, the noise's mean, where the cut-out ends."""
    inside = (columns >= 0) & (columns < power.shape[1])
    gathered: Array = np.where(inside, power[rows, np.clip(columns, 0, power.shape[1] - 1)], 0.0)
    return gathered


def align(power: Array, track: Track, start_channel: int, spectra_per_row: int) -> tuple[Array, int, int]:
    """Shift each row so that the path stands upright.

    Returns the aligned power (rows, pad + box + pad), the box's width and the pad, in channels.
    """
    box = _box(track, start_channel, spectra_per_row, row_positions(len(power), spectra_per_row, track.n_spectra))
    columns = box.first[:, None] + np.arange(-box.pad, box.width + box.pad)
    return _gather(power, np.arange(len(power))[:, None], columns), box.width, box.pad


def _time_measures(profile: Array) -> tuple[float, float, float, float]:
    """Occupancy, presence, peak fraction and kurtosis of the power per row (in units of its own noise)."""
    n = len(profile)
    spread = max(float(np.sum(profile**2)) - n, 1e-9)
    occupancy = float(np.clip(np.sum(profile) ** 2 / (n * spread), 1 / n, 1.0)) if np.sum(profile) > 0 else 1 / n
    stretches = np.array([part.mean() for part in np.array_split(profile, min(n, MAX_SEGMENTS))])
    presence = float(np.mean(stretches >= PRESENT_FRACTION * stretches.mean())) if stretches.mean() > 0 else 0.0
    positive = np.maximum(profile, 0.0)
    peak_fraction = float(positive.max() / positive.sum()) if positive.sum() > 0 else 0.0
    variance = float(profile.var())
    kurtosis = float(np.mean((profile - profile.mean()) ** 4) / variance**2 - 3.0) if variance > 1e-12 else 0.0
    return occupancy, presence, peak_fraction, kurtosis


def _frequency_measures(spectrum: Array, width: int, pad: int) -> tuple[int, float]:
    """Columns at half maximum round the peak of the box, and the sharpness of the box's edges."""
    peak = pad + int(np.argmax(spectrum[pad : pad + width]))
    below = np.flatnonzero(spectrum < spectrum[peak] / 2)
    left = below[below < peak].max(initial=-1)
    right = below[below > peak].min(initial=len(spectrum))
    inner = float(spectrum[pad : pad + width].mean())
    # The channel next to the box may hold leakage of a tone between two channels.
    reach = min(pad, 1 + max(2, width))
    outer = np.concatenate([spectrum[pad - reach : pad - 1], spectrum[pad + width + 1 : pad + width + reach]])
    sharpness = float(np.clip(1 - outer.mean() / inner, 0.0, 1.0)) if inner > 0 else 0.0
    return int(right - left - 1), sharpness


def _curvature(power: Array, box: _Box, positions: Array, scale: float) -> tuple[float, float, float]:
    """SNR of the straight path, of the best parabola, and that parabola's bow in channels."""
    bows = np.arange(-MAX_BOW_CHANNELS, MAX_BOW_CHANNELS + 1)
    first = box.first + np.rint(bows[:, None] * bow(positions)).astype(np.int64)
    columns = first[:, :, None] + np.arange(box.width)
    totals = _gather(power, np.arange(len(power))[None, :, None], columns).sum(axis=(1, 2)) * scale
    best = int(np.argmax(totals))
    return float(totals[MAX_BOW_CHANNELS]), float(totals[best]), float(bows[best])


def _straightness(aligned: Array, width: int, sigma: float) -> float:
    """Rms of the brightest columns of the stretches of time from their own straight line, channels."""
    parts = np.array_split(aligned, min(len(aligned), MAX_SEGMENTS))
    box = np.ones(width) / (np.sqrt(width) * sigma)
    columns, times = [], []
    for index, part in enumerate(parts):
        smooth = np.convolve(part.mean(axis=0) * np.sqrt(len(part)), box, mode="same")
        if smooth.max() >= BRIGHT_SEGMENT_SNR:
            columns.append(float(np.argmax(smooth)))
            times.append(float(index))
    if len(columns) < 3:
        return 0.0
    line = np.polyval(np.polyfit(times, columns, 1), times)
    return float(np.sqrt(np.mean((np.array(columns) - line) ** 2)))


def measure(power: npt.NDArray[np.float32], start_channel: int, spectra_per_row: int, track: Track) -> Features:
    """Measure one hit on its cut-out.

    Args:
        power: (rows, channels), mean 0 and sigma 1 per sample before `spectra_per_row` spectra are averaged to a row.
        start_channel: the file's channel of the first column.
        spectra_per_row: spectra averaged in each row.
        track: the hit's box, path and grid.
    """
    clean = np.nan_to_num(power.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    n_rows = len(clean)
    positions = row_positions(n_rows, spectra_per_row, track.n_spectra)
    box = _box(track, start_channel, spectra_per_row, positions)
    aligned, width, pad = align(clean, track, start_channel, spectra_per_row)
    sigma = 1 / np.sqrt(spectra_per_row)

    profile = aligned[:, pad : pad + width].sum(axis=1) / (np.sqrt(width) * sigma)
    occupancy, presence, peak_fraction, kurtosis = _time_measures(profile)
    fwhm, sharpness = _frequency_measures(aligned.mean(axis=0), width, pad)
    straight, curved, bow_channels = _curvature(clean, box, positions, 1 / (np.sqrt(n_rows * width) * sigma))
    # Trying 49 parabolas on noise gains a few sigma: that is no curvature.
    is_curved = straight > 0 and curved - straight > 3.0
    span_s = (track.n_spectra - 1) * track.tsamp_s
    return Features(
        path_snr=straight,
        occupancy=occupancy,
        presence=presence,
        peak_fraction=peak_fraction,
        kurtosis=kurtosis,
        fwhm_hz=fwhm * abs(track.foff_hz),
        window_fill=fwhm / aligned.shape[1],
        edge_sharpness=sharpness,
        curvature_gain=curved / straight if is_curved else 1.0,
        curvature_hz_s2=12 * bow_channels * track.foff_hz / span_s**2 if is_curved else 0.0,
        straightness_residual_channels=_straightness(aligned, width, sigma),
    )
