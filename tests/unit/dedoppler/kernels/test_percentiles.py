"""Percentiles and the spread between them, against numpy on all values."""

import numpy as np
import pytest

from services.dedoppler.kernels import percentiles


def values(kind, size, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "gamma": lambda: rng.gamma(51.0, 2.0, size),
        "few values": lambda: rng.integers(0, 3, size).astype(float),
        "one value": lambda: np.full(size, 7.0),
        "rising": lambda: np.arange(size, dtype=float),
        # Every value of the sample is larger than all others: nothing is where it would be looked for.
        "pattern": lambda: rng.normal(size=size) + 100.0 * (np.arange(size) % percentiles.SAMPLED == 0),
        "bright": lambda: rng.normal(size=size) + 1e30 * (rng.random(size) < 0.3),
    }[kind]()


@pytest.mark.parametrize("kind", ["gamma", "few values", "one value", "rising", "pattern", "bright"])
@pytest.mark.parametrize("size", [1, 2, 3, 63, 64, 65, 1000, 100_003])
def test_percentiles_are_those_of_numpy(kind, size):
    given = values(kind, size)
    sample = percentiles.sorted_sample(given)
    for percent in (0, 5, 50, 95, 99.9, 100):
        # Between the same two values; numpy rounds in another order.
        assert percentiles.percentile(given, sample, percent) == pytest.approx(np.percentile(given, percent), rel=1e-14)


def test_the_sample_narrows_the_search():
    """Of a hundred thousand values the median is looked for among a few thousand."""
    given = values("gamma", 2**17)
    sample = percentiles.sorted_sample(given)
    assert len(sample) == 2**17 // percentiles.SAMPLED
    np.testing.assert_array_equal(sample, np.sort(given[:: percentiles.SAMPLED]))
    inside = np.empty(2**15)
    below, found = percentiles._between(given, sample[900], sample[1100], inside)
    assert below == np.sum(given < sample[900])
    np.testing.assert_array_equal(inside[:found], given[(given >= sample[900]) & (given <= sample[1100])])
    assert below < 2**16 < below + found


def test_what_does_not_fit_is_counted():
    inside = np.full(4, -1.0)
    assert percentiles._between(np.arange(20.0), 5.0, 14.0, inside) == (5, 10)
    assert inside[:3].tolist() == [5.0, 6.0, 7.0]


@pytest.mark.parametrize("scale", [1.0, 1e12, 1e39])
def test_inner_moments(scale):
    given = values("gamma", 10_001) * scale
    low, middle, high = np.percentile(given, [5, 50, 95])
    inner = given[(given > low) & (given < high)]
    number, total, squares = percentiles.inner_moments(given, low, high, middle)
    assert number == len(inner)
    assert total / number + middle == pytest.approx(inner.mean(), rel=1e-12)
    assert np.sqrt(squares / number - (total / number) ** 2) == pytest.approx(inner.std(), rel=1e-10)


def test_nothing_lies_between_equal_bounds():
    assert percentiles.inner_moments(np.full(50, 7.0), 7.0, 7.0, 7.0) == (0, 0.0, 0.0)
