"""The hits of several IFs (polarisations) of one observation: each emitter once, where it is strongest."""

from collections.abc import Sequence

import numpy as np

from shared.arrays import Hits, Indices
from shared.hits import merge_hits
from shared.polarisations import FIRST_IF, Ifs

# The places of a track's ends in two IFs differ by the noise: by so many channels beside half of both widths.
END_CHANNELS = 2.0


def merge_ifs(
    hits: Hits, chunk: Indices, ifs_of_chunk: Sequence[Ifs], most: int | None = None
) -> tuple[Indices, list[Ifs]]:
    """Merge the hits of each IF over its chunks, then keep each emitter once among the IFs.

    From the strongest hit down, a hit removes the hits of other IFs whose tracks it overlaps at both ends.

    Parameters
    ----------
    hits
        `HIT_DTYPE`, (n,), in any order.
    chunk
        (n,), the chunk of each hit.
    ifs_of_chunk
        The IFs that were searched in each chunk, a sum if several.
    most
        Largest number of hits to keep, the strongest; None for all.

    Returns
    -------
    kept
        Indices of the hits that are kept, sorted by (channel, steps).
    seen
        For each, the IFs that show it, strongest first; for a sum the IFs of the sum.
    """
    searches = list(dict.fromkeys(ifs_of_chunk))
    if len(searches) < 2:
        kept = merge_hits(hits, chunk, most)
        return kept, [searches[0] if searches else FIRST_IF] * len(kept)
    search_of_chunk = np.array([searches.index(ifs) for ifs in ifs_of_chunk])
    search = search_of_chunk[chunk]
    alive = np.concatenate([own[merge_hits(hits[own], chunk[own], most)] for own in _each(search, len(searches))])
    alive = alive[np.lexsort((alive, -hits["snr"][alive]))]
    centre = hits["channel"] + (hits["width"] - 1) / 2
    end, half = centre + hits["steps"], hits["width"] / 2
    by_centre = np.sort(centre[alive])
    order = alive[np.argsort(centre[alive], kind="stable")]
    widest = 2 * float(half[alive].max(initial=0.0)) + END_CHANNELS
    is_open = np.zeros(len(hits), dtype=bool)
    is_open[alive] = True
    kept_hits, seen = [], []
    for i in alive.tolist():
        if not is_open[i]:
            continue
        low, high = np.searchsorted(by_centre, [centre[i] - widest, centre[i] + widest + 1])
        near = order[low:high]
        reach = half[near] + half[i] + END_CHANNELS
        same = is_open[near] & (search[near] != search[i])
        same &= (np.abs(centre[near] - centre[i]) <= reach) & (np.abs(end[near] - end[i]) <= reach)
        others = near[same]
        is_open[others] = False
        is_open[i] = False
        found = [i, *others[np.argsort(-hits["snr"][others], kind="stable")].tolist()]
        kept_hits.append(i)
        seen.append(tuple(dict.fromkeys(searches[search[one]][0] for one in found)))
    # From the strongest down.
    kept = np.array(kept_hits[:most], dtype=np.int64)
    in_order = np.lexsort((hits["steps"][kept], hits["channel"][kept]))
    return kept[in_order], [seen[at] for at in in_order.tolist()]


def _each(search: Indices, count: int) -> list[Indices]:
    return [np.flatnonzero(search == number) for number in range(count)]
