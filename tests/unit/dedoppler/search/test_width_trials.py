"""The plan of the ladder: which boxes and drifts are tried."""

import numpy as np
import pytest

from services.dedoppler.search.width_trials import (
    LADDER_EFFICIENCY,
    WIDEST_BOX,
    plan_rungs,
    seed_threshold,
    widest_box,
)

PLANS = [
    (n_spectra, max_steps)
    for n_spectra in (2, 3, 4, 15, 16, 17, 60, 300)
    for max_steps in (0, 1, 2, 14, 15, 16, 29, 31, 100, 391, 392, 4900)
]


@pytest.mark.parametrize(("n_spectra", "max_steps"), PLANS)
def test_rungs_hold_zero_and_both_ends_and_are_symmetric(n_spectra, max_steps):
    rungs = plan_rungs(n_spectra, max_steps)
    for rung in rungs:
        np.testing.assert_array_equal(rung.steps, np.unique(rung.steps))
        np.testing.assert_array_equal(rung.steps, -rung.steps[::-1])
        assert rung.steps.dtype == np.int64
    steps = np.concatenate([rung.steps for rung in rungs])
    assert steps.min() == -max_steps
    assert steps.max() == max_steps
    # Single channels and pairs.
    assert 0 in rungs[0].steps
    assert 0 in rungs[1].steps


@pytest.mark.parametrize(("n_spectra", "max_steps"), PLANS)
def test_every_drift_is_within_half_a_drift_step_of_a_tried_one(n_spectra, max_steps):
    """On the rung for its smear, whose drift step is half of the width, and whose width is about the smear."""
    rungs = plan_rungs(n_spectra, max_steps)
    for n in range(max_steps + 1):
        nearest = [np.abs(rung.steps - n).min() for rung in rungs]
        near = [
            rung
            for rung, distance in zip(rungs, nearest, strict=True)
            if 2 * distance <= (1 if rung.width < 4 else rung.width // 2)
        ]
        smear = n / (n_spectra - 1) + 1
        assert any(0.6 * smear <= rung.width <= 1.5 * smear for rung in near), n


@pytest.mark.parametrize(("n_spectra", "max_steps"), PLANS)
def test_widths_and_hops_are_what_the_kernels_can_sum(n_spectra, max_steps):
    rungs = plan_rungs(n_spectra, max_steps)
    widths = [rung.width for rung in rungs]
    assert widths == sorted(set(widths))
    for rung in rungs:
        assert rung.width % rung.hop == 0
        assert rung.hop & (rung.hop - 1) == 0
        assert rung.hop <= max(1, rung.width // 6)


def test_slow_drifts_are_searched_one_by_one():
    single, pairs, *_ = plan_rungs(16, 391)
    np.testing.assert_array_equal(single.steps, np.arange(-15, 16))
    np.testing.assert_array_equal(pairs.steps, np.arange(-30, 31))


def test_cost_grows_slowly_with_the_drift_range():
    """Box sums per channel: fifty times the range costs less than four times as much."""

    def cost(max_steps):
        return sum(len(rung.steps) / rung.hop for rung in plan_rungs(16, max_steps))

    assert cost(20 * 391) < 4 * cost(391)


def test_seeds_lie_below_the_threshold():
    assert seed_threshold(10.0) == pytest.approx(10 * LADDER_EFFICIENCY)


def test_widest_box():
    assert widest_box(plan_rungs(16, 391)) == WIDEST_BOX
    rungs = plan_rungs(2, 391)
    assert widest_box(rungs) == 2 * max(rung.width for rung in rungs) > WIDEST_BOX
