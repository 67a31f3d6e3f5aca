"""The nine labels: how shape, band and the rest of the observation make one.

**Shape.** A model of boosted trees, trained on simulated signals (`model`, docs/model-card.md), tells six shapes apart
by the cut-out alone:

- NARROWBAND_DRIFTING, NARROWBAND_STATIONARY: up to 500 Hz (8 channels) wide, there most of the time, straight.
- BROADBAND: wider, beyond the smear of its drift, than 500 Hz and than 8 channels.
- PULSED: narrow, its power spread over less than half of the time, in at least two spectra.
- CHIRP: narrow, its drift changes: no straight path holds it.
- NOISE: a glitch in a single spectrum, or nothing there. A written rule adds what the cut-out does not bear out (path
  SNR under 5 and under half of what the search stated).

A hit unlike anything in the training data is told so by `novelty`, 1 minus the share of known signals that are as far
out. Where under 1 % are, confidence falls in proportion, and the shape is the nearest guess.

**RFI.** RFI_TERRESTRIAL or RFI_SATELLITE replaces a shape other than NOISE, and `rfi_source` names the service, where a
service's band and the shape both agree (see `bands`). A comb of at least five lines that do not drift is the work of a
clock on the ground: RFI_TERRESTRIAL without a source.

**CANDIDATE_ET** replaces NARROWBAND_DRIFTING where all of `candidate_conditions` hold.
"""

from dataclasses import dataclass, field

from services.classify.bands import Appearance, Band, agreeing_band, bands_at, protected_band
from services.classify.evidence import BROAD_HZ, Evidence, drift_limit_hz_s
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

NOISE_PATH_SNR = 5.0
MIN_ROWS_IN_TIME = 4
CANDIDATE_SNR = 20.0
CANDIDATE_CHANNELS = 3
CANDIDATE_OCCUPANCY = 0.7
CANDIDATE_ALIKE = 10
CANDIDATE_PROBABILITY = 0.9
FAR_APART_HZ, FAR_APART_HITS = 1e6, 3
MAX_DRIFT_PER_HZ = 200e-9  # 1/s; the fastest drift expected of a planet's transmitter (Sheikh et al. 2019)
# Under this share of known signals lie as far out: a hit is told to be unlike them.
UNKNOWN_P = 0.01


@dataclass(frozen=True)
class Verdict:
    """A label, how sure it is (0..1), the service a hit is put down to (empty: none), and why.

    `shape` is the label before band and neighbours, `shape_probability` the model's; `novelty` is 0..1, the share of
    known signals that are less strange. `reasons` are sentences for people.
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
    """Whether the cut-out does not bear the hit out."""
    return evidence.features.path_snr < min(NOISE_PATH_SNR, evidence.snr / 2)


def _drift_hz_s(evidence: Evidence, shape: str) -> float:
    """The drift, 0 where it can't be told from none."""
    still = shape == NARROWBAND_STATIONARY or abs(evidence.drift_rate_hz_s) <= drift_limit_hz_s(evidence)
    return 0.0 if still else evidence.drift_rate_hz_s


def attributed(evidence: Evidence, shape: str) -> Band | None:
    """The service whose band and shape agree with a hit, if any."""
    return agreeing_band(
        evidence.frequency_hz,
        Appearance(
            width_hz=evidence.bandwidth_hz,
            emission_width_hz=max(evidence.emission_width_hz, evidence.bandwidth_hz),
            drift_rate_hz_s=_drift_hz_s(evidence, shape),
            broad=shape == BROADBAND,
            pulsed=shape == PULSED,
            comb_spacing_hz=evidence.comb_spacing_hz,
        ),
    )


def drifts_with_far_hits(evidence: Evidence) -> bool:
    """Whether three other hits or more drift alike and reach over more than 1 MHz: a drift of the receiver's own.

    Doppler is proportional to frequency, an unsteady oscillator in the receiver moves everything alike.
    """
    return evidence.hits_with_like_drift >= FAR_APART_HITS and evidence.like_drift_span_hz > FAR_APART_HZ


def candidate_conditions(evidence: Evidence, shape: Shape) -> dict[str, bool]:
    """The written definition of CANDIDATE_ET: each condition, and whether a NARROWBAND_DRIFTING hit meets it."""
    f = evidence.features
    narrow_hz = min(CANDIDATE_CHANNELS * evidence.channel_width_hz * 1.001, BROAD_HZ)
    residual = 1 + evidence.drift_channels_per_spectrum
    return {
        "SNR at least 20 and twice the threshold": evidence.snr >= max(2 * evidence.snr_threshold, CANDIDATE_SNR),
        "at most 3 channels and 500 Hz wide": evidence.bandwidth_hz <= narrow_hz,
        "there in all of at least 4 stretches of time": f.presence >= 1.0 and evidence.n_rows >= MIN_ROWS_IN_TIME,
        "steady (occupancy at least 0.7)": f.occupancy >= CANDIDATE_OCCUPANCY,
        "straight": f.curvature_gain < 1.1 and f.straightness_residual_channels <= residual,
        "drift told from none": abs(evidence.drift_rate_hz_s) > drift_limit_hz_s(evidence),
        "drift at most 200 nHz/s per Hz": abs(evidence.drift_rate_hz_s) <= MAX_DRIFT_PER_HZ * evidence.frequency_hz,
        "no tooth of a comb": not evidence.comb_spacing_hz,
        "fewer than 10 other hits drift alike": evidence.hits_with_like_drift < CANDIDATE_ALIKE,
        "no like drifts over more than 1 MHz": not drifts_with_far_hits(evidence),
        "no service with carriers in its band": not any(band.carriers for band in bands_at(evidence.frequency_hz)),
        "a shape that the model is sure of (0.9)": shape.probabilities.get(NARROWBAND_DRIFTING, 0.0)
        >= CANDIDATE_PROBABILITY,
        "a shape that the model knows": shape.novelty_p >= UNKNOWN_P,
    }


def _reasons(evidence: Evidence, shape: Shape, name: str, band: Band | None) -> list[str]:
    """Why a hit has its label, but for the conditions of CANDIDATE_ET."""
    ordered = sorted(shape.probabilities.items(), key=lambda item: -item[1])
    said = [f"Shape: {name}" + (f" ({shape.probabilities[name]:.2f})." if name == shape.name else " by rule.")]
    if name == shape.name and len(ordered) > 1 and ordered[1][1] >= 0.05:
        said.append(f"It may be {ordered[1][0]} ({ordered[1][1]:.2f}).")
    if name != shape.name:
        said.append(f"Its cut-out holds an SNR of {evidence.features.path_snr:.1f} only.")
    if shape.novelty_p < UNKNOWN_P:
        said.append(f"Unlike what the model knows (fewer than {shape.novelty_p:.1g} of signals are as strange).")
    if band is not None:
        said.append(f"{band.name} transmits here, and the shape agrees.")
    elif others := bands_at(evidence.frequency_hz):
        said.append(f"{others[0].name} has its band here, but its emissions look different.")
    if name_of_band := protected_band(evidence.frequency_hz):
        said.append(f"In a band protected for radio astronomy ({name_of_band}).")
    if evidence.comb_spacing_hz:
        said.append(f"One of {evidence.comb_teeth} lines {evidence.comb_spacing_hz:.1f} Hz apart.")
    if name == NARROWBAND_DRIFTING and drifts_with_far_hits(evidence):
        said.append(f"{evidence.hits_with_like_drift} other hits, far apart, drift alike.")
    return said


def label(evidence: Evidence, shape: Shape) -> Verdict:
    """The label of one hit whose shape the model has told."""
    name = NOISE if is_unsupported(evidence) else shape.name
    probability = shape.probabilities[shape.name] if name == shape.name else 1.0
    confidence = probability * min(1.0, shape.novelty_p / UNKNOWN_P)
    band = attributed(evidence, name) if name != NOISE else None
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
