"""The nine labels and the rules that give them.

Rules are tried in this order; the first that holds gives the shape, and then a band may turn it into RFI:

1. NOISE: the cut-out does not bear the hit out (path SNR under 5 and under half of what the search stated), or one
   narrow spectrum alone holds 0.8 of its power (a glitch).
2. BROADBAND: wider, beyond the smear of its drift, than 500 Hz and than 8 channels; or no edge in sight (the aligned
   spectrum stays above half its peak over 0.8 of the window, and falls by under 0.3 outside the box).
3. CHIRP: the best parabola gathers 1.3 times the SNR of the straight path or more. (Along a straight path a bent
   signal looks pulsed, so this comes first.)
4. PULSED: its power is spread over less than half of the time (occupancy under 0.5), in at least two rows.
5. NARROWBAND_STATIONARY: drift within 3 errors, or within one step of the drift grid, of zero.
6. NARROWBAND_DRIFTING: whatever else is left.

RFI_TERRESTRIAL or RFI_SATELLITE replaces 2 to 6 where a service's band and shape both agree (see `bands`).

CANDIDATE_ET replaces 6 where all of this holds: SNR at least twice the threshold and at least 20; bandwidth at most
3 channels (beyond smear) and 500 Hz; present in every stretch of the time (of at least 4 rows); occupancy at least 0.7;
straight (no curvature, residual at most 1 channel plus the drift per spectrum); drift beyond 3 errors and one grid
step from zero and at most 200 nHz of its frequency; no tooth of a comb; fewer than 10 other hits drift alike; and no
service with narrow carriers has its band there.
"""

from dataclasses import dataclass
from math import exp, sqrt

from services.classify.bands import Band, agreeing_band, bands_at
from services.classify.kernels.features import Features

NARROWBAND_DRIFTING = "NARROWBAND_DRIFTING"
NARROWBAND_STATIONARY = "NARROWBAND_STATIONARY"
BROADBAND = "BROADBAND"
PULSED = "PULSED"
CHIRP = "CHIRP"
RFI_TERRESTRIAL = "RFI_TERRESTRIAL"
RFI_SATELLITE = "RFI_SATELLITE"
NOISE = "NOISE"
CANDIDATE_ET = "CANDIDATE_ET"
LABELS = (
    NARROWBAND_DRIFTING,
    NARROWBAND_STATIONARY,
    BROADBAND,
    PULSED,
    CHIRP,
    RFI_TERRESTRIAL,
    RFI_SATELLITE,
    NOISE,
    CANDIDATE_ET,
)

NOISE_PATH_SNR = 5.0
GLITCH_FRACTION = 0.8
BROAD_HZ, BROAD_CHANNELS = 500.0, 8
BROAD_FILL, BROAD_SHARPNESS = 0.8, 0.3
PULSED_OCCUPANCY = 0.5
CHIRP_GAIN = 1.3
DRIFT_ERRORS = 3.0
MIN_ROWS_IN_TIME = 4
CANDIDATE_SNR = 20.0
CANDIDATE_CHANNELS = 3
CANDIDATE_OCCUPANCY = 0.7
CANDIDATE_ALIKE = 10
MAX_DRIFT_PER_HZ = 200e-9  # 1/s; the fastest drift expected of a planet's transmitter (Sheikh et al. 2019)


@dataclass(frozen=True)
class Evidence:
    """All that the rules look at for one hit."""

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
    hits_with_like_drift: int = 0


@dataclass(frozen=True)
class Verdict:
    """A label, how sure it is (0..1), and the service a hit is put down to (empty: none)."""

    label: str
    confidence: float
    rfi_source: str = ""


def _sure(excess: float) -> float:
    """0.5 at a rule's limit, towards 1 beyond it; `excess` counts in units of what makes a clear difference."""
    return 1 / (1 + exp(-2 * max(-20.0, min(20.0, excess))))


def drift_limit_hz_s(evidence: Evidence) -> float:
    """Drift rate, without sign, up to which a hit counts as stationary."""
    return max(DRIFT_ERRORS * evidence.drift_rate_error_hz_s, 1.01 * evidence.drift_resolution_hz_s)


def is_broad(evidence: Evidence) -> bool:
    """Rule 2."""
    features = evidence.features
    limit_hz = max(BROAD_HZ, BROAD_CHANNELS * evidence.channel_width_hz)
    no_edge = features.window_fill >= BROAD_FILL and features.edge_sharpness < BROAD_SHARPNESS
    return evidence.bandwidth_hz > limit_hz or no_edge


def is_noise(evidence: Evidence) -> bool:
    """Rule 1."""
    features = evidence.features
    unsupported = features.path_snr < min(NOISE_PATH_SNR, evidence.snr / 2)
    glitch = evidence.n_rows >= MIN_ROWS_IN_TIME and features.peak_fraction >= GLITCH_FRACTION
    return unsupported or (glitch and not is_broad(evidence))


def shape_of(evidence: Evidence) -> Verdict:
    """Rules 1 to 6."""
    features = evidence.features
    if is_noise(evidence):
        return Verdict(NOISE, _sure(max(1 - features.path_snr / NOISE_PATH_SNR, features.peak_fraction - 0.5)))
    if is_broad(evidence):
        octaves = evidence.bandwidth_hz / max(BROAD_HZ, BROAD_CHANNELS * evidence.channel_width_hz)
        return Verdict(BROADBAND, _sure(max(octaves - 1, 1 - features.edge_sharpness / BROAD_SHARPNESS)))
    if features.curvature_gain >= CHIRP_GAIN:
        return Verdict(CHIRP, _sure(3 * (features.curvature_gain - CHIRP_GAIN)))
    if evidence.n_rows >= MIN_ROWS_IN_TIME and features.occupancy < PULSED_OCCUPANCY:
        return Verdict(PULSED, _sure(3 * (1 - features.occupancy / PULSED_OCCUPANCY)))
    drifts = abs(evidence.drift_rate_hz_s) / drift_limit_hz_s(evidence)
    # A weak hit's shape is known less well: 10 sigma give 0.76 of full trust.
    trust = 1 - exp(-evidence.snr / 7)
    occupied = _sure(4 * (features.occupancy - PULSED_OCCUPANCY)) if evidence.n_rows >= MIN_ROWS_IN_TIME else 0.75
    if drifts <= 1:
        return Verdict(NARROWBAND_STATIONARY, trust * min(_sure(2 * (1 - drifts)), occupied))
    return Verdict(NARROWBAND_DRIFTING, trust * min(_sure(drifts - 1), occupied))


def _attributed(evidence: Evidence, shape: Verdict) -> Band | None:
    return agreeing_band(
        evidence.frequency_hz,
        emission_width_hz=max(evidence.emission_width_hz, evidence.bandwidth_hz),
        broad=shape.label == BROADBAND,
        stationary=shape.label == NARROWBAND_STATIONARY,
        pulsed=shape.label == PULSED,
    )


def is_candidate(evidence: Evidence) -> bool:
    """The written definition of CANDIDATE_ET, for a hit that is NARROWBAND_DRIFTING."""
    features = evidence.features
    bright = evidence.snr >= max(2 * evidence.snr_threshold, CANDIDATE_SNR)
    narrow = evidence.bandwidth_hz <= min(CANDIDATE_CHANNELS * evidence.channel_width_hz * 1.001, BROAD_HZ)
    steady = (
        evidence.n_rows >= MIN_ROWS_IN_TIME and features.presence >= 1.0 and features.occupancy >= CANDIDATE_OCCUPANCY
    )
    straight = (
        features.curvature_gain < 1.05
        and features.straightness_residual_channels <= 1 + evidence.drift_channels_per_spectrum
    )
    natural = abs(evidence.drift_rate_hz_s) <= MAX_DRIFT_PER_HZ * evidence.frequency_hz
    alone = not evidence.comb_spacing_hz and evidence.hits_with_like_drift < CANDIDATE_ALIKE
    no_carriers = not any(band.carriers for band in bands_at(evidence.frequency_hz))
    return bright and narrow and steady and straight and natural and alone and no_carriers


def label(evidence: Evidence) -> Verdict:
    """The label of one hit."""
    shape = shape_of(evidence)
    if shape.label == NOISE:
        return shape
    band = _attributed(evidence, shape)
    if band is not None:
        name = RFI_SATELLITE if band.category == "satellite" else RFI_TERRESTRIAL
        return Verdict(name, sqrt(shape.confidence), band.name)
    if shape.label == NARROWBAND_DRIFTING and is_candidate(evidence):
        margin = evidence.snr / max(2 * evidence.snr_threshold, CANDIDATE_SNR)
        return Verdict(CANDIDATE_ET, min(shape.confidence, _sure(margin - 0.5)))
    return shape
