"""Interestingness: how much a hit is worth a person's look, 0 to 1, shown with its components.

Each component is 0 to 1. Weights: SNR 0.25, drift plausibility 0.20, freedom from RFI 0.20, novelty 0.15, confidence
0.10, ON/OFF cadence 0.10. One observation has no cadence; the others' weights then share its part in proportion.
"""

from math import log, sqrt

from services.classify.bands import bands_at
from services.classify.labels import MAX_DRIFT_PER_HZ, NOISE, RFI_SATELLITE, RFI_TERRESTRIAL, Evidence, Verdict
from services.classify.labels import drift_limit_hz_s as stationary_up_to_hz_s

WEIGHTS = {"snr": 0.25, "drift": 0.20, "rfi_freedom": 0.20, "novelty": 0.15, "confidence": 0.10, "cadence": 0.10}
SNR_FULL_MARK = 100.0  # times the threshold
PLAIN_DRIFT_PER_HZ = 10e-9  # 1/s; well above the drift of Earth's and known planets' rotation
SET_ASIDE = frozenset({RFI_TERRESTRIAL, RFI_SATELLITE, NOISE})


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
    """0 for what is set aside; 0.5 in a service's band without its shape; half again for a comb's tooth."""
    if verdict.label in SET_ASIDE:
        return 0.0
    free = 0.5 if bands_at(evidence.frequency_hz) else 1.0
    return free / 2 if evidence.comb_spacing_hz else free


def components(evidence: Evidence, verdict: Verdict) -> dict[str, float]:
    """The components of one hit. Novelty falls with the number of hits that drift alike."""
    return {
        "snr": snr_component(evidence.snr, evidence.snr_threshold),
        "drift": drift_component(evidence),
        "rfi_freedom": rfi_component(evidence, verdict),
        "novelty": 1 / sqrt(1 + evidence.hits_with_like_drift),
        "confidence": verdict.confidence,
    }


def interestingness(parts: dict[str, float]) -> float:
    """Weighted mean of the components that there are."""
    return sum(WEIGHTS[name] * value for name, value in parts.items()) / sum(WEIGHTS[name] for name in parts)
