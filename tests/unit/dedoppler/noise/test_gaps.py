"""Where samples are lost, and which spectra differ in gain."""

import numpy as np
import pytest

from services.dedoppler.noise.gaps import MOST_LISTED, find_gaps, gain_changes
from shared.hits import GainChange, Gap

T, N = 16, 1000


def power():
    return np.ones((T, N), np.float32)


def lost_in(gaps, elsewhere):
    return sum(gap.samples for gap in gaps) + elsewhere


def test_nothing_is_lost():
    assert find_gaps(power(), 0, N, 0) == ((), 0)


def test_everything_is_lost():
    assert find_gaps(np.full((T, N), np.nan, np.float32), 100, 300, 5000) == ((Gap(5100, 5300, 0, T, T * 200),), 0)


def test_channels_spectra_and_a_patch():
    some = power()
    some[:, 100:300] = np.nan
    some[3:5] = np.inf
    some[8:12, 500:540] = np.nan
    gaps, elsewhere = find_gaps(some, 0, N, 7000)
    assert gaps == (
        Gap(7100, 7300, 0, T, 200 * T),
        Gap(7000, 8000, 3, 5, 2 * N),
        Gap(7500, 7540, 8, 12, 160),
    )
    assert elsewhere == 0


def test_only_the_wanted_channels_are_looked_at():
    some = power()
    some[:, 90:110] = np.nan
    assert find_gaps(some, 100, 200, 0) == ((Gap(100, 110, 0, T, 10 * T),), 0)


def test_pieces_side_by_side_are_one_gap():
    some = power()
    some[4, 100:110], some[4, 113:120] = np.nan, np.nan
    some[5, 105:130] = np.nan
    assert find_gaps(some, 0, N, 0) == ((Gap(100, 130, 4, 6, 42),), 0)


def test_single_samples_have_no_box():
    some = power()
    some[2, 10], some[9, 700:702] = np.nan, np.nan
    assert find_gaps(some, 0, N, 0) == ((), 3)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.99])
def test_every_lost_sample_is_counted(share):
    """And no more gaps are listed than the largest."""
    some = np.ones((T, 20_000), np.float32)
    lost = np.random.default_rng(3).random(some.shape) < share
    some[lost] = np.nan
    gaps, elsewhere = find_gaps(some, 0, 20_000, 0)
    assert len(gaps) <= MOST_LISTED
    assert sum(gap.samples for gap in gaps) + elsewhere == lost.sum()


def test_steady_spectra_have_no_changes():
    assert gain_changes(np.full((T, 3), 1.01), np.array([0, 10, 20, 30]), 0) == ()


def test_changes_of_the_whole_band_are_one_per_stretch():
    gain = np.ones((T, 3))
    gain[3], gain[8:] = 10.0, 2.0
    gain[5] = np.nan
    expected = (GainChange(50, 80, 3, 4, 10.0), GainChange(50, 80, 8, T, 2.0))
    assert gain_changes(gain, np.array([0, 10, 20, 30]), 50) == expected


def test_parts_of_the_band_have_their_own_changes():
    gain = np.ones((T, 4))
    gain[10:12, :2] = 0.5
    assert gain_changes(gain, np.array([0, 0, 10, 20, 30]), 0) == (GainChange(0, 10, 10, 12, 0.5),)


def test_a_ramp_is_a_few_stretches():
    found = gain_changes(np.linspace(1, 3, 1000)[:, None], np.array([0, 10]), 0)
    assert 8 <= len(found) <= 12
    # In units of the lower quartile, 1.5.
    assert found[-1].factor == pytest.approx(1.95, abs=0.05)
