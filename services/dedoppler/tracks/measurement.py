"""Measures tracks in the samples of one window: forced SNR, limit and strength."""

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from services.dedoppler.cutouts import picture
from services.dedoppler.kernels.track_paths import (
    LEAST_THERE,
    Found,
    MovingBox,
    Path,
    Window,
    best_box,
    best_path,
    samples_along,
)
from services.dedoppler.noise.conditioning import Conditioned, condition
from services.dedoppler.noise.dc_spikes import dc_channels
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.noise.wide_structure import take_off_wide_structure
from services.dedoppler.search.width_trials import WIDEST_BOX
from services.dedoppler.tracks.choice import choose, smears_of, with_widths
from services.dedoppler.tracks.prediction import Prediction, ScanGrid
from services.dedoppler.tracks.windows import TrackPlan, TrackWindow
from services.dedoppler.uncertainties import errors_of
from shared.arrays import Floats, Power
from shared.header import Header
from shared.hits import Cutout
from shared.tracks import LOST, MEASURED, OUTSIDE

# Of the upper limit.
LIMIT_SIGMA = 3.0
# From this SNR on, the data say better than the track where a signal is.
FOUND_SNR = 5.0
# That paths are a third of a channel apart, and that a track is a little off its true place, scatters the SNR by this
# part of it over the width of the box (measured on tones of SNR 8 to 30).
PATH_ERROR_CHANNELS = 0.04

Values = dict[str, float]


@dataclass(frozen=True)
class Measurement:
    """The fields of one row of `MEASUREMENT_DTYPE` but the track's id, and the cut-out."""

    values: Values
    cutout: Cutout | None


def measure_window(
    power: Power, grid: ScanGrid, window: TrackWindow, plans: Sequence[TrackPlan], ifs: int, pool: Executor
) -> list[Measurement]:
    """Measure the tracks of a window.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power of the window's channels on the grid; lost samples are set to NaN.
    grid : ScanGrid
        The scan.
    window : TrackWindow
        Which channels these are.
    plans : sequence of TrackPlan
        The window's tracks.
    ifs : int
        How many IFs `power` is the sum of.
    pool : Executor
        Threads to work on.

    Returns
    -------
    list of Measurement
        In the order of `plans`.
    """
    header = grid.header
    smears = [smears_of(plan.prediction, header.n_spectra) for plan in plans]
    widest = max(WIDEST_BOX, *(2 * math.ceil(one.max() + 1) for one in smears))
    max_steps = max(math.ceil(abs(plan.prediction.path.steps)) for plan in plans)
    conditioned = condition(power, header, window.first, max_steps + 2 * widest, pool, Scratch())
    if conditioned is None:
        return [Measurement(not_measured(plan.prediction, grid, LOST), None) for plan in plans]
    take_off_wide_structure(conditioned.x, conditioned.stretches, widest, max_steps, pool)
    samples = _samples(conditioned, header, window)
    found = []
    for plan, of_track in zip(plans, smears, strict=True):
        values = _measure(samples, grid, window, plan.prediction, of_track, ifs)
        found.append(Measurement(values, _cutout(conditioned, grid, window, plan.view)))
    return found


def _samples(conditioned: Conditioned, header: Header, window: TrackWindow) -> Window:
    """Return weighted power and variance of the window's channels; what was a DC spike is lost."""
    pad, weighting = conditioned.pad, conditioned.spectra.weighting
    power = np.ascontiguousarray(conditioned.x[:, pad : conditioned.x.shape[1] - pad])
    power[:, dc_channels(header, window.first, window.stop) - window.first] = 0.0
    variance = (power != 0).astype(np.float32)
    if weighting is not None:
        weight = np.repeat(weighting.weight, np.diff(weighting.edges), axis=1).astype(np.float32)
        power *= weight
        variance *= weight**2
    return Window(power, variance)


def _measure(
    samples: Window, grid: ScanGrid, window: TrackWindow, prediction: Prediction, smears: Floats, ifs: int
) -> Values:
    track = prediction.path._replace(centre=prediction.path.centre - window.first)
    found = _best_path(samples, track, prediction, smears)
    band = -window.first, grid.header.n_channels - window.first
    inside, there, weight = samples_along(samples, found.box, band)
    whole = grid.header.n_spectra * found.box.width
    path = found.path._replace(centre=found.path.centre + window.first)
    if math.isfinite(found.snr):
        values = not_measured(prediction, grid, MEASURED, there / whole)
        return values | _measured(found._replace(path=path), weight, grid, prediction, ifs)
    return not_measured(prediction, grid, OUTSIDE if inside < LEAST_THERE * whole else LOST, there / whole)


def _best_path(samples: Window, track: Path, prediction: Prediction, smears: Floats) -> Found:
    found = Found(*best_path(samples, track, choose(prediction, smears), smears))
    if not math.isfinite(found.snr):
        box, share = best_box(track, float(smears[0]), len(samples.power))
        return found._replace(path=track, box=MovingBox(*box), share=share)
    box, path = MovingBox(*found.box), Path(*found.path)
    return found._replace(path=path, box=box, trials=with_widths(found.trials, smears))


def _measured(found: Found, weight: float, grid: ScanGrid, prediction: Prediction, ifs: int) -> Values:
    header, path = grid.header, found.path
    width_hz = abs(header.foff_hz)
    errors = errors_of(found.snr, found.box.width, max(1.0, prediction.bandwidth))
    # In the mean over its samples the emission has `snr` times this, in units of the noise of one sample. That is
    # 1 / sqrt(width * time) of the noise's level (the radiometer equation), of each of the IFs that are summed.
    per_sample = math.sqrt(found.variance) / weight
    per_sigma_hz = per_sample * found.box.width / found.share * math.sqrt(width_hz / (header.tsamp_s * ifs))
    snr_error = math.hypot(errors.snr, PATH_ERROR_CHANNELS * found.snr / found.box.width)
    first = path.centre + path.steps * grid.first_u + 4 * path.bend * grid.first_u**2
    values = {
        "snr": found.snr,
        "snr_error": snr_error,
        "snr_limit": max(found.snr, 0.0) + LIMIT_SIGMA * snr_error,
        "strength_hz": found.snr * per_sigma_hz,
        "strength_error_hz": snr_error * per_sigma_hz,
        "frequency_hz": header.frequency_hz(first),
        "drift_rate_hz_s": header.drift_rate_hz_s(path.steps),
        "offset_hz": (path.centre - prediction.path.centre) * header.foff_hz,
        "trials": found.trials,
    }
    if found.trials > 1 and found.snr >= FOUND_SNR:
        known_hz, known_hz_s = _errors_of_track(prediction, grid)
        values["frequency_error_hz"] = min(known_hz, errors.channel * width_hz)
        values["drift_rate_error_hz_s"] = min(known_hz_s, errors.steps * header.drift_resolution_hz_s)
    return values


def _errors_of_track(prediction: Prediction, grid: ScanGrid) -> tuple[float, float]:
    """Return how well the track is known: its frequency in the first spectrum, Hz, and its drift rate, Hz/s."""
    header = grid.header
    steps = math.sqrt(max(0.0, float(prediction.covariance[1, 1])))
    return prediction.error(grid.first_u) * abs(header.foff_hz), steps * header.drift_resolution_hz_s


def not_measured(prediction: Prediction, grid: ScanGrid, state: int, coverage: float = 0.0) -> Values:
    """Return the values of a track of which nothing can be said but where it should be."""
    frequency_error_hz, drift_rate_error_hz_s = _errors_of_track(prediction, grid)
    header, nothing = grid.header, ("snr", "snr_error", "snr_limit", "strength_hz", "strength_error_hz")
    return dict.fromkeys(nothing, math.nan) | {
        "state": state,
        "coverage": coverage,
        "frequency_hz": header.frequency_hz(prediction.channel(grid.first_u)),
        "frequency_error_hz": frequency_error_hz,
        "drift_rate_hz_s": header.drift_rate_hz_s(prediction.path.steps),
        "drift_rate_error_hz_s": drift_rate_error_hz_s,
        "offset_hz": 0.0,
        "trials": 1.0,
    }


def _cutout(conditioned: Conditioned, grid: ScanGrid, window: TrackWindow, view: tuple[int, int]) -> Cutout | None:
    """Return the normalised power of a view, in units of the noise of one spectrum of the file."""
    first, stop = view
    if first >= stop:
        return None
    to_column = conditioned.pad - window.first
    shown = picture(conditioned.x[:, first + to_column : stop + to_column], first)
    per_average = round(grid.header.tsamp_s / grid.file.tsamp_s)
    power = shown.power / np.float32(math.sqrt(per_average))
    return Cutout(power, first, shown.spectra_per_row * per_average)
