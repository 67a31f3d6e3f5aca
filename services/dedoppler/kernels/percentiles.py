"""Exact percentiles and the spread between them, in a few passes over the values instead of a partition of all."""

import numpy as np
from numba import njit

from shared.arrays import Floats

# One value in so many is sorted, to estimate where a percentile lies.
SAMPLED = 64
# The search reaches so many standard errors of the position in the sample, in either direction.
_REACH = 6.0


@njit(cache=True, nogil=True)
def _between(values: Floats, low: float, high: float, inside: Floats) -> tuple[int, int]:
    """Return the number of values below `low` and the number in [low, high]; copy the latter to `inside`.

    Values that do not fit are counted but not kept; the last place of `inside` is overwritten by them.
    """
    below, found, last = 0, 0, len(inside) - 1
    for value in values:
        below += value < low
        # Written every time and kept by the count: no branch to predict.
        inside[min(found, last)] = value
        found += (value >= low) & (value <= high)
    return below, found


def sorted_sample(values: Floats) -> Floats:
    """Return every `SAMPLED`th value, sorted: float64."""
    return np.sort(values[::SAMPLED])


def percentile(values: Floats, sample: Floats, percent: float) -> float:
    """Return a percentile of finite values, interpolated linearly between two values, as `numpy.percentile` does.

    The two values are looked for between two values of the sample. If they are not there (values with a pattern whose
    period is that of the sample), all values are partitioned.

    Parameters
    ----------
    values : float64 (n,)
        At least one.
    sample : float64 (ceil(n / SAMPLED),)
        From `sorted_sample` of the same values.
    percent : float
        0 to 100.
    """
    position = percent / 100 * (len(values) - 1)
    at = min(int(position), len(values) - 1)
    after = min(at + 1, len(values) - 1)
    reach = 2 + _REACH * np.sqrt(len(sample) * percent / 100 * (1 - percent / 100))
    centre = percent / 100 * (len(sample) - 1)
    low = sample[max(0, int(centre - reach))]
    high = sample[min(len(sample) - 1, int(centre + reach) + 1)]
    inside = np.empty(min(len(values), int(2 * SAMPLED * (2 * reach + 3))) + 1, np.float64)
    below, found = _between(values, low, high, inside)
    if below <= at and after < below + found and found < len(inside):
        kept, first = inside[:found], below
    else:
        kept, first = values, 0
    ordered = np.partition(kept, [at - first, after - first])
    lower, upper = ordered[at - first], ordered[after - first]
    return float(lower + (upper - lower) * (position - at))


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def inner_moments(values: Floats, low: float, high: float, centre: float) -> tuple[int, float, float]:
    """Return (number, sum, sum of squares) of value - centre over the values above `low` and below `high`."""
    number, total, squares = 0, 0.0, 0.0
    for value in values:
        inside = (value > low) & (value < high)
        deviation = value - centre if inside else 0.0
        number += inside
        total += deviation
        squares += deviation * deviation
    return number, total, squares
