"""Interestingness: how much a hit deserves a person's attention, 0 to 1, shown with its components.

It is the weighted mean of five components, each 0 to 1:

| component | weight | value |
|---|---|---|
| snr | 0.25 | 0 at the threshold, 1 at a hundred times the threshold, logarithmic |
| drift | 0.20 | 0 for none; 1 up to 10 nHz/s per Hz; falls (log) to 0 at 200, the fastest expected of a planet |
| rfi_freedom | 0.20 | 0 for RFI and noise; halved in a service's band, in a comb, and for equal drifts far apart |
| novelty | 0.15 | mean of the shape's novelty and of rarity, 1 / sqrt(1 + hits that drift alike) |
| confidence | 0.10 | the model's probability of the shape, before novelty lowers the label's confidence |

The remaining 0.10 belongs to ON/OFF cadences; one observation has none, so the others are scaled up in proportion. If
all else is equal, more SNR, novelty or probability never lowers it, and a band, a comb or more hits that drift alike
never raise it.
"""

from math import log, sqrt

from services.classify.bands import bands_at
from services.classify.evidence import Evidence
from services.classify.evidence import drift_limit_hz_s as stationary_up_to_hz_s
from services.classify.labels import MAX_DRIFT_PER_HZ, Verdict, drifts_with_far_hits
from shared.labels import RFI_OR_NOISE

WEIGHTS = {"snr": 0.25, "drift": 0.20, "rfi_freedom": 0.20, "novelty": 0.15, "confidence": 0.10, "cadence": 0.10}
SNR_FULL_MARK = 100.0  # times the threshold
PLAIN_DRIFT_PER_HZ = 10e-9  # 1/s; well above the drift by the rotation of Earth and of known planets


def snr_component(snr: float, threshold: float) -> float:
    """Return 0 at the threshold, 1 at a hundred times the threshold, logarithmic between."""
    return min(1.0, max(0.0, log(max(snr, 1e-9) / threshold) / log(SNR_FULL_MARK)))


def drift_component(evidence: Evidence) -> float:
    """Return 0 for no drift, 1 up to 10 nHz/s per Hz, falling (log) to 0 at 200, the fastest expected."""
    drift = abs(evidence.drift_rate_hz_s)
    if drift <= stationary_up_to_hz_s(evidence):
        return 0.0
    per_hz = drift / evidence.frequency_hz
    fall = log(MAX_DRIFT_PER_HZ / PLAIN_DRIFT_PER_HZ)
    return min(1.0, max(0.0, log(MAX_DRIFT_PER_HZ / per_hz) / fall))


def rfi_component(evidence: Evidence, verdict: Verdict) -> float:
    """Return 0 for RFI and noise, else 1 halved for each sign of an interferer that is no proof."""
    if verdict.label in RFI_OR_NOISE:
        return 0.0
    signs = (bool(bands_at(evidence.frequency_hz)), evidence.comb_spacing_hz > 0, drifts_with_far_hits(evidence))
    return float(0.5 ** sum(signs))


def components(evidence: Evidence, verdict: Verdict) -> dict[str, float]:
    """Return the components of one hit by name."""
    return {
        "snr": snr_component(evidence.snr, evidence.snr_threshold),
        "drift": drift_component(evidence),
        "rfi_freedom": rfi_component(evidence, verdict),
        "novelty": (verdict.novelty + 1 / sqrt(1 + evidence.hits_with_like_drift)) / 2,
        "confidence": verdict.shape_probability,
    }


def interestingness(parts: dict[str, float]) -> float:
    """Return the weighted mean of the given components."""
    return sum(WEIGHTS[name] * value for name, value in parts.items()) / sum(WEIGHTS[name] for name in parts)
