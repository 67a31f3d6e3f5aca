"""Which of the nine labels a hit gets: from its shape, its frequency band and the other hits.

**Shape.** A model of boosted trees, trained on simulated signals (`model`, docs/model-card.md), tells six shapes apart
by the cut-out alone:

- NARROWBAND_DRIFTING, NARROWBAND_STATIONARY: up to 500 Hz wide, present most of the time, straight.
- BROADBAND: wider than 500 Hz, not counting the smear of its drift. Where channels are wider than 62.5 Hz a written
  rule decides, in Hz: wider than 500 Hz and than three channels, or on channels wider than 3 kHz (`evidence.is_wide`).
- PULSED: narrow, its power spread over less than half of the time, in at least two spectra.
- CHIRP: narrow, its drift changes: no straight path holds it.
- NOISE: a glitch in a single spectrum, or nothing. A written rule adds hits that the cut-out does not support (path SNR
  below 5 and below half of the SNR that the search states).

`novelty` says how unlike the training data a hit is: 1 minus the share of known signals that lie as far out. Where that
share is below 1 %, the shape is the nearest guess, and confidence falls in proportion.

**RFI.** RFI_TERRESTRIAL or RFI_SATELLITE replaces a shape other than NOISE where a service's band and the shape both
agree (see `bands`); `rfi_source` names the service. A comb of at least five lines that do not drift comes from a clock
on the ground: RFI_TERRESTRIAL without a source.

**CANDIDATE_ET** replaces NARROWBAND_DRIFTING where all of `candidate_conditions` hold.
"""

from dataclasses import dataclass, field

from services.classify.bands import Appearance, Band, agreeing_band, bands_at, protected_band
from services.classify.evidence import BROAD_HZ, Evidence, drift_limit_hz_s, is_wide
from services.classify.model import Shape
from shared.labels import (
    BROADBAND,
    CANDIDATE_ET,
    NARROWBAND_DRIFTING,
    NARROWBAND_STATIONARY,
    NOISE,
    PULSED,
    RFI_SATELLITE,
    RFI_TERRESTRIAL,
)
from shared.units import frequency_text

# A cut-out that holds less along the path than half of the stated SNR, and less than this, does not support a hit.
NOISE_PATH_SNR = 5.0

# The conditions of CANDIDATE_ET. A candidate is for people to look at, so each condition excludes what has an ordinary
# explanation more often than not.
# Twice the default threshold: noise never gets there, and the shape of so strong a signal can be measured.
CANDIDATE_SNR = 20.0
# A transmitter's carrier is as narrow as the file can show: one channel, and its neighbours if it lies between two.
CANDIDATE_CHANNELS = 3
# Fewer stretches of time can't show whether a signal was present all the time.
MIN_ROWS_IN_TIME = 4
# The share of time over which the power is spread: 1 for a steady tone, 0.89 for one that swings by half of its mean.
CANDIDATE_OCCUPANCY = 0.7
# The gain is 1 where no parabola is better than the straight path, else more than this (`kernels.features`). The same
# holds for the parabola of the search, which sees single channels where the cut-out of many spectra does not.
CANDIDATE_CURVATURE_GAIN = 1.1
# A distant transmitter drifts by itself; ten other hits with its drift point to a source near the receiver.
CANDIDATE_ALIKE = 10
# Doppler drift is proportional to frequency. Three equal drifts over more than 1 MHz are the receiver's oscillator.
FAR_APART_HZ, FAR_APART_HITS = 1e6, 3
# 1/s; the fastest drift expected of a planet's transmitter (Sheikh et al. 2019).
MAX_DRIFT_PER_HZ = 200e-9
# Of held-out hits with at least this probability, 98 % or more have that shape (docs/model-card.md, reliability).
CANDIDATE_PROBABILITY = 0.9

# The conditions as texts for people, in the order of `candidate_conditions`.
CANDIDATE_CONDITIONS = (
    f"SNR at least {CANDIDATE_SNR:g} and twice the threshold",
    f"at most {CANDIDATE_CHANNELS} channels and {BROAD_HZ:g} Hz wide",
    f"there in all of at least {MIN_ROWS_IN_TIME} stretches of time",
    f"steady (occupancy at least {CANDIDATE_OCCUPANCY:g})",
    "straight",
    "drift told from none",
    f"drift at most {MAX_DRIFT_PER_HZ * 1e9:g} nHz/s per Hz",
    "no tooth of a comb",
    f"fewer than {CANDIDATE_ALIKE} other hits drift alike",
    f"no like drifts over more than {FAR_APART_HZ / 1e6:g} MHz",
    "no service with carriers in its band",
    f"a shape that the model is sure of ({CANDIDATE_PROBABILITY:g})",
    "a shape that the model knows",
    "a product with channels that suit narrow signals",
)

# If a smaller share of known signals lies as far out as a hit, the hit counts as unlike the training data.
UNKNOWN_P = 0.01


@dataclass(frozen=True)
class Verdict:
    """The label of one hit, and why it has it.

    `confidence` is how sure the label is, 0 to 1. `rfi_source` is the service that the hit is attributed to, empty for
    none. `shape` is the label by shape alone, `shape_probability` the model's probability of it. `novelty` is the share
    of known signals that are less unusual, 0 to 1. `reasons` are sentences for people.
    """

    label: str
    confidence: float
    rfi_source: str = ""
    shape: str = ""
    shape_probability: float = 1.0
    novelty: float = 0.0
    probabilities: dict[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


def is_unsupported(evidence: Evidence) -> bool:
    """Return whether the cut-out does not support the hit."""
    return evidence.features.path_snr < min(NOISE_PATH_SNR, evidence.snr / 2)


def _drift_hz_s(evidence: Evidence, shape: str) -> float:
    """Return the drift, or 0 if it does not differ from zero by more than its error."""
    is_stationary = shape == NARROWBAND_STATIONARY or abs(evidence.drift_rate_hz_s) <= drift_limit_hz_s(evidence)
    return 0.0 if is_stationary else evidence.drift_rate_hz_s


def shape_by_rule(evidence: Evidence, shape: str) -> str:
    """Return the shape of a hit that the model calls `shape`: NOISE or BROADBAND where a written rule says so."""
    if shape == NOISE or is_unsupported(evidence):
        return NOISE
    return BROADBAND if is_wide(evidence, shape) else shape


def attributed(evidence: Evidence, shape: str, *, pulsed: bool = False) -> Band | None:
    """Return the service whose band and shape agree with a hit, or None; `pulsed` where a broad one comes in bursts."""
    return agreeing_band(
        evidence.frequency_hz,
        Appearance(
            width_hz=evidence.bandwidth_hz,
            emission_width_hz=max(evidence.emission_width_hz, evidence.bandwidth_hz),
            drift_rate_hz_s=_drift_hz_s(evidence, shape),
            broad=shape == BROADBAND,
            pulsed=pulsed or shape == PULSED,
            comb_spacing_hz=evidence.comb_spacing_hz,
        ),
    )


def drifts_with_far_hits(evidence: Evidence) -> bool:
    """Return whether at least three other hits, over more than 1 MHz, drift alike: the receiver itself drifts.

    Doppler drift is proportional to frequency; an unsteady oscillator in the receiver moves all frequencies alike.
    """
    return evidence.hits_with_like_drift >= FAR_APART_HITS and evidence.like_drift_span_hz > FAR_APART_HZ


def candidate_conditions(evidence: Evidence, shape: Shape) -> dict[str, bool]:
    """Return each condition of CANDIDATE_ET, and whether a NARROWBAND_DRIFTING hit meets it.

    Parameters
    ----------
    evidence
        Of the hit.
    shape
        What the model says of it.

    Returns
    -------
    dict
        From the condition as a text for people, as it stands in a hit's `reasons`, to whether it holds.
    """
    f = evidence.features
    narrow_hz = min(CANDIDATE_CHANNELS * evidence.channel_width_hz * 1.001, BROAD_HZ)
    residual = 1 + evidence.drift_channels_per_spectrum
    met = (
        evidence.snr >= max(2 * evidence.snr_threshold, CANDIDATE_SNR),
        evidence.bandwidth_hz <= narrow_hz,
        f.presence >= 1.0 and evidence.n_rows >= MIN_ROWS_IN_TIME,
        f.occupancy >= CANDIDATE_OCCUPANCY,
        max(f.curvature_gain, evidence.curve_gain) < CANDIDATE_CURVATURE_GAIN
        and f.straightness_residual_channels <= residual,
        abs(evidence.drift_rate_hz_s) > drift_limit_hz_s(evidence),
        abs(evidence.drift_rate_hz_s) <= MAX_DRIFT_PER_HZ * evidence.frequency_hz,
        not evidence.comb_spacing_hz,
        evidence.hits_with_like_drift < CANDIDATE_ALIKE,
        not drifts_with_far_hits(evidence),
        not any(band.carriers for band in bands_at(evidence.frequency_hz)),
        shape.probabilities.get(NARROWBAND_DRIFTING, 0.0) >= CANDIDATE_PROBABILITY,
        shape.novelty_p >= UNKNOWN_P,
        evidence.suits_narrowband,
    )
    return dict(zip(CANDIDATE_CONDITIONS, met, strict=True))


def _reasons(evidence: Evidence, shape: Shape, name: str, band: Band | None) -> list[str]:
    """Return why a hit has its label, without the conditions of CANDIDATE_ET."""
    ordered = sorted(shape.probabilities.items(), key=lambda item: -item[1])
    reasons = [f"Shape: {name}" + (f" ({shape.probabilities[name]:.2f})." if name == shape.name else " by rule.")]
    if name == shape.name and len(ordered) > 1 and ordered[1][1] >= 0.05:
        reasons.append(f"It may be {ordered[1][0]} ({ordered[1][1]:.2f}).")
    if name != shape.name and name == NOISE:
        reasons.append(f"Its cut-out holds an SNR of {evidence.features.path_snr:.1f} only.")
    elif name != shape.name:
        width, channel = frequency_text(evidence.bandwidth_hz), frequency_text(evidence.channel_width_hz)
        reasons.append(f"It is {width} wide, in channels of {channel}; narrow is up to {BROAD_HZ:g} Hz.")
    if shape.novelty_p < UNKNOWN_P:
        reasons.append(f"Unlike what the model knows (fewer than {shape.novelty_p:.1g} of signals are as strange).")
    if band is not None:
        reasons.append(f"{band.name} transmits here, and the shape agrees.")
    elif others := bands_at(evidence.frequency_hz):
        reasons.append(f"{others[0].name} has its band here, but its emissions look different.")
    if name_of_band := protected_band(evidence.frequency_hz):
        reasons.append(f"In a band protected for radio astronomy ({name_of_band}).")
    if evidence.comb_spacing_hz:
        reasons.append(f"One of {evidence.comb_teeth} lines {evidence.comb_spacing_hz:.1f} Hz apart.")
    if name == NARROWBAND_DRIFTING and drifts_with_far_hits(evidence):
        reasons.append(f"{evidence.hits_with_like_drift} other hits, far apart, drift alike.")
    return reasons


def _probability(shape: Shape, name: str) -> float:
    """Return how probable a shape is: the model's word, or 1 by rule; BROADBAND by rule is what is not noise."""
    if name == shape.name:
        return shape.probabilities[name]
    return 1.0 if name == NOISE else 1.0 - shape.probabilities.get(NOISE, 0.0)


def label(evidence: Evidence, shape: Shape) -> Verdict:
    """Return the label of one hit, given the shape that the model found."""
    name = shape_by_rule(evidence, shape.name)
    probability = _probability(shape, name)
    confidence = probability * min(1.0, shape.novelty_p / UNKNOWN_P)
    band = attributed(evidence, name, pulsed=shape.name == PULSED) if name != NOISE else None
    reasons = _reasons(evidence, shape, name, band)
    final, source = name, ""
    if band is not None:
        final, source = RFI_SATELLITE if band.category == "satellite" else RFI_TERRESTRIAL, band.name
    elif name == NARROWBAND_STATIONARY and evidence.comb_spacing_hz:
        final = RFI_TERRESTRIAL
    elif name == NARROWBAND_DRIFTING:
        missing = [text for text, met in candidate_conditions(evidence, shape).items() if not met]
        final = name if missing else CANDIDATE_ET
        reasons += [f"Not CANDIDATE_ET, for it lacks: {'; '.join(missing)}."] if missing else []
    return Verdict(
        label=final,
        confidence=confidence,
        rfi_source=source,
        shape=name,
        shape_probability=probability,
        novelty=1 - shape.novelty_p,
        probabilities=shape.probabilities,
        reasons=tuple(reasons),
    )
