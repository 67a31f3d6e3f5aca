"""What a hit's cut-out says about the signal: shape in time, shape in frequency, straightness.

All measures are taken along the hit's own path (column `channel + steps * u` at spectrum `u * (T - 1)`), in units of
the noise: a cut-out has mean 0 and sigma 1 per sample before its rows are averaged. The drift-aligned cut-out has each
row shifted so that the path stands upright; its mean over time is the aligned spectrum, the power in the box per row is
the profile in time.

| measure | unit | is |
|---|---|---|
| path_snr | sigma | SNR along the path, from the cut-out alone |
| occupancy | 0..1 | share of the time in which the power is spread: (sum p)^2 / (N sum p^2), noise taken off |
| presence | 0..1 | share of (up to 8) equal stretches of time that hold at least 0.3 of the mean stretch |
| peak_fraction | 0..1 | share of the path's positive power in its brightest row |
| kurtosis | none | excess kurtosis of the power per row: near 0 for a steady tone, large for a pulse |
| fwhm_hz | Hz | full width at half maximum of the aligned spectrum, smoothed over an eighth of the box |
| window_fill | 0..1 | the same width as a share of the window looked at (1: no edge in sight) |
| edge_sharpness | 0..1 | fall of the aligned spectrum from the box to just outside of it (1: all of it) |
| side_share | 0..1 | share of the aligned spectrum's power that lies outside of the box (side lobes, pedestals) |
| curvature_gain | >= 1 | path SNR of the best parabola over the straight path's; 1 if it gains under 4 sigma or 0.1 |
| curvature_hz_s2 | Hz/s^2 | second derivative of the frequency along that parabola |
| bend_channels | channels | how far that parabola leaves its own chord, without sign |
| row_width_channels | channels | width of the box (1, 2, 4, ... up to the hit's) that gathers most in single rows |
| wobble_channels | channels | rms of the places of those boxes from the best parabola through them |
| lean_channels | channels | how far that parabola moves away from the hit's path in all, without sign |
| straightness_residual_channels | channels | rms of the peaks' columns from a line; 0 where too faint to tell |

What depends on other hits (neighbours, combs, equal drifts) is in `neighbours`, what depends on the band in `bands`.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from shared.arrays import Floats, Indices, Power

MAX_SEGMENTS = 8
BRIGHT_SEGMENT_SNR = 5.0
PRESENT_FRACTION = 0.3
# Trying a thousand parabolas gains up to so many sigma on noise, and up to this share on a tone between channels.
CURVATURE_SIGMA, CURVATURE_SHARE = 4.0, 0.1
MAX_OFFSET_CHANNELS = 64
# Single rows are looked at as far as a cut-out reaches; noise rarely has such a peak there.
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

    first: Indices
    width: int
    pad: int


def row_positions(n_rows: int, spectra_per_row: int, n_spectra: int) -> Floats:
    """Middle of each row on the path, from 0 at the first spectrum to 1 at the last."""
    middle = (np.arange(n_rows) + 0.5) * spectra_per_row - 0.5
    positions: Floats = np.minimum(middle, n_spectra - 1) / (n_spectra - 1)
    return positions


def _box(track: Track, start_channel: int, spectra_per_row: int, positions: Floats) -> _Box:
    # Within a row of several spectra the path itself moves on.
    smear = int(np.ceil((spectra_per_row - 1) * abs(track.steps) / (track.n_spectra - 1)))
    width = track.width + smear
    first = np.rint(track.channel + track.steps * positions - smear / 2 - start_channel).astype(np.int64)
    return _Box(first, width, max(8, 2 * width))


def _gather(power: Floats, rows: Indices, columns: Indices) -> Floats:
    """Samples at (rows, columns); 0, the noise's mean, where the cut-out ends."""
    inside = (columns >= 0) & (columns < power.shape[1])
    gathered: Floats = np.where(inside, power[rows, np.clip(columns, 0, power.shape[1] - 1)], 0.0)
    return gathered


def align(power: Floats, track: Track, start_channel: int, spectra_per_row: int) -> tuple[Floats, int, int]:
    """Shift each row so that the path stands upright.

    Returns the aligned power (rows, pad + box + pad), the box's width and the pad, in channels.
    """
    box = _box(track, start_channel, spectra_per_row, row_positions(len(power), spectra_per_row, track.n_spectra))
    columns = box.first[:, None] + np.arange(-box.pad, box.width + box.pad)
    return _gather(power, np.arange(len(power))[:, None], columns), box.width, box.pad


def _time_measures(profile: Floats) -> tuple[float, float, float, float]:
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


def _frequency_measures(spectrum: Floats, width: int, pad: int) -> tuple[int, float, float]:
    """Columns at half maximum round the peak of the box, the sharpness of its edges, the share of power beside it."""
    # A faint, wide hump has peaks of noise on it: they are smoothed over an eighth of the box.
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
    """All combinations of `bend * ((u - turn)^2 - shift)`, as rows of (bend, turn, bend * shift)."""
    grid = np.stack(np.meshgrid(bend, turn, shift, indexing="ij"), axis=-1).reshape(-1, 3)
    grid[:, 2] *= grid[:, 0]
    return grid


@cache
def _first_parabolas() -> Floats:
    return parabolas(np.concatenate([-_BENDS[::-1], _BENDS]), _TURNS, _SHIFTS)


def _offsets(parabola: Floats, positions: Floats) -> Indices:
    """Columns of `box_sums` on parabolas of (bend, turn, bend * shift): (parabolas, rows)."""
    bend, turn, shift = parabola[:, :1], parabola[:, 1:2], parabola[:, 2:]
    columns: Indices = np.rint(bend * (positions - turn) ** 2 - shift).astype(np.int64) + MAX_OFFSET_CHANNELS
    return columns


def _best_parabola(sums: Floats, positions: Floats, tried: Floats) -> tuple[float, Floats]:
    """Largest sum of `sums` (rows, offsets) along the parabolas, and that parabola."""
    totals = _gather(sums, np.arange(len(sums))[None, :], _offsets(tried, positions)).sum(axis=1)
    best = int(np.argmax(totals))
    return float(totals[best]), tried[best]


def _box_sums(power: Floats, box: _Box) -> Floats:
    """Power in the box, moved from the path by up to MAX_OFFSET_CHANNELS either way: (rows, offsets)."""
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
    """Look for a parabola near the path that holds more.

    A bent signal touches its straight path somewhere (`turn`) or crosses it twice (`shift` > 0); the best of a coarse
    grid of such parabolas is refined once.
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
    """Width of what single rows show, how far its places are from a parabola, and how far that leaves the path."""
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


def measure(power: Power, start_channel: int, spectra_per_row: int, track: Track) -> Features:
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
