"""The plan of the width trials: which boxes and drifts are tried."""

import numpy as np
import pytest

from services.dedoppler.search.width_trials import (
    WIDEST_BOX,
    plan_width_trials,
    widest_box,
)

PLANS = [
    (n_spectra, max_steps)
    for n_spectra in (2, 3, 4, 15, 16, 17, 60, 300)
    for max_steps in (0, 1, 2, 14, 15, 16, 29, 31, 100, 391, 392, 4900)
]


@pytest.mark.parametrize(("n_spectra", "max_steps"), PLANS)
def test_trials_hold_zero_and_both_ends_and_are_symmetric(n_spectra, max_steps):
    trials = plan_width_trials(n_spectra, max_steps)
    for trial in trials:
        np.testing.assert_array_equal(trial.steps, np.unique(trial.steps))
        np.testing.assert_array_equal(trial.steps, -trial.steps[::-1])
        assert trial.steps.dtype == np.int64
    steps = np.concatenate([trial.steps for trial in trials])
    assert steps.min() == -max_steps
    assert steps.max() == max_steps
    # Single channels and pairs.
    assert 0 in trials[0].steps
    assert 0 in trials[1].steps


@pytest.mark.parametrize(("n_spectra", "max_steps"), PLANS)
def test_every_drift_is_within_half_a_drift_step_of_a_tried_one(n_spectra, max_steps):
    """In the trial for its smear, whose drift step is half of the width, and whose width is about the smear."""
    trials = plan_width_trials(n_spectra, max_steps)
    for n in range(max_steps + 1):
        nearest = [np.abs(trial.steps - n).min() for trial in trials]
        near = [
            trial
            for trial, distance in zip(trials, nearest, strict=True)
            if 2 * distance <= (1 if trial.width < 4 else trial.width // 2)
        ]
        smear = n / (n_spectra - 1) + 1
        assert any(0.6 * smear <= trial.width <= 1.5 * smear for trial in near), n


@pytest.mark.parametrize(("n_spectra", "max_steps"), PLANS)
def test_widths_and_hops_are_what_the_kernels_can_sum(n_spectra, max_steps):
    trials = plan_width_trials(n_spectra, max_steps)
    widths = [trial.width for trial in trials]
    assert widths == sorted(set(widths))
    for trial in trials:
        assert trial.width % trial.stride == 0
        assert trial.stride & (trial.stride - 1) == 0
        assert trial.stride <= max(1, trial.width // 6)


def test_slow_drifts_are_searched_one_by_one():
    single, pairs, *_ = plan_width_trials(16, 391)
    np.testing.assert_array_equal(single.steps, np.arange(-15, 16))
    np.testing.assert_array_equal(pairs.steps, np.arange(-30, 31))


def test_cost_grows_slowly_with_the_drift_range():
    """Box sums per channel: fifty times the range costs less than four times as much."""

    def cost(max_steps):
        return sum(len(trial.steps) / trial.stride for trial in plan_width_trials(16, max_steps))

    assert cost(20 * 391) < 4 * cost(391)


def test_widest_box():
    assert widest_box(plan_width_trials(16, 391)) == WIDEST_BOX
    trials = plan_width_trials(2, 391)
    assert widest_box(trials) == 2 * max(trial.width for trial in trials) > WIDEST_BOX
