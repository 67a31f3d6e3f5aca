"""How many spectra the search averages, and the grid that results."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.simulator import make_header
from shared.averaging import (
    FEWEST_AVERAGES,
    MOST_SMEAR_CHANNELS,
    averaged_header,
    searched_grid,
    spectra_per_average,
)


@pytest.mark.parametrize("n_spectra", [2, 16, 60, 100, 300, 511])
def test_usual_numbers_of_spectra_are_not_averaged(n_spectra):
    header = make_header(2**20, n_spectra, tsamp_s=1e-3)
    assert spectra_per_average(header, 4.0) == 1
    assert searched_grid(header, 4.0) is header


@given(
    n_spectra=st.integers(2, 10_000_000),
    n_channels=st.integers(1, 2**20),
    tsamp_s=st.floats(1e-6, 20.0),
    drift=st.floats(0.0, 50.0),
)
def test_no_signal_moves_more_than_an_eighth_of_a_channel_in_an_average(n_spectra, n_channels, tsamp_s, drift):
    header = make_header(n_channels, n_spectra, tsamp_s=tsamp_s)
    spectra, steps = spectra_per_average(header, drift), header.max_drift_steps(drift)
    assert spectra == 1 or steps * spectra / (n_spectra - 1) <= MOST_SMEAR_CHANNELS
    grid = averaged_header(header, spectra)
    assert grid.tsamp_s == pytest.approx(spectra * tsamp_s)
    assert abs(grid.n_spectra * spectra - n_spectra) <= spectra / 2
    assert grid.n_spectra >= min(n_spectra, FEWEST_AVERAGES)
    # The search takes memory by the drift range: the bound of the smear leaves at most twice as many averages.
    assert spectra == 1 or grid.n_spectra <= 2 * max(2 * FEWEST_AVERAGES, (steps + 1) / MOST_SMEAR_CHANNELS)


@pytest.mark.parametrize(
    ("n_channels", "n_spectra", "spectra"),
    [(256, 65_536, 31), (64, 262_144, 511), (1024, 4_000_000, 488), (64, 512, 1)],
)
def test_a_range_as_wide_as_the_band(n_channels, n_spectra, spectra):
    """18 s at 4 Hz/s are 25 channels per spectrum, so the drift range is cut to the band."""
    assert spectra_per_average(make_header(n_channels, n_spectra), 4.0) == spectra


def test_a_pulsar_product_is_averaged_to_a_few_hundred_spectra():
    header = make_header(1024, 4_000_000, foff_mhz=-1.0, tsamp_s=64e-6)
    assert searched_grid(header, 4.0).n_spectra == FEWEST_AVERAGES
