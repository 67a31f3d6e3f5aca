"""The search on normalised power: boxes found, tracks blanked and restored."""

import numpy as np
import pytest

from services.dedoppler.search.boxes import Region, Search
from services.dedoppler.search.width_trials import plan_width_trials, widest_box
from tests.unit.dedoppler import reference

T, WIDTH, MAX_STEPS = 16, 3000, 100
TRIALS = plan_width_trials(T, MAX_STEPS)
PAD = MAX_STEPS + 2 * widest_box(TRIALS)
REGION = Region(PAD, PAD + WIDTH)


def noise(seed=1):
    x = np.zeros((T, WIDTH + 2 * PAD), np.float32)
    x[:, PAD:-PAD] = np.random.default_rng(seed).normal(size=(T, WIDTH))
    return x


def add(x, column, steps, snr, width=None):
    """Add an even box along a path; by default as wide as its drift smears it."""
    width = width or round(abs(steps) / (T - 1)) + 1
    for t in range(T):
        start = PAD + column + reference.path_offset(steps, t, T)
        x[t, start : start + width] += np.float32(snr / np.sqrt(T * width))


def boxes(x, pool, threshold=10.0):
    before = x.copy()
    found, cut_short = Search(x, REGION, TRIALS, threshold, pool).boxes()
    np.testing.assert_array_equal(x, before)
    assert not cut_short
    return found


def test_no_signal_no_box(pool):
    assert boxes(noise(), pool) == []


def test_boxes_have_their_statistics(pool):
    x = noise()
    for k, (steps, width) in enumerate([(0, 1), (30, 3), (-99, 7), (100, 40), (-7, 200)]):
        add(x, 300 + 500 * k, steps, 100.0, width)
    found = boxes(x, pool)
    assert len(found) == 5
    for box in found:
        assert box.snr == pytest.approx(reference.box_statistic(x, box.column, box.steps, box.width), abs=1e-9)
        assert box.snr >= 97


def test_strongest_first(pool):
    x = noise()
    for k in range(6):
        add(x, 300 + 400 * k, 10 * k, 20.0 + 10 * ((k * 5) % 6))
    snrs = [box.snr for box in boxes(x, pool)]
    assert len(snrs) == 6
    assert snrs == sorted(snrs, reverse=True)


def test_crossing_tracks_are_two_boxes(pool):
    """The fainter one loses but the spectra where the tracks meet, about two of 16."""
    x = noise()
    add(x, 1000, 90, 200.0)
    add(x, 1090, -90, 40.0)
    strong, faint = boxes(x, pool)
    assert (strong.column - PAD, strong.steps, strong.width) == (1000, 90, 7)
    assert abs(faint.column - PAD - 1090) <= 1
    assert abs(faint.steps + 90) <= 2
    assert faint.snr == pytest.approx(40.0 * 14 / 16, abs=4)


def test_thirty_tones_in_a_bundle(pool):
    """Parallel tracks 30 channels apart, SNR 15 to 300: each is found, and nothing else."""
    x = noise()
    snrs = 15 * 20 ** (np.arange(30) * 7 % 30 / 29)
    for k, snr in enumerate(snrs):
        add(x, 1000 + 30 * k, 60, snr)
    found = sorted(boxes(x, pool), key=lambda box: box.column)
    np.testing.assert_allclose([box.column - PAD for box in found], 1000 + 30 * np.arange(30), atol=1)
    np.testing.assert_allclose([box.steps for box in found], 60, atol=2)
    np.testing.assert_allclose([box.snr for box in found], snrs, atol=4)


@pytest.mark.parametrize("steps", [0, 12, -60])
def test_threshold(pool, steps):
    x = noise(2)
    add(x, 1500, steps, 30.0)
    (box,) = boxes(x, pool, threshold=20.0)
    assert boxes(x, pool, threshold=box.snr - 1e-6) == [box]
    assert boxes(x, pool, threshold=box.snr + 1e-6) == []


def test_boxes_stay_in_their_ranges(pool):
    x = noise(3)
    for column, steps in [(0, 50), (2, -40), (WIDTH - 1, 80), (WIDTH - 3, -60), (1000, 100), (2000, -100)]:
        add(x, column, steps, 80.0)
    found = boxes(x, pool)
    assert len(found) >= 6
    for box in found:
        assert box.column < REGION.stop
        assert box.column + box.width > REGION.first
        assert abs(box.steps) <= MAX_STEPS
        assert 1 <= box.width <= widest_box(TRIALS)


def test_a_drift_beyond_the_range_is_no_curve(pool):
    """Check that a path at the end of the range stays straight, though a parabola would hold more."""
    x = noise()
    add(x, 1000, MAX_STEPS + 12, 120.0, 8)
    (box, *_) = boxes(x, pool)
    assert box.steps == MAX_STEPS
    assert box.curve is None


@pytest.mark.parametrize("distance", [6, 12, 40])
@pytest.mark.parametrize("steps", [37, 80, -80])
def test_what_crosses_a_bright_tone_is_no_box_of_its_own(pool, distance, steps):
    """Boxes across both tones are stronger than the fainter tone until the bright one is blanked."""
    x = noise(4)
    add(x, 1500, 0, 3000.0)
    add(x, 1500 + distance, steps, 150.0)
    found = boxes(x, pool)
    assert [box.steps for box in found] == pytest.approx([0, steps], abs=2)
    assert found[1].column == pytest.approx(PAD + 1500 + distance, abs=3)


def test_a_box_may_be_far_fainter_than_the_first(pool):
    """Each class of strength has a pass of its own, from SNR 10 to 1e6."""
    x = noise()
    for k, snr in enumerate([1e6, 5e4, 3e3, 200.0, 15.0]):
        add(x, 300 + 550 * k, 20 * k, snr)
    assert [box.steps for box in boxes(x, pool)] == pytest.approx([0, 20, 40, 60, 80], abs=1)
