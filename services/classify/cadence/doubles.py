"""Events that are one line twice: of a hit that did not fit its track, another track is measured on the same line.

Where the drift of a signal leaves the range that was searched, for one, the hit of that scan has a wrong drift. It
becomes a track by itself, and what is measured along it in the other scans is the same line.
"""

from dataclasses import replace

import numpy as np

from services.classify.cadence.joining import Joined
from services.classify.cadence.observed import Observed
from services.classify.cadence.verdict import Judgement, by_strength

# Lines whose middles are nearer than this and half of the wider one can't be told apart.
APART_CHANNELS = 2.0


def without_doubles(joined: Joined, seen: Observed, judgement: Judgement) -> Judgement:
    """Return the judgement without the events that are on the line of a better one in every ON scan that shows both.

    The better one has more hits, of equally many the higher SNR.
    """
    events = np.flatnonzero(judgement.is_event)
    ons = [scan for scan in joined.scans if scan.role == "on" and scan.has_results]
    at = [scan.index for scan in ons]
    half_s = np.array([scan.drift_span_s / 2 for scan in ons])
    middle = seen.frequency_hz[:, at] + seen.drift_rate_hz_s[:, at] * half_s
    channel = np.array([abs(scan.channel_width_hz) for scan in ons])
    present = judgement.present[:, at]
    size = (joined.association.members >= 0).sum(axis=1)
    order = events[np.lexsort((events, -np.nan_to_num(judgement.snr[events]), -size[events]))]
    double_of = np.full(len(joined), -1, np.int64)
    for place, track in enumerate(order.tolist()):
        better = order[:place][double_of[order[:place]] < 0]
        reach = np.maximum(joined.bandwidth_hz[better], joined.bandwidth_hz[track])[:, None] / 2
        both = present[better] & present[track]
        with np.errstate(invalid="ignore"):
            near = np.abs(middle[better] - middle[track]) <= reach + APART_CHANNELS * channel
        same = np.flatnonzero(both.any(axis=1) & np.all(near | ~both, axis=1))
        if len(same):
            double_of[track] = better[same[0]]
    is_event = judgement.is_event & (double_of < 0)
    strength = np.where(np.isfinite(judgement.snr), judgement.snr, joined.snr)
    return replace(judgement, is_event=is_event, double_of=double_of, rejected=by_strength(~is_event, strength))
