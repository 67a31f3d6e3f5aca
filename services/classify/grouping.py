"""Which hits are of the same emitter: teeth of a comb, pieces of an emission, side lobes and ragged edges."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.classify.labels import Verdict
from shared.arrays import Hits, Indices
from shared.labels import RFI

# Leakage of a strong tone is seen within so many channels, at up to this part of its SNR.
SIDE_LOBE_CHANNELS, SIDE_LOBE_RATIO = 256, 0.1
# Along the edges of a signal at least so wide there are hits with up to this part of its SNR.
WIDE_CHANNELS, RAGGED_EDGE_RATIO = 16, 0.5


def group_hits(
    hits: Hits, comb_spacing_hz: Sequence[float], broad_emission: Sequence[int], like_drift_steps: float
) -> list[int]:
    """Return for each hit the index of the strongest hit of the same emitter, which may be itself.

    Of one emitter are the teeth of a comb, the pieces of a broadband emission, side lobes (within 256 channels of a hit
    at least ten times as strong) and ragged edges (within the width of a wide hit at least twice as strong). Side lobes
    and ragged edges drift as the stronger hit does.

    Parameters
    ----------
    hits
        (n,), in any order.
    comb_spacing_hz
        (n,), 0 for a hit that is no tooth of a comb; teeth of one comb have the same spacing.
    broad_emission
        (n,), number of the broad emission that a hit is a piece of; -1 for none.
    like_drift_steps
        Drifts that differ by at most so many steps are alike.
    """
    group = list(range(len(hits)))
    strongest_of: dict[tuple[str, float], int] = {}
    channel, snr = hits["channel"], hits["snr"]
    by_channel = np.argsort(channel, kind="stable")
    ordered = channel[by_channel]
    for i in np.argsort(-snr, kind="stable").tolist():
        near = by_channel[
            np.searchsorted(ordered, channel[i] - SIDE_LOBE_CHANNELS) : np.searchsorted(
                ordered, channel[i] + SIDE_LOBE_CHANNELS, side="right"
            )
        ]
        stronger = _stronger_hits(hits, i, near, like_drift_steps)
        if broad_emission[i] >= 0:
            group[i] = strongest_of.setdefault(("broad", broad_emission[i]), i)
        elif comb_spacing_hz[i] > 0:
            group[i] = strongest_of.setdefault(("comb", comb_spacing_hz[i]), i)
        elif len(stronger):
            group[i] = group[int(stronger[np.argmax(snr[stronger])])]
    return group


def _stronger_hits(hits: Hits, i: int, near: Indices, like_drift_steps: float) -> Indices:
    """Return those of the hits `near` of which hit `i` is a side lobe or a ragged edge."""
    snr, width = hits["snr"], hits["width"]
    alike = np.abs(hits["steps"][near] - hits["steps"][i]) <= np.maximum(like_drift_steps, width[near] / 8)
    away = np.abs(hits["channel"][near] + width[near] / 2 - hits["channel"][i] - width[i] / 2)
    lobe = snr[near] * SIDE_LOBE_RATIO >= snr[i]
    edge = (width[near] >= WIDE_CHANNELS) & (away <= width[near]) & (snr[near] * RAGGED_EDGE_RATIO >= snr[i])
    stronger: Indices = near[alike & (lobe | edge)]
    return stronger


def rfi_for_whole_groups(verdicts: list[Verdict], groups: Sequence[int]) -> list[Verdict]:
    """Return the verdicts with RFI of the same source for every hit whose group's strongest hit is RFI."""
    return [
        replace(
            verdict,
            label=verdicts[group].label,
            rfi_source=verdicts[group].rfi_source,
            reasons=(*verdict.reasons, f"Belongs to hit {group}."),
        )
        if verdicts[group].label in RFI and verdict.label not in RFI
        else verdict
        for verdict, group in zip(verdicts, groups, strict=True)
    ]
