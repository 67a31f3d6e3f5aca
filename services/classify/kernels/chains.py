"""Which hits of several scans lie on one smooth track."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.arrays import Flags, Floats, Indices

# So many of the hits next to the predicted place are tried; more only fall within the errors where scans are hours
# apart or a band is full.
MOST_TRIED = 256
# From each hit, the best so many partners in each near scan begin a chain, and the best so many chains are kept.
PARTNERS, CHAINS_KEPT = 4, 3
# A chain begins with a pair of scans that are at most so many places apart in the list.
MOST_APART = 6
# A line that is further off the place where its comb has it is another line of the comb: five errors.
OFF_COMB = 25.0
NONE = -1

Members = npt.NDArray[np.int32]


class ScanLines(NamedTuple):
    """The hits of all scans, scan after scan, each in order of frequency; see `cadence.lines.Lines`.

    Those of scan `s` are `first[s]` to `first[s + 1]`. `time_s` is the middle of each scan. `bow_s2` is half the
    variance of the times within it: the line through a parabola lies so many times its drift change above it.
    `expected_hz` (n, scans) is where the comb of a hit has it in the other scans, NaN for none; (n, 0) without combs.
    """

    first: Indices
    time_s: Floats
    bow_s2: Floats
    middle_hz: Floats
    middle_variance: Floats
    drift_hz_s: Floats
    drift_variance: Floats
    log_strength: Floats
    expected_hz: Floats


class Rule(NamedTuple):
    """What holds hits together.

    `change_variance` is that of the change of drift about zero, Hz^2/s^4, `jerk_hz_s3` how fast the change itself may
    change. A hit belongs to a chain if chi squared of its two values is at most `gate`. Of several the one with the
    least chi squared is taken, to which a ratio of strengths adds (log ratio / `strength_scatter`)^2.
    """

    change_variance: float
    jerk_hz_s3: float
    gate: float
    strength_scatter: float


class State(NamedTuple):
    """What is known of a chain: frequency, drift rate and its change at `time_s`, and their covariance (3, 3).

    The frequency counts from `origin_hz`, to keep the numbers small.
    """

    origin_hz: float
    time_s: float
    value: Floats
    covariance: Floats


class Forecast(NamedTuple):
    """The frequency and drift rate expected in the middle of a scan, and their covariance; see `_forecast`."""

    middle_hz: float
    drift_hz_s: float
    middle_variance: float
    both: float
    drift_variance: float


@njit(cache=True, nogil=True)
def _start(lines: ScanLines, scan: int, hit: int, rule: Rule) -> State:
    """Return the state of a chain of one hit."""
    bow, change = lines.bow_s2[scan], rule.change_variance
    covariance = np.zeros((3, 3))
    covariance[0, 0] = lines.middle_variance[hit] + bow * bow * change
    covariance[0, 2] = covariance[2, 0] = -bow * change
    covariance[1, 1] = lines.drift_variance[hit]
    covariance[2, 2] = change
    return State(lines.middle_hz[hit], lines.time_s[scan], np.array([0.0, lines.drift_hz_s[hit], 0.0]), covariance)


@njit(cache=True, nogil=True)
def _row(lines: ScanLines, scan: int, state: State) -> Floats:
    """Return by what the state is multiplied to get the frequency of the line through a scan."""
    after = lines.time_s[scan] - state.time_s
    return np.array([1.0, after, after * after / 2 + lines.bow_s2[scan]])


@njit(cache=True, nogil=True)
def _forecast(lines: ScanLines, scan: int, state: State, rule: Rule) -> Forecast:
    """Return where a chain is expected in a scan, without the errors of the hit itself.

    The change of drift itself changes by up to `jerk_hz_s3`: over a time t that moves the frequency by jerk t^3 / 6.
    """
    row, p = _row(lines, scan, state), state.covariance
    after = row[1]
    moved = np.empty(3)
    for i in range(3):
        moved[i] = p[i, 0] + p[i, 1] * row[1] + p[i, 2] * row[2]
    bend = rule.jerk_hz_s3 * abs(after) ** 3 / 6
    turn = rule.jerk_hz_s3 * after * after / 2
    return Forecast(
        state.origin_hz + state.value[0] + state.value[1] * row[1] + state.value[2] * row[2],
        state.value[1] + state.value[2] * after,
        moved[0] + moved[1] * row[1] + moved[2] * row[2] + bend * bend,
        moved[1] + moved[2] * after,
        p[1, 1] + 2 * p[1, 2] * after + p[2, 2] * after * after + turn * turn,
    )


@njit(cache=True, nogil=True)
def chi_squared(lines: ScanLines, hit: int, expected: Forecast) -> float:
    """Return chi squared of the frequency and drift rate of a hit, two degrees of freedom."""
    middle = expected.middle_variance + lines.middle_variance[hit]
    drift = expected.drift_variance + lines.drift_variance[hit]
    f, d = lines.middle_hz[hit] - expected.middle_hz, lines.drift_hz_s[hit] - expected.drift_hz_s
    determinant = middle * drift - expected.both**2
    chi2: float = (f * f * drift - 2 * f * d * expected.both + d * d * middle) / max(determinant, 1e-300)
    return chi2


@njit(cache=True, nogil=True)
def _window(lines: ScanLines, scan: int, expected: Forecast, gate: float) -> tuple[int, int]:
    """Return the first and the last hit (excluded) that can be within the errors of what is expected in a scan."""
    start, stop = lines.first[scan], lines.first[scan + 1]
    if start == stop:
        return start, start
    own = lines.middle_variance[start:stop].max()
    reach = np.sqrt(gate * (expected.middle_variance + own))
    middle = lines.middle_hz[start:stop]
    low = start + np.searchsorted(middle, expected.middle_hz - reach)
    high = start + np.searchsorted(middle, expected.middle_hz + reach, side="right")
    if high - low > MOST_TRIED:
        centre = start + np.searchsorted(middle, expected.middle_hz)
        low, high = max(low, centre - MOST_TRIED // 2), min(high, centre + MOST_TRIED // 2)
    return low, high


@njit(cache=True, nogil=True)
def _add(lines: ScanLines, scan: int, hit: int, state: State, rule: Rule) -> State:
    """Return the state of a chain with one more hit: its frequency, then its drift (Kalman's update)."""
    row = _row(lines, scan, state)
    after = row[1]
    bend = rule.jerk_hz_s3 * abs(after) ** 3 / 6
    turn = rule.jerk_hz_s3 * after * after / 2
    value, p = state.value.copy(), state.covariance.copy()
    for kind in range(2):
        if kind == 0:
            h = row
            wanted, noise = lines.middle_hz[hit] - state.origin_hz, lines.middle_variance[hit] + bend * bend
        else:
            h = np.array([0.0, 1.0, after])
            wanted, noise = lines.drift_hz_s[hit], lines.drift_variance[hit] + turn * turn
        ph = np.empty(3)
        for i in range(3):
            ph[i] = p[i, 0] * h[0] + p[i, 1] * h[1] + p[i, 2] * h[2]
        total = noise + h[0] * ph[0] + h[1] * ph[1] + h[2] * ph[2]
        miss = wanted - (value[0] * h[0] + value[1] * h[1] + value[2] * h[2])
        for i in range(3):
            value[i] += ph[i] / total * miss
            for j in range(3):
                p[i, j] -= ph[i] * ph[j] / total
    return State(state.origin_hz, state.time_s, value, p)


@njit(cache=True, nogil=True)
def _unlike(lines: ScanLines, one: int, other: int, rule: Rule) -> float:
    """Return what the ratio of the strengths of two hits adds to chi squared, at most 4."""
    off = (lines.log_strength[one] - lines.log_strength[other]) / rule.strength_scatter
    return float(min(off * off, 4.0))


@njit(cache=True, nogil=True)
def _off_comb(lines: ScanLines, seed: int, scan: int, hit: int) -> float:
    """Return chi squared of a hit's place and that where the comb of the chain's first hit has it; infinite off it."""
    if lines.expected_hz.shape[1] == 0 or np.isnan(lines.expected_hz[seed, scan]):
        return 0.0
    off = lines.middle_hz[hit] - lines.expected_hz[seed, scan]
    chi2 = off * off / (lines.middle_variance[seed] + lines.middle_variance[hit])
    return float(chi2) if chi2 <= OFF_COMB else np.inf


@njit(cache=True, nogil=True)
def _follow(lines: ScanLines, free: Flags, members: Members, state: State, rule: Rule) -> float:
    """Add to a chain the best free hit of every other scan, the nearest scans first; return the sum of costs.

    `members` holds the hit of each scan and is filled in; `state` is that of the hits in it.
    """
    n_scans = len(lines.time_s)
    order = np.argsort(np.abs(lines.time_s - state.time_s), kind="mergesort")
    seed = members[members != NONE][0]
    total = 0.0
    for scan in order[:n_scans]:
        if members[scan] != NONE:
            continue
        expected = _forecast(lines, scan, state, rule)
        low, high = _window(lines, scan, expected, rule.gate)
        best, least, of_best = NONE, np.inf, 0.0
        for hit in range(low, high):
            if not free[hit]:
                continue
            chi2 = chi_squared(lines, hit, expected)
            cost = chi2 + _unlike(lines, seed, hit, rule) + _off_comb(lines, seed, scan, hit)
            if chi2 <= rule.gate and cost < least:
                best, least, of_best = hit, cost, cost
        if best != NONE:
            members[scan] = best
            total += of_best
            state = _add(lines, scan, best, state, rule)
    return total


@njit(cache=True, nogil=True)
def _partners(lines: ScanLines, free: Flags, seed: tuple[int, int], scan: int, rule: Rule) -> tuple[Indices, Floats]:
    """Return the best free hits of a scan for a chain of one hit, at most `PARTNERS`, and the cost of each.

    `seed` is the scan of the one hit, and the hit.
    """
    expected = _forecast(lines, scan, _start(lines, seed[0], seed[1], rule), rule)
    low, high = _window(lines, scan, expected, rule.gate)
    hits, costs = np.full(PARTNERS, NONE, np.int64), np.full(PARTNERS, np.inf)
    for hit in range(low, high):
        chi2 = chi_squared(lines, hit, expected) if free[hit] else np.inf
        cost = chi2 + _unlike(lines, seed[1], hit, rule) + _off_comb(lines, seed[1], scan, hit)
        worst = np.argmax(costs)
        if chi2 <= rule.gate and cost < costs[worst]:
            hits[worst], costs[worst] = hit, cost
    return hits, costs


class Best(NamedTuple):
    """The best chains that begin with one hit: members (k, scans), cost and number of hits (k,)."""

    members: Members
    cost: Floats
    size: Indices


@njit(cache=True, nogil=True)
def _keep(chain: Members, cost: float, best: Best) -> None:
    """Put a chain in the place of the worst of the best, if it is better: more hits, then less cost."""
    size, worst = int((chain != NONE).sum()), 0
    for place in range(len(best.size)):
        if np.all(best.members[place] == chain):
            return
        fewer = best.size[place] < best.size[worst]
        if fewer or (best.size[place] == best.size[worst] and best.cost[place] > best.cost[worst]):
            worst = place
    if size > best.size[worst] or (size == best.size[worst] and cost < best.cost[worst]):
        best.members[worst], best.cost[worst], best.size[worst] = chain, cost, size


@njit(cache=True, nogil=True)
def _begin(lines: ScanLines, free: Flags, scan: int, hit: int, rule: Rule) -> Best:
    """Return the best chains that begin with a hit and one of its best partners in a scan near it."""
    n_scans = len(lines.time_s)
    best = Best(
        np.full((CHAINS_KEPT, n_scans), NONE, np.int32), np.full(CHAINS_KEPT, np.inf), np.zeros(CHAINS_KEPT, np.int64)
    )
    state = _start(lines, scan, hit, rule)
    for other in range(max(0, scan - MOST_APART), min(n_scans, scan + MOST_APART + 1)):
        if other == scan:
            continue
        partners, costs = _partners(lines, free, (scan, hit), other, rule)
        for partner, cost in zip(partners, costs):  # noqa: B905 - numba knows no strict
            if partner != NONE:
                chain = np.full(n_scans, NONE, np.int32)
                chain[scan], chain[other] = hit, partner
                both = _add(lines, other, partner, state, rule)
                _keep(chain, cost + _follow(lines, free, chain, both, rule), best)
    return best


@njit(cache=True, nogil=True)
def chains(lines: ScanLines, free: Flags, starts: Flags, rule: Rule) -> tuple[Members, Floats]:
    """Return chains of at least two hits, at most one of each scan, that lie on a smooth track.

    A chain begins with a hit and one of its best partners in a scan near it, and gets the best hit of every other scan
    that is within the errors. Chains may share hits: `without_sharing` chooses among them.

    Parameters
    ----------
    lines : ScanLines
        The hits.
    free, starts : uint8 (n,)
        Whether a hit may belong to a chain, and whether it may begin one.
    rule : Rule
        What holds hits together.

    Returns
    -------
    members : int32 (m, scans)
        Index of the hit in each scan, -1 for none.
    cost : float64 (m,)
        Sum of chi squared and of unlike strengths.
    """
    n_scans, found = len(lines.time_s), 0
    most = CHAINS_KEPT * int((free & starts).sum())
    members, cost = np.full((most, n_scans), NONE, np.int32), np.empty(most)
    for scan in range(n_scans):
        for hit in range(lines.first[scan], lines.first[scan + 1]):
            if free[hit] and starts[hit]:
                best = _begin(lines, free, scan, hit, rule)
                for place in np.flatnonzero(best.size):
                    members[found], cost[found] = best.members[place], best.cost[place]
                    found += 1
    return members[:found], cost[:found]


@njit(cache=True, nogil=True)
def without_sharing(members: Members, order: Indices, free: Flags) -> Indices:
    """Return the chains that are left when each, in order, takes its hits away from those after it.

    Parameters
    ----------
    members : int32 (m, scans)
        The chains.
    order : int64 (m,)
        The best chain first.
    free : uint8 (n,)
        Whether a hit may be taken; those that are taken become 0.

    Returns
    -------
    int64
        Indices of the chains all of whose hits were free.
    """
    kept, count = np.empty(len(order), np.int64), 0
    for chain in order:
        hits = members[chain][members[chain] != NONE]
        if np.all(free[hits] != 0):
            free[hits] = 0
            kept[count] = chain
            count += 1
    return kept[:count]


@njit(cache=True, nogil=True)
def nearest(lines: ScanLines, scan: int, expected: Floats, gate: float) -> tuple[Indices, Floats]:
    """Return the hit of a scan that lies on each of several tracks, and its chi squared; -1 and infinity for none.

    Parameters
    ----------
    lines : ScanLines
        The hits.
    scan : int
        Of these.
    expected : float64 (m, 5)
        For each track the fields of `Forecast`.
    gate : float
        The largest chi squared of a hit that lies on the track.
    """
    hits, least = np.full(len(expected), NONE, np.int64), np.full(len(expected), np.inf)
    for track in range(len(expected)):
        row = expected[track]
        forecast = Forecast(row[0], row[1], row[2], row[3], row[4])
        low, high = _window(lines, scan, forecast, gate)
        for hit in range(low, high):
            chi2 = chi_squared(lines, hit, forecast)
            if chi2 <= gate and chi2 < least[track]:
                hits[track], least[track] = hit, chi2
    return hits, least
