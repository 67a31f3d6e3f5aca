"""Which measurements show the line of another track: a hit belongs to one track, and so does its power."""

import numpy as np
import numpy.typing as npt

from services.classify.cadence.joining import Joined
from services.classify.cadence.observed import Observed

# A measured path and a hit are the same line within so many errors of both.
SAME_ERRORS = 3.0


def of_another_track(joined: Joined, seen: Observed) -> npt.NDArray[np.bool_]:
    """Return where the path that was measured for a track is a hit of another track: (tracks, scans).

    A track that is not known well, as that of a single hit, is looked for over many paths, and a strong line near it
    is found in its place. Only ON scans are looked at: their hits have been given to tracks.
    """
    found = np.zeros(seen.hit.shape, np.bool_)
    kernel = joined.lines.kernel
    owned = np.zeros(len(kernel.middle_hz), np.bool_)
    owned[joined.association.members[joined.association.members >= 0]] = True
    for on, scan in enumerate(joined.ons):
        start, stop = int(kernel.first[on]), int(kernel.first[on + 1])
        tracks = np.flatnonzero(seen.is_measured[:, scan.index] & (seen.hit[:, scan.index] < 0))
        if start == stop or not len(tracks):
            continue
        drift = seen.drift_rate_hz_s[tracks, scan.index]
        drift_error = np.nan_to_num(seen.drift_rate_error_hz_s[tracks, scan.index])
        middle = seen.frequency_hz[tracks, scan.index] + drift * scan.drift_span_s / 2
        right = np.clip(np.searchsorted(kernel.middle_hz[start:stop], middle), 1, max(stop - start - 1, 1))
        for near in (right - 1, np.minimum(right, stop - start - 1)):
            hit = start + near
            width = scan.hits.bandwidth_hz[joined.lines.place[hit]] / 2 + abs(scan.channel_width_hz)
            reach = width + SAME_ERRORS * np.sqrt(kernel.middle_variance[hit])
            turn = SAME_ERRORS * np.sqrt(kernel.drift_variance[hit] + drift_error**2) + scan.drift_step_hz_s
            same = (np.abs(kernel.middle_hz[hit] - middle) <= reach) & (np.abs(kernel.drift_hz_s[hit] - drift) <= turn)
            found[tracks, scan.index] |= same & owned[hit]
    return found
