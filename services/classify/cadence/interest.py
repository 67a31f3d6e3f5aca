"""Interestingness of the tracks of a cadence: that of a hit, with the component of ON and OFF scans.

See `services.classify.ranking` for the components of single observations. Here `snr` is that of all ON scans together,
`drift` that of the whole track, and `cadence` (weight 0.10) is the share of ON scans that show the track, times the
chance that no OFF scan holds it. An OFF scan that could not be measured counts as undecided: one half.
"""

from math import log, nan, sqrt

import numpy as np

from services.classify.bands import bands_at
from services.classify.cadence.explanations import Explained
from services.classify.cadence.families import Families
from services.classify.cadence.joining import Joined
from services.classify.cadence.verdict import Judgement
from services.classify.labels import MAX_DRIFT_PER_HZ
from services.classify.ranking import PLAIN_DRIFT_PER_HZ, interestingness, snr_component
from shared.labels import RFI_OR_NOISE
from shared.results import HitRecord

UNDECIDED = 0.5


def cadence_component(joined: Joined, judgement: Judgement, track: int) -> float:
    """Return the share of ON scans that show a track, times the chance that no OFF scan holds it, 0 to 1."""
    ons = [scan.index for scan in joined.scans if scan.role == "on" and scan.has_results]
    offs = [scan.index for scan in joined.scans if scan.role == "off" and scan.has_results]
    if judgement.off_present[track]:
        return 0.0
    probability = judgement.probability[track, offs]
    absent = np.where(np.isfinite(probability), 1 - probability, UNDECIDED)
    return float(judgement.on_present[track] / max(len(ons), 1) * (absent.min() if len(offs) else UNDECIDED))


def drift_component(judgement: Judgement, track: int, frequency_hz: float) -> float:
    """Return 0 for no drift, 1 up to 10 nHz/s per Hz, falling (log) to 0 at 200, as for single observations."""
    if judgement.stands_still[track]:
        return 0.0
    per_hz = max(abs(float(judgement.drift_hz_s[track])) / max(abs(frequency_hz), 1.0), 1e-30)
    return min(1.0, max(0.0, log(MAX_DRIFT_PER_HZ / per_hz) / log(MAX_DRIFT_PER_HZ / PLAIN_DRIFT_PER_HZ)))


def components(
    joined: Joined, families: Families, judgement: Judgement, track: int, why: Explained, record: HitRecord | None
) -> dict[str, float]:
    """Return the components of one track by name; without novelty and confidence for a hit of a table."""
    frequency_hz = float(joined.association.fits.value[track, 0])
    snr = float(judgement.snr[track])
    signs = (
        bool(bands_at(frequency_hz)),
        families.kind.get(int(families.of_track[track])) == "comb",
        any(judgement.off_present[other] for other in why.look_alikes),
    )
    found = {
        "snr": snr_component(snr if snr == snr else 0.0, joined.parameters.snr_threshold),
        "drift": drift_component(judgement, track, frequency_hz),
        "rfi_freedom": 0.0 if why.label in RFI_OR_NOISE else 0.5 ** sum(signs),
    }
    if record is not None:
        novelty = record["novelty"]
        if novelty is not None:
            found["novelty"] = (novelty + 1 / sqrt(1 + len(why.look_alikes))) / 2
        found["confidence"] = _confidence(record)
    return {
        **{name: value for name, value in found.items() if value == value},
        "cadence": cadence_component(joined, judgement, track),
    }


def _confidence(record: HitRecord) -> float:
    value = record["interestingness_components"].get("confidence")
    return nan if value is None else value


def interest(parts: dict[str, float]) -> float:
    """Return the weighted mean of the components, 0 to 1."""
    return min(1.0, max(0.0, interestingness(parts)))
