"""Which channels are read around tracks."""

import numpy as np
import pytest

from science.simulator import make_header
from services.dedoppler.noise.blocks import noise_segments
from services.dedoppler.tracks.prediction import ScanGrid
from services.dedoppler.tracks.windows import MOST_SAMPLES, plan_track, plan_windows
from tests.unit.dedoppler.tracks.simulated import EPOCH_MJD, track_through


def plans(header, places, **errors):
    grid = ScanGrid.of(header, 1, EPOCH_MJD)
    return [plan_track(track, grid) for track in track_through(header, places, **errors)]


@pytest.mark.parametrize("fields", [{}, {"coarse_channel_width": 10_000}, {"coarse_channel_width": 64}])
@pytest.mark.parametrize("n_channels", [50_000, 4000, 300])
def test_windows_are_whole_blocks_of_the_search_around_the_path(fields, n_channels):
    header = make_header(n_channels, **fields)
    width = header.coarse_channel_width or n_channels
    blocks = set(np.concatenate(noise_segments(0, n_channels, n_channels, header.coarse_channel_width)).tolist())
    for channel in np.linspace(0, n_channels - 1, 40):
        ((first, stop),) = [plan.needed for plan in plans(header, [(channel, 0.0)])]
        assert {first, stop} <= blocks
        assert first <= channel < stop
        assert stop - first <= 5 * 2048 + 2 * 2048
        if width >= 4096:
            low, high = channel // width * width, min(n_channels, (channel // width + 1) * width)
            near_edge = channel - low < 5 or high - channel < 5
            assert near_edge or (low <= first and stop <= high)
        else:
            low, high = 0, n_channels
        assert first <= max(low, channel - 2048)
        assert stop >= min(high, channel + 2048)


def test_what_is_outside_of_the_band_needs_nothing():
    header = make_header(8192)
    outside = plans(header, [(-500.0, 0.0), (9000.0, 50.0), (1e9, 0.0)])
    assert [plan.needed for plan in outside] == [None] * 3
    assert plan_windows(outside, 16) == []
    # It begins outside and enters.
    (entering,) = plans(header, [(-50.0, 100.0)])
    assert entering.needed == (0, 4096)


def test_windows_share_what_overlaps_up_to_a_size():
    header = make_header(2**20, coarse_channel_width=2**20)
    near = plans(header, [(100_000.0, 0.0), (500_000.0, 0.0), (100_900.0, 300.0)])
    windows = plan_windows(near, 16)
    assert [window.tracks for window in windows] == [(0, 2), (1,)]
    assert all(window.stop - window.first < 4 * 2048 + 2048 for window in windows)
    crowded = plans(header, [(float(channel), 0.0) for channel in range(0, 2**20, 1000)])
    windows = plan_windows(crowded, 16)
    assert sorted(i for window in windows for i in window.tracks) == list(range(len(crowded)))
    assert all((window.stop - window.first) * 16 <= MOST_SAMPLES for window in windows)
    assert sum(window.stop - window.first for window in windows) < 1.15 * 2**20
    for window in windows:
        for i in window.tracks:
            first, stop = crowded[i].needed
            assert window.first <= first < stop <= window.stop


@pytest.mark.parametrize("foff_sign", [-1, 1])
def test_views_are_cut_to_the_band_and_to_1024_channels(foff_sign):
    header = make_header(8192, foff_mhz=foff_sign * 2.7e-6)
    grid = ScanGrid.of(header, 1, EPOCH_MJD)

    def view(channel, first, last):
        (track,) = track_through(header, [(channel, 0.0)])
        low, high = sorted(header.frequency_hz(c) for c in (first, last))
        track["view_low_hz"], track["view_high_hz"] = low, high
        plan = plan_track(track, grid)
        assert plan.needed[0] <= plan.view[0] <= plan.view[1] <= plan.needed[1] or plan.view == (0, 0)
        return plan.view

    assert view(4000.0, 3900, 4100) == (3900, 4101)
    assert view(10.0, -90, 110) == (0, 111)
    assert view(8190.0, 8000, 8300) == (8000, 8192)
    first, stop = view(4000.0, 0, 8191)
    assert stop - first == 1024
    assert abs((first + stop) / 2 - 4000) <= 1
    assert view(4000.0, 7000, 7100) == (0, 0)
    (track,) = track_through(header, [(4000.0, 0.0)])
    assert plan_track(track, grid).view == (0, 0)
