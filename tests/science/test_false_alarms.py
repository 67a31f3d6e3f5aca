"""Noise alone: how often the search sees what is not there."""

import pytest

from tests.unit.dedoppler.scenes import Scene, make_header, search, simulate

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

N_CHANNELS = 2**18
SEEDS = range(100, 104)


@pytest.fixture(scope="module")
def header():
    return make_header(N_CHANNELS)


@pytest.fixture(scope="module")
def noise(header):
    """Four observations of 16 x 2^18, gamma noise of 51 averaged spectra."""
    return [simulate(Scene(header, seed=seed)) for seed in SEEDS]


@pytest.mark.parametrize("threshold", [7.0, 10.0])
def test_none_at_seven_and_above(header, noise, pool, threshold):
    assert [len(search(power, header, pool, snr_threshold=threshold).hits) for power in noise] == [0, 0, 0, 0]


def test_few_at_six(header, noise, pool):
    """Over 40 other seeds there were 0.75 per observation, so 3 are expected in four; 9 are 3.5 sigma more.

    The upper tail of gamma noise is heavier than a Gaussian's: at 6 sigma 9 times for a single channel and 16 spectra.
    Gaussian noise (of 10^5 averaged spectra) has 0.3 per observation.
    """
    assert sum(len(search(power, header, pool, snr_threshold=6.0).hits) for power in noise) <= 9


def test_none_over_a_wide_drift_range(header, noise, pool):
    assert len(search(noise[0], header, pool, max_drift=50.0, snr_threshold=8.0).hits) == 0


@pytest.mark.parametrize("n_spectra", [2, 3, 60])
def test_none_with_other_numbers_of_spectra(pool, n_spectra):
    """Two spectra of 51 averages have the heaviest tail."""
    header = make_header(2**17, n_spectra)
    assert len(search(simulate(Scene(header, seed=n_spectra)), header, pool).hits) == 0
