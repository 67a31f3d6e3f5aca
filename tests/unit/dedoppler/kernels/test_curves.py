"""Curved tracks: paths, the best parabola near a straight box, and blanking."""

import math

import numpy as np
import pytest

from services.dedoppler.kernels.curves import (
    Track,
    bend_track,
    blank_track,
    curved_offset,
    extend,
    restore_track,
    track_statistic,
)
from services.dedoppler.kernels.pair_sums import path_offset
from services.dedoppler.kernels.refine import Limits

LIMITS = Limits(300, 900, 100, 64)
FLOAT64_TOLERANCE = 1e-9


def place(track, t, n_spectra):
    """Return the column of a track at spectrum t by its formula, halves away from zero."""
    u = t / (n_spectra - 1)
    moved = track.steps * u + 2 * track.bend * u * (1 - u)
    return track.column + int(math.copysign(math.floor(abs(moved) + 0.5 + 1e-9), moved))


def statistic(x, track):
    total = sum(float(x[t, place(track, t, len(x)) + j]) for t in range(len(x)) for j in range(track.width))
    return total / math.sqrt(len(x) * track.width)


def scene(n_spectra, track=None, snr=0.0, seed=1):
    x = np.random.default_rng(seed).normal(size=(n_spectra, 1200)).astype(np.float32)
    if track:
        for t in range(n_spectra):
            start = place(track, t, n_spectra)
            x[t, start : start + track.width] += np.float32(snr / math.sqrt(n_spectra * track.width))
    return x


@pytest.mark.parametrize("n_spectra", [2, 3, 8, 16, 61])
def test_offsets(n_spectra):
    for steps in range(-50, 51, 7):
        for t in range(n_spectra):
            assert curved_offset(steps, 0, t, n_spectra) == path_offset(steps, t, n_spectra, 1)
            for bend in (-9, 1, 4, 32):
                assert curved_offset(steps, bend, t, n_spectra) == place(Track(0, steps, 1, bend), t, n_spectra)


@pytest.mark.parametrize("track", [Track(500, 0, 1, 0), Track(500, 37, 3, 12), Track(600, -60, 7, -31)])
def test_statistic_is_the_plain_sum(track):
    x = scene(16)
    assert track_statistic(x, track) == pytest.approx(statistic(x, track), abs=FLOAT64_TOLERANCE)


@pytest.mark.parametrize("n_spectra", [8, 16, 60])
@pytest.mark.parametrize("track", [Track(500, 0, 1, 8), Track(500, 37, 3, -12), Track(620, -60, 5, 31)])
def test_a_straight_box_bends_to_the_parabola(n_spectra, track):
    """Begin with the best straight box of all starts and drifts, found by brute force."""
    x = scene(n_spectra, track, 60.0)
    straight = max(
        (
            Track(column, steps, track.width)
            for steps in range(track.steps - 30, track.steps + 31)
            for column in range(track.column - 40, track.column + 41)
        ),
        key=lambda box: track_statistic(x, box),
    )
    found, curve = bend_track(x, straight, 1.12 * track_statistic(x, straight), 32, LIMITS)
    assert found >= statistic(x, track) - 1.0
    assert found == pytest.approx(statistic(x, curve), abs=FLOAT64_TOLERANCE)
    assert abs(curve.bend - track.bend) <= 3


@pytest.mark.parametrize("seed", range(10))
def test_a_straight_track_stays_straight(seed):
    track = Track(500, 20, 2)
    x = scene(16, track, 25.0, seed)
    snr = track_statistic(x, track)
    assert bend_track(x, track, 1.12 * snr, 32, LIMITS) == (-np.inf, track)


@pytest.mark.parametrize("span", [(0, 7), (8, 15)])
@pytest.mark.parametrize("track", [Track(500, 0, 1, 8), Track(500, 37, 3, -6), Track(620, -60, 5, 4)])
def test_a_box_of_half_the_spectra_is_extended(span, track):
    x = scene(16, track, 30.0)
    first, last = (place(track, t, 16) for t in span)
    found, curve = extend(x, Track(first, last - first, track.width), span, 8, LIMITS)
    assert found >= statistic(x, track) - 1e-6
    assert found == pytest.approx(statistic(x, curve), abs=FLOAT64_TOLERANCE)
    assert abs(curve.bend - track.bend) <= 3


def test_blanking_is_undone():
    x = scene(16)
    before, track = x.copy(), Track(500, -37, 5, 20)
    kept = np.empty((16, 5 + 2 * 3), np.float32)
    blank_track(x, track, 3, kept)
    for t in range(16):
        start = place(track, t, 16)
        assert not x[t, start - 3 : start + 8].any()
        assert np.count_nonzero(x[t] != before[t]) == 11
    restore_track(x, track, 3, kept)
    np.testing.assert_array_equal(x, before)


def test_overlapping_tracks_are_restored_in_reverse():
    x = scene(16)
    before, kept = x.copy(), []
    tracks = [(Track(480, 40, 3), 2), (Track(500, -10, 20, 9), 8), (Track(490, 20, 1), 0), (Track(470, 60, 40, -30), 5)]
    for track, margin in tracks:
        kept.append(np.empty((16, track.width + 2 * margin), np.float32))
        blank_track(x, track, margin, kept[-1])
    assert all(track_statistic(x, track) == 0.0 for track, _ in tracks)
    for (track, margin), values in zip(reversed(tracks), reversed(kept), strict=True):
        restore_track(x, track, margin, values)
    np.testing.assert_array_equal(x, before)
