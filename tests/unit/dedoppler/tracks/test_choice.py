"""Which paths near a track are tried, and how many of them are independent."""

import math

import numpy as np
import pytest

from science.simulator import Scene, make_header, simulate
from services.dedoppler.kernels.track_paths import Path
from services.dedoppler.tracks.choice import MOST_PATHS, choose, smears_of, tries_few
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


def paths_of(choice):
    """Return how many paths of a grid are within three standard deviations."""
    along, across, bends = (
        np.arange(-reach, reach + 1) * d for reach, d in zip(choice.reach, choice.apart, strict=True)
    )
    count = 0
    for bend in bends:
        for steps in across:
            p = choice.precision
            form = p[0, 0] * along**2 + p[1, 1] * steps**2 + p[2, 2] * bend**2
            form += 2 * (p[0, 1] * along * steps + p[0, 2] * along * bend + p[1, 2] * steps * bend)
            count += int((form <= 9).sum())
    return count


@pytest.mark.parametrize("errors", [(300.0, 20.0, 0.1), (1000.0, 1000.0, 0.5), (1e9, 1e9, 1e9)])
def test_of_millions_of_paths_the_nearest_are_tried(errors):
    one = Prediction(Path(100.0, 0.0, 0.0), np.diag(np.square(errors)), 1.0)
    smears = smears_of(one, 16)
    assert tries_few(one, smears)
    assert MOST_PATHS / 16 < paths_of(choose(one, smears)) < 1.2 * MOST_PATHS


def test_a_track_whose_errors_are_tied_to_one_another_has_few_paths():
    # Seen from far away, an error of the drift rate moves the centre by a multiple of what it adds to the steps.
    lever = np.array([20.0, 1.0, 0.0])
    one = Prediction(Path(100.0, 0.0, 0.0), np.outer(lever, lever) * 400.0, 1.0)
    smears = smears_of(one, 16)
    assert not tries_few(one, smears)
    assert choose(one, smears).reach[0] == pytest.approx(3 * 3 * 400, abs=3)


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
