"""Interestingness: how much a hit is worth a person's look, 0 to 1, shown with its components.

It is the weighted mean of five components, each 0 to 1:

| component | weight | is |
|---|---|---|
| snr | 0.25 | 0 at the threshold, 1 at a hundred times it, logarithmic |
| drift | 0.20 | 0 for none; 1 up to 10 nHz/s per Hz; falls (log) to 0 at 200, the fastest expected of a planet |
| rfi_freedom | 0.20 | 0 for RFI and noise; halved in a service's band, for a comb's tooth, for drifts alike far apart |
| novelty | 0.15 | mean of the shape's novelty and of rarity, 1 / sqrt(1 + hits that drift alike) |
| confidence | 0.10 | the model's probability of the shape (before novelty takes from the label's confidence) |

The tenth that is left belongs to ON/OFF cadences; one observation has none, and the others share it in proportion. All
else equal, more SNR, novelty or probability never lowers it; a band, a comb, more hits that drift alike never raise it.
"""

from math import log, sqrt

from services.classify.bands import bands_at
from services.classify.evidence import Evidence
from services.classify.evidence import drift_limit_hz_s as stationary_up_to_hz_s
from services.classify.labels import MAX_DRIFT_PER_HZ, Verdict, drifts_with_far_hits
from shared.labels import RFI_OR_NOISE

WEIGHTS = {"snr": 0.25, "drift": 0.20, "rfi_freedom": 0.20, "novelty": 0.15, "confidence": 0.10, "cadence": 0.10}
SNR_FULL_MARK = 100.0  # times the threshold
PLAIN_DRIFT_PER_HZ = 10e-9  # 1/s; well above the drift of Earth's and known planets' rotation


def snr_component(snr: float, threshold: float) -> float:
    """0 at the threshold, 1 at a hundred times it, logarithmic."""
    return min(1.0, max(0.0, log(max(snr, 1e-9) / threshold) / log(SNR_FULL_MARK)))


def drift_component(evidence: Evidence) -> float:
    """0 for no drift; 1 up to 10 nHz of the frequency; falls (log) to 0 at 200 nHz, the fastest expected."""
    drift = abs(evidence.drift_rate_hz_s)
    if drift <= stationary_up_to_hz_s(evidence):
        return 0.0
    per_hz = drift / evidence.frequency_hz
    fall = log(MAX_DRIFT_PER_HZ / PLAIN_DRIFT_PER_HZ)
    return min(1.0, max(0.0, log(MAX_DRIFT_PER_HZ / per_hz) / fall))


def rfi_component(evidence: Evidence, verdict: Verdict) -> float:
    """0 for what is set aside; halved for each sign of an interferer that is no proof."""
    if verdict.label in RFI_OR_NOISE:
        return 0.0
    signs = (bool(bands_at(evidence.frequency_hz)), evidence.comb_spacing_hz > 0, drifts_with_far_hits(evidence))
    return float(0.5 ** sum(signs))


def components(evidence: Evidence, verdict: Verdict) -> dict[str, float]:
    """The components of one hit."""
    return {
        "snr": snr_component(evidence.snr, evidence.snr_threshold),
        "drift": drift_component(evidence),
        "rfi_freedom": rfi_component(evidence, verdict),
        "novelty": (verdict.novelty + 1 / sqrt(1 + evidence.hits_with_like_drift)) / 2,
        "confidence": verdict.shape_probability,
    }


def interestingness(parts: dict[str, float]) -> float:
    """Weighted mean of the components that there are."""
    return sum(WEIGHTS[name] * value for name, value in parts.items()) / sum(WEIGHTS[name] for name in parts)
