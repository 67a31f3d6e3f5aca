"""The plan of the upper bound: quanta, and groups of drifts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dedoppler.search.upper_bound import INT16_MAX, plan_bound, quantisation
from services.dedoppler.search.width_trials import WidthTrial, plan_width_trials


@settings(deadline=None)
@given(
    n_spectra=st.integers(2, 100_000),
    widths=st.sets(st.sampled_from([1, 2, 3, 4, 6, 8]), min_size=1),
    bits=st.integers(0, 2**32 - 1),
)
def test_a_box_with_a_clipped_column_is_no_smaller_than_the_largest_box(n_spectra, widths, bits):
    trials = [WidthTrial(width, 1, np.array([0])) for width in widths]
    quanta = quantisation(trials, n_spectra)
    assert n_spectra * quanta.largest_box <= INT16_MAX
    assert -INT16_MAX <= quanta.lowest <= 0
    for width in widths:
        assert width * quanta.highest <= INT16_MAX
        others = np.random.default_rng(bits).integers(quanta.lowest, quanta.highest + 1, width - 1)
        assert quanta.highest + others.sum() >= quanta.largest_box
        assert quanta.highest + (width - 1) * quanta.lowest >= quanta.largest_box


@pytest.mark.parametrize("n_spectra", [16, 60])
def test_groups_are_wider_the_higher_the_threshold(n_spectra):
    for trial in plan_width_trials(n_spectra, 400):
        quanta = quantisation([trial], n_spectra)
        plans = [plan_bound(trial, quanta, n_spectra, threshold) for threshold in (2.0, 4.0, 8.0, 20.0, 40.0)]
        assert plans[0] is None
        assert plans[-1] is not None
        known = [plan.span for plan in plans if plan]
        assert known == sorted(known)
        assert known[-1] > known[0] or len(known) == 1


def test_there_is_no_plan_if_quanta_are_too_coarse():
    trial = plan_width_trials(4096, 100)[0]
    assert plan_bound(trial, quantisation([trial], 4096), 4096, 8.0) is None
    assert plan_bound(trial, quantisation([trial], 10**6), 10**6, 8.0) is None
