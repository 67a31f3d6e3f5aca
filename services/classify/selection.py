"""Which classified hits are filtered hits and candidates, and in what order."""

from collections.abc import Sequence

from services.classify.classification import ClassifiedHit
from shared.labels import CANDIDATE_LABELS, RFI_OR_NOISE

# Noise makes a hit as strong as a candidate in at most one of a hundred observations.
MOST_FALSE_ALARMS = 0.01


def may_be_noise(hit: ClassifiedHit) -> bool:
    """Return whether noise alone would make a hit as strong too often for a candidate; False if that is not known."""
    return hit.evidence.false_alarms > MOST_FALSE_ALARMS


def ranked(hits: Sequence[ClassifiedHit]) -> list[ClassifiedHit]:
    """Return the hits, most interesting first; equals in order of SNR, then of number."""
    return sorted(hits, key=lambda hit: (-hit.interestingness, -hit.evidence.snr, hit.number))


def filtered(hits: Sequence[ClassifiedHit]) -> list[ClassifiedHit]:
    """Return the hits without RFI and noise, the strongest of each emitter, in order of number."""
    strongest_of: dict[int, ClassifiedHit] = {}
    for hit in sorted(hits, key=lambda hit: (-hit.evidence.snr, hit.number)):
        if hit.verdict.label not in RFI_OR_NOISE:
            strongest_of.setdefault(hit.group, hit)
    return sorted(strongest_of.values(), key=lambda hit: hit.number)


def candidates(hits: Sequence[ClassifiedHit]) -> list[ClassifiedHit]:
    """Return those of the filtered hits that drift, pulse or chirp and that noise hardly makes, most interesting first.

    A product that does not suit a search for narrowband signals has none.
    """
    return ranked(
        [
            hit
            for hit in filtered(hits)
            if hit.evidence.suits_narrowband and hit.verdict.label in CANDIDATE_LABELS and not may_be_noise(hit)
        ]
    )
