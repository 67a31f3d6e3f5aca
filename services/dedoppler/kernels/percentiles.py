"""Percentiles and the spread between them, exact, in a few passes over the values instead of a partition of all."""

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]

# One value in so many is sorted, to know about where a percentile lies.
SAMPLED = 64
# Standard errors of a rank in the sample that the search for it reaches to, either way.
_REACH = 6.0


@njit(cache=True, nogil=True)
def _between(values: Floats, low: float, high: float, inside: Floats) -> tuple[int, int]:
    """(number of values below `low`, number in [low, high]); the latter go to `inside`, as far as there is room.

    The last place of `inside` is for what is not kept.
    """
    below, found, last = 0, 0, len(inside) - 1
    for value in values:
        below += value < low
        # Written every time and kept by the count: no branch to predict.
        inside[min(found, last)] = value
        found += (value >= low) & (value <= high)
    return below, found


def sorted_sample(values: Floats) -> Floats:
    """Every `SAMPLED`th value, sorted."""
    return np.sort(values[::SAMPLED])


def percentile(values: Floats, sample: Floats, percent: float) -> float:
    """The percentile of finite values, between ranks by a straight line, as `numpy.percentile` gives it.

    Args:
        values: float64, at least one.
        sample: what `sorted_sample` gives for them: between two values of it the ranks wanted are looked for. Where
            they are not there (values with a pattern of just that step), all values are partitioned.
        percent: 0 to 100.
    """
    position = percent / 100 * (len(values) - 1)
    rank = min(int(position), len(values) - 1)
    after = min(rank + 1, len(values) - 1)
    reach = 2 + _REACH * np.sqrt(len(sample) * percent / 100 * (1 - percent / 100))
    centre = percent / 100 * (len(sample) - 1)
    low = sample[max(0, int(centre - reach))]
    high = sample[min(len(sample) - 1, int(centre + reach) + 1)]
    inside = np.empty(min(len(values), int(2 * SAMPLED * (2 * reach + 3))) + 1, np.float64)
    below, found = _between(values, low, high, inside)
    if below <= rank and after < below + found and found < len(inside):
        kept, first = inside[:found], below
    else:
        kept, first = values, 0
    ranked = np.partition(kept, [rank - first, after - first])
    lower, upper = ranked[rank - first], ranked[after - first]
    return float(lower + (upper - lower) * (position - rank))


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def inner_moments(values: Floats, low: float, high: float, centre: float) -> tuple[int, float, float]:
    """(number, sum, sum of squares) of value - centre over the values above `low` and below `high`."""
    number, total, squares = 0, 0.0, 0.0
    for value in values:
        inside = (value > low) & (value < high)
        deviation = value - centre if inside else 0.0
        number += inside
        total += deviation
        squares += deviation * deviation
    return number, total, squares
