"""Everything that is known about one hit before it is labelled, and the row of numbers that the model gets of it.

The model gets the signal alone: its cut-out and its box. Combs, equal drifts and services are left to written rules:
the simulation would decide how crowded a band is, and the model would learn that choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import asinh, hypot, log1p, log2, log10, nan

import numpy as np
import numpy.typing as npt

from services.classify.kernels.features import Features
from shared.labels import CHIRP
from shared.narrowband import NARROW_HZ, narrow_limit_hz

BROAD_HZ, BROAD_CHANNELS = NARROW_HZ, 8
DRIFT_ERRORS = 3.0


@dataclass(frozen=True)
class Evidence:
    """The properties of one hit that decide its label and rank.

    `emission_width_hz` is the width of the whole emission or comb that the hit is part of; 0 if it stands alone.
    `comb_spacing_hz` is the spacing of the comb's teeth (0: no comb), `comb_teeth` their number. `hits_with_like_drift`
    counts the other places of the observation with a hit that drifts alike; hits within 500 Hz are one place.
    `like_drift_span_hz` is the frequency range over which hits drift alike. `suits_narrowband` says whether the product
    suits a search for narrowband signals (`shared.narrowband`). `false_alarms` is the number of hits of this SNR or
    above that noise alone would make in the whole search; NaN if it is not known. `curve_gain` is the SNR along the
    parabola that the search found, in units of the SNR of the straight path; 1 if no parabola is clearly better.
    """

    snr: float
    snr_threshold: float
    frequency_hz: float
    drift_rate_hz_s: float
    drift_rate_error_hz_s: float
    drift_resolution_hz_s: float
    bandwidth_hz: float
    channel_width_hz: float
    drift_channels_per_spectrum: float
    n_rows: int
    features: Features
    emission_width_hz: float = 0.0
    comb_spacing_hz: float = 0.0
    comb_teeth: int = 0
    hits_with_like_drift: int = 0
    like_drift_span_hz: float = 0.0
    suits_narrowband: bool = True
    false_alarms: float = nan
    curve_gain: float = 1.0


def broad_limit_hz(channel_width_hz: float) -> float:
    """Return the unit of width of the model, Hz: 500 Hz, or 8 channels on grids where these are wider."""
    return max(BROAD_HZ, BROAD_CHANNELS * channel_width_hz)


def widest_narrow_hz(channel_width_hz: float) -> float:
    """Return the bandwidth above which a signal is broadband, Hz.

    The model knows 500 Hz on grids whose 8 channels are no wider. On coarser ones it counts channels, and a rule in Hz
    decides.
    """
    limit = broad_limit_hz(channel_width_hz)
    return limit if limit <= BROAD_HZ else narrow_limit_hz(channel_width_hz)


def is_wide(evidence: Evidence, shape: str) -> bool:
    """Return whether a hit of any shape is too wide, in Hz, to be called narrow, where the model can't tell.

    The box of a chirp holds its bend, so its width in single rows counts.
    """
    if broad_limit_hz(evidence.channel_width_hz) <= BROAD_HZ:
        return False
    width_hz = evidence.bandwidth_hz
    if shape == CHIRP:
        width_hz = min(width_hz, evidence.features.row_width_channels * evidence.channel_width_hz)
    # Widths are whole channels, up to rounding.
    return width_hz > 1.001 * widest_narrow_hz(evidence.channel_width_hz)


def drift_limit_hz_s(evidence: Evidence) -> float:
    """Return the largest drift rate, without sign, that may be zero: three errors, or one step of the grid."""
    return max(DRIFT_ERRORS * evidence.drift_rate_error_hz_s, 1.01 * evidence.drift_resolution_hz_s)


def drift_scatter_steps(width_channels: float, snr: float) -> float:
    """Return the approximate scatter of a measured drift, in steps of the grid: the unit of drifts in the model.

    It does not use the error that a hit states, so the model stays valid when the search states better errors.
    """
    return hypot(0.6, 1.8 * width_channels / max(snr, 1.0))


# The numbers that the model gets, as `model_row` computes them.
MODEL_FEATURES = (
    "log_snr",
    "log_rows",
    "drift_over_scatter",
    "drift_per_spectrum",
    "log_width_channels",
    "log_width_over_limit",
    "log_fwhm_over_limit",
    "kurtosis",
    "support",
    "occupancy",
    "presence",
    "peak_fraction",
    "log_fwhm_over_width",
    "window_fill",
    "edge_sharpness",
    "side_share",
    "curvature_gain",
    "bend_over_width",
    "row_width_over_width",
    "wobble_over_width",
    "lean_over_width",
    "residual_over_width",
)
# Novelty uses the shape alone: brightness, drift and width are the transmitter's choice, and the last percent of a
# steady tone decides its kurtosis.
NOVELTY_FEATURES = MODEL_FEATURES[MODEL_FEATURES.index("support") :]


def model_row(evidence: Evidence) -> list[float]:
    """Return the numbers named by `MODEL_FEATURES`, without units, so that one model fits every grid.

    Widths are in channels of the box or in units of the limit of broadband, drifts in units of their scatter;
    logarithms and asinh compress the range of strong and wide signals.
    """
    f = evidence.features
    limit = broad_limit_hz(evidence.channel_width_hz)
    width = max(evidence.bandwidth_hz / evidence.channel_width_hz + evidence.drift_channels_per_spectrum, 1.0)
    return [
        log10(max(evidence.snr, 1e-3)),
        log2(evidence.n_rows),
        asinh(
            abs(evidence.drift_rate_hz_s) / evidence.drift_resolution_hz_s / drift_scatter_steps(width, evidence.snr)
        ),
        log1p(evidence.drift_channels_per_spectrum),
        log2(width),
        log10(evidence.bandwidth_hz / limit),
        log10(f.fwhm_hz / limit),
        asinh(f.kurtosis),
        min(max(f.path_snr / max(evidence.snr, 1e-3), -1.0), 3.0),
        f.occupancy,
        f.presence,
        f.peak_fraction,
        log2(f.fwhm_hz / (width * evidence.channel_width_hz)),
        f.window_fill,
        f.edge_sharpness,
        f.side_share,
        log2(f.curvature_gain),
        asinh(f.bend_channels / width),
        log2(f.row_width_channels / width),
        log1p(f.wobble_channels / f.row_width_channels),
        log1p(f.lean_channels / width),
        log1p(f.straightness_residual_channels / width),
    ]


def model_rows(evidence: Sequence[Evidence]) -> npt.NDArray[np.float64]:
    """Return the rows of all hits: float64 (hits, features)."""
    return np.array([model_row(item) for item in evidence], np.float64).reshape(-1, len(MODEL_FEATURES))
