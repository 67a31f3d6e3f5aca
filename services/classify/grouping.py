"""Which hits are of the same emitter: teeth of a comb, pieces of an emission, side lobes and ragged edges."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.classify.kernels.stronger_hits import Boxes, strongest_source
from services.classify.labels import Verdict
from shared.arrays import Hits
from shared.labels import RFI


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
    source = _strongest_sources(hits, like_drift_steps)
    group = list(range(len(hits)))
    strongest_of: dict[tuple[str, float], int] = {}
    for i in np.argsort(-hits["snr"], kind="stable").tolist():
        if broad_emission[i] >= 0:
            group[i] = strongest_of.setdefault(("broad", broad_emission[i]), i)
        elif comb_spacing_hz[i] > 0:
            group[i] = strongest_of.setdefault(("comb", comb_spacing_hz[i]), i)
        elif source[i] >= 0:
            group[i] = group[source[i]]
    return group


def _strongest_sources(hits: Hits, like_drift_steps: float) -> list[int]:
    """Return for each hit the strongest hit of which it is a side lobe or a ragged edge; -1 for none."""
    by_channel = np.argsort(hits["channel"], kind="stable")
    ordered = hits[by_channel]
    boxes = Boxes(
        channel=np.ascontiguousarray(ordered["channel"]),
        steps=ordered["steps"].astype(np.int64),
        width=ordered["width"].astype(np.int64),
        snr=np.ascontiguousarray(ordered["snr"]),
    )
    found = strongest_source(boxes, like_drift_steps)
    source = np.full(len(hits), -1, dtype=np.int64)
    source[by_channel] = np.where(found >= 0, by_channel[found], -1)
    return list(source.tolist())


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
