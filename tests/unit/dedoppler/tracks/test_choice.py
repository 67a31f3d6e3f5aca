"""Which paths near a track are tried, and how many of them are independent."""

import math

import numpy as np
import pytest

from science.simulator import Scene, make_header, simulate
from services.dedoppler.kernels.track_paths import Path
from services.dedoppler.tracks.choice import choose, smears_of
from services.dedoppler.tracks.prediction import Prediction
from tests.unit.dedoppler.tracks.simulated import measure, track_through, values


def prediction(channel_error, steps_error, steps=0.0, bandwidth=1.0):
    return Prediction(Path(100.0, steps, 0.0), np.diag([channel_error**2, steps_error**2, 0.0]), bandwidth)


def test_a_small_error_leaves_no_choice():
    for channel_error, steps_error, expected in [(0.05, 0.1, 0), (0.09, 0.25, 0), (0.3, 0.1, 1), (0.05, 0.5, 1)]:
        one = prediction(channel_error, steps_error)
        reach = choose(one, smears_of(one, 16)).reach
        assert (reach.max() > 0) == bool(expected)


def test_reach_is_three_standard_deviations_and_is_bounded():
    one = prediction(10.0, 4.0)
    choice = choose(one, smears_of(one, 16))
    assert (choice.reach * choice.apart).tolist() == [pytest.approx(30, abs=1), pytest.approx(12, abs=1), 0]
    far = prediction(1e9, 1e9)
    assert (choose(far, smears_of(far, 16)).reach * choose(far, smears_of(far, 16)).apart).max() <= 2048


def test_wide_boxes_have_paths_farther_apart():
    one = prediction(10.0, 40.0, steps=15 * 24.0)
    apart = choose(one, smears_of(one, 16)).apart
    assert apart.tolist() == [2.0, pytest.approx(25 / 6), pytest.approx(25 / 6)]


def test_a_width_of_a_few_channels_may_be_a_tones():
    widths = {
        b: smears_of(prediction(1, 1, steps=30.0, bandwidth=b), 16).tolist() for b in (1.0, 2.4, 4.0, 20.0, 900.0)
    }
    assert widths == {1.0: [2.0], 2.4: [2.0], 4.0: [5.0, 2.0], 20.0: [21.0], 900.0: [257.0]}


@pytest.fixture(scope="module")
def noise():
    header = make_header(2**17)
    return header, simulate(Scene(header, seed=9))


@pytest.mark.parametrize("steps", [0.0, 30.0, 400.0])
@pytest.mark.parametrize(("channel_error", "steps_error"), [(1.0, 1.0), (3.0, 3.0)])
def test_noise_exceeds_a_limit_as_often_as_the_independent_paths_say(noise, steps, channel_error, steps_error):
    """The number is that at SNR 3.5, to a factor of two or 0.2 sigma; at 2.75, where noise is seen, it is smaller."""
    header, power = noise
    places = [(channel, steps) for channel in np.random.default_rng(1).uniform(3000, 2**17 - 3000, 1200)]
    found = measure(power, header, track_through(header, places, channel_error, steps_error))
    (trials,) = set(values(found, "trials"))
    above = np.mean(values(found, "snr") > 2.75)
    of_one = 0.5 * math.erfc(2.75 / math.sqrt(2))
    independent = math.log(1 - above) / math.log(1 - of_one)
    assert 0.6 < trials / independent < 3.0
