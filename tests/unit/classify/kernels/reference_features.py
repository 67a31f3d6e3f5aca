"""The measures of a cut-out in numpy, slow and plain: what `services.classify.kernels.features` must give."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from shared.arrays import Floats, Indices, Power

MAX_SEGMENTS = 8
BRIGHT_SEGMENT_SNR = 5.0
PRESENT_FRACTION = 0.3
# The best of a thousand parabolas gains up to so many sigma on noise, and up to this share on a tone between channels.
CURVATURE_SIGMA, CURVATURE_SHARE = 4.0, 0.1
MAX_OFFSET_CHANNELS = 64
# How far from the path single rows are searched, and the SNR that noise rarely reaches there.
ROW_REACH_CHANNELS, BRIGHT_ROW_SNR = 32, 6.0
_TURNS = np.linspace(0.0, 1.0, 7)
_BENDS = np.geomspace(3.0, 160.0, 16)
_SHIFTS = np.array([0.0, 1 / 24, 1 / 12, 1 / 6])


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


@dataclass(frozen=True)
class Track:
    """A hit's box and path, and the grid of the observation."""

    channel: int
    steps: int
    width: int
    n_spectra: int
    foff_hz: float
    tsamp_s: float


@dataclass(frozen=True)
class _Box:
    """The box of a track in columns of the cut-out: first column per row, width, and columns used on either side."""

    first: Indices
    width: int
    pad: int


def row_positions(n_rows: int, spectra_per_row: int, n_spectra: int) -> Floats:
    """Return the position of each row's middle on the path, from 0 at the first spectrum to 1 at the last."""
    middle = (np.arange(n_rows) + 0.5) * spectra_per_row - 0.5
    positions: Floats = np.minimum(middle, n_spectra - 1) / (n_spectra - 1)
    return positions


def _box(track: Track, start_channel: int, spectra_per_row: int, positions: Floats) -> _Box:
    # The path moves within a row of several spectra.
    smear = int(np.ceil((spectra_per_row - 1) * abs(track.steps) / (track.n_spectra - 1)))
    width = track.width + smear
    first = np.rint(track.channel + track.steps * positions - smear / 2 - start_channel).astype(np.int64)
    return _Box(first, width, max(8, 2 * width))


def _gather(power: Floats, rows: Indices, columns: Indices) -> Floats:
    """Return the samples at (rows, columns); 0, the mean of the noise, outside the cut-out."""
    inside = (columns >= 0) & (columns < power.shape[1])
    gathered: Floats = np.where(inside, power[rows, np.clip(columns, 0, power.shape[1] - 1)], 0.0)
    return gathered


def align(power: Floats, track: Track, start_channel: int, spectra_per_row: int) -> tuple[Floats, int, int]:
    """Shift each row so that the path is vertical.

    Returns
    -------
    aligned : ndarray
        float64 (rows, pad + width + pad).
    width : int
        Of the box, channels.
    pad : int
        Channels on either side of the box.
    """
    box = _box(track, start_channel, spectra_per_row, row_positions(len(power), spectra_per_row, track.n_spectra))
    columns = box.first[:, None] + np.arange(-box.pad, box.width + box.pad)
    return _gather(power, np.arange(len(power))[:, None], columns), box.width, box.pad


def _time_measures(profile: Floats) -> tuple[float, float, float, float]:
    """Return occupancy, presence, peak fraction and kurtosis of the power per row, in units of its noise."""
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


def _frequency_measures(spectrum: Floats, width: int, pad: int) -> tuple[int, float, float]:
    """Return the columns at half maximum, the sharpness of the edges, and the share of power beside the box."""
    # A faint, wide signal has peaks of noise on it, so it is smoothed over an eighth of the box.
    smooth = np.convolve(spectrum, np.ones(max(1, width // 8)) / max(1, width // 8), mode="same")
    peak = pad + int(np.argmax(smooth[pad : pad + width]))
    below = np.flatnonzero(smooth < smooth[peak] / 2)
    left = below[below < peak].max(initial=-1)
    right = below[below > peak].min(initial=len(spectrum))
    inner = float(spectrum[pad : pad + width].mean())
    # The channel next to the box may hold leakage of a tone between two channels.
    reach = min(pad, 1 + max(2, width))
    outer = np.concatenate([spectrum[pad - reach : pad - 1], spectrum[pad + width + 1 : pad + width + reach]])
    sharpness = float(np.clip(1 - outer.mean() / inner, 0.0, 1.0)) if inner > 0 else 0.0
    beside = float(spectrum.sum()) - inner * width
    share = beside / (beside + inner * width) if beside > 0 and inner > 0 else 0.0
    return int(right - left - 1), sharpness, share


def parabolas(bend: Floats, turn: Floats, shift: Floats) -> Floats:
    """Return all combinations of `bend * ((u - turn)^2 - shift)`, as rows of (bend, turn, bend * shift)."""
    grid = np.stack(np.meshgrid(bend, turn, shift, indexing="ij"), axis=-1).reshape(-1, 3)
    grid[:, 2] *= grid[:, 0]
    return grid


@cache
def _first_parabolas() -> Floats:
    return parabolas(np.concatenate([-_BENDS[::-1], _BENDS]), _TURNS, _SHIFTS)


def _offsets(parabola: Floats, positions: Floats) -> Indices:
    """Return the columns of `_box_sums` on parabolas of (bend, turn, bend * shift): (parabolas, rows)."""
    bend, turn, shift = parabola[:, :1], parabola[:, 1:2], parabola[:, 2:]
    columns: Indices = np.rint(bend * (positions - turn) ** 2 - shift).astype(np.int64) + MAX_OFFSET_CHANNELS
    return columns


def _best_parabola(sums: Floats, positions: Floats, tried: Floats) -> tuple[float, Floats]:
    """Return the largest sum of `sums` (rows, offsets) along the parabolas, and that parabola."""
    totals = _gather(sums, np.arange(len(sums))[None, :], _offsets(tried, positions)).sum(axis=1)
    best = int(np.argmax(totals))
    return float(totals[best]), tried[best]


def _box_sums(power: Floats, box: _Box) -> Floats:
    """Return the power in the box, moved from the path by up to MAX_OFFSET_CHANNELS either way: (rows, offsets)."""
    columns = box.first[:, None] + np.arange(-MAX_OFFSET_CHANNELS, MAX_OFFSET_CHANNELS + box.width)
    summed = np.cumsum(_gather(power, np.arange(len(power))[:, None], columns), axis=1)
    sums: Floats = summed[:, box.width - 1 :] - np.pad(summed, ((0, 0), (1, 0)))[:, : 2 * MAX_OFFSET_CHANNELS + 1]
    return sums


@dataclass(frozen=True)
class _Curve:
    """SNR of the straight path, gain of the best parabola over it, and its bend (factor of u^2, channels)."""

    straight: float
    gain: float
    bend: float


def _curve(power: Floats, box: _Box, positions: Floats, sigma: float) -> _Curve:
    """Search for a parabola near the path with a higher SNR.

    A bent signal touches its straight path at one place (`turn`) or crosses it twice (`shift` > 0). The best of a
    coarse grid of such parabolas is refined once.
    """
    sums = _box_sums(power, box) / (np.sqrt(box.width) * sigma)
    scale = 1 / np.sqrt(len(sums))
    straight = float(sums[:, MAX_OFFSET_CHANNELS].sum()) * scale
    coarse, at = _best_parabola(sums, positions, _first_parabolas())
    around = parabolas(
        at[0] * np.linspace(0.8, 1.25, 10),
        at[1] + np.linspace(-0.1, 0.1, 5),
        at[2] / at[0] + np.linspace(-0.02, 0.02, 3),
    )
    fine, finest = _best_parabola(sums, positions, around)
    curved, best = max((fine * scale, 1, finest), (coarse * scale, 0, at), key=lambda found: found[:2])[::2]
    if straight <= 0 or curved - straight <= max(CURVATURE_SIGMA, CURVATURE_SHARE * straight):
        return _Curve(straight, 1.0, 0.0)
    return _Curve(straight, curved / straight, float(best[0]))


def _row_measures(power: Floats, box: _Box, positions: Floats, sigma: float) -> tuple[int, float, float]:
    """Return the width of the signal in single rows, its rms from a parabola, and how far that leaves the path."""
    reach = ROW_REACH_CHANNELS + 2 * box.width
    columns = box.first[:, None] + np.arange(-reach, reach + box.width)
    summed = np.pad(np.cumsum(_gather(power, np.arange(len(power))[:, None], columns), axis=1), ((0, 0), (1, 0)))
    best, width, places, bright = -np.inf, 1, np.empty(0), np.empty(0, bool)
    for tried in 2 ** np.arange(int(np.log2(box.width)) + 1):
        sums = (summed[:, tried:] - summed[:, :-tried]) / (np.sqrt(tried) * sigma)
        peaks = sums.max(axis=1)
        if peaks.mean() > best:
            best, width = float(peaks.mean()), int(tried)
            places, bright = np.argmax(sums, axis=1).astype(np.float64), peaks >= BRIGHT_ROW_SNR
    if np.count_nonzero(bright) < 3:
        return width, 0.0, 0.0
    u, seen = positions[bright], places[bright]
    curve = np.polyfit(u, seen, 2 if len(u) > 3 else 1)
    wobble = float(np.sqrt(np.mean((np.polyval(curve, u) - seen) ** 2)))
    lean = float(abs(np.polyval(curve, u[-1]) - np.polyval(curve, u[0])))
    return width, wobble, lean


def _straightness(aligned: Floats, width: int, sigma: float) -> float:
    """Return the rms distance of the brightest columns of the stretches of time from a straight line, channels."""
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


def measure(power: Power, start_channel: int, spectra_per_row: int, track: Track) -> Features:
    """Measure one hit on its cut-out.

    Parameters
    ----------
    power
        float32 (rows, channels), mean 0 and sigma 1 per sample before `spectra_per_row` spectra are averaged to a row.
    start_channel
        The file's channel of the first column.
    spectra_per_row
        Spectra averaged in each row.
    track
        The hit's box, path and grid.
    """
    clean = np.nan_to_num(power.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    n_rows = len(clean)
    positions = row_positions(n_rows, spectra_per_row, track.n_spectra)
    box = _box(track, start_channel, spectra_per_row, positions)
    aligned, width, pad = align(clean, track, start_channel, spectra_per_row)
    sigma = 1 / np.sqrt(spectra_per_row)

    profile = aligned[:, pad : pad + width].sum(axis=1) / (np.sqrt(width) * sigma)
    occupancy, presence, peak_fraction, kurtosis = _time_measures(profile)
    fwhm, sharpness, side_share = _frequency_measures(aligned.mean(axis=0), width, pad)
    curve = _curve(clean, box, positions, sigma)
    row_width, wobble, lean = _row_measures(clean, box, positions, sigma)
    span_s = (track.n_spectra - 1) * track.tsamp_s
    return Features(
        path_snr=curve.straight,
        occupancy=occupancy,
        presence=presence,
        peak_fraction=peak_fraction,
        kurtosis=kurtosis,
        fwhm_hz=fwhm * abs(track.foff_hz),
        window_fill=fwhm / aligned.shape[1],
        edge_sharpness=sharpness,
        side_share=side_share,
        curvature_gain=curve.gain,
        curvature_hz_s2=2 * curve.bend * track.foff_hz / span_s**2 + 0.0,
        bend_channels=abs(curve.bend) / 4,
        row_width_channels=float(row_width),
        wobble_channels=wobble,
        lean_channels=lean,
        straightness_residual_channels=_straightness(aligned, width, sigma),
    )
