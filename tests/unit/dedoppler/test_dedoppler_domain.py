"""The smaller rules: errors, sizes of pictures, runs and slices, DC spikes, work side by side."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.simulator import make_header
from services.dedoppler.domain import (
    CUTOUT_ROWS,
    CUTOUT_SAMPLES,
    bandwidth_channels,
    cutout_rows,
    dc_channels,
    equal_edges,
    errors_of,
    runs,
    slices,
    waterfall_shape,
)
from services.dedoppler.threads import together


def test_errors_fall_with_snr_to_what_the_grid_leaves():
    weak, strong, endless = (errors_of(snr, 4, 2.0) for snr in (10.0, 100.0, 1e12))
    assert weak.channel > strong.channel > endless.channel == pytest.approx(0.3)
    assert weak.steps > strong.steps > endless.steps == pytest.approx(0.5)
    assert weak.width > strong.width > endless.width == pytest.approx(0.4)
    assert weak.snr == pytest.approx(1.0, abs=0.01)
    assert endless.snr == pytest.approx(0.005e12, rel=1e-3)


def test_errors_grow_with_the_width():
    narrow, wide = errors_of(20.0, 1, 1.0), errors_of(20.0, 26, 1.0)
    assert wide.channel > narrow.channel
    assert wide.steps > narrow.steps
    assert wide.width > narrow.width


def test_errors_grow_with_an_emissions_own_bandwidth():
    tone, line = errors_of(20.0, 26, 1.0), errors_of(20.0, 26, 20.0)
    assert line.channel > 1.5 * tone.channel
    assert line.steps > 1.5 * tone.steps
    assert line.width > 1.5 * tone.width


@pytest.mark.parametrize("snr", [0.0, 0.5, 1.0])
def test_errors_are_finite_for_any_snr(snr):
    errors = errors_of(snr, 1, 1.0)
    assert errors.channel == pytest.approx(math.hypot(0.3, 2 * 3.55))


def test_bandwidth_is_the_width_less_the_smear():
    assert bandwidth_channels(27, 390, 16) == 1.0
    assert bandwidth_channels(40, -150, 16) == 30.0
    assert bandwidth_channels(1, 0, 2) == 1.0


@pytest.mark.parametrize("n_spectra", [2, 3, 15, 16, 64, 65, 300, 2048, 100_000])
@pytest.mark.parametrize("channels", [1, 66, 800, 10_000, 200_000])
def test_cutouts_are_bounded(n_spectra, channels):
    per_row = cutout_rows(n_spectra, channels)
    n_rows = math.ceil(n_spectra / per_row)
    assert 1 <= n_rows <= CUTOUT_ROWS
    assert n_rows * channels <= max(CUTOUT_SAMPLES, 8 * channels)


def test_short_observations_keep_each_spectrum():
    assert cutout_rows(16, 500) == 1
    assert cutout_rows(64, 500) == 1
    assert cutout_rows(65, 500) == 2


@pytest.mark.parametrize("count", [1, 3, 64, 300])
@pytest.mark.parametrize(("n_spectra", "n_channels"), [(2, 1), (16, 50), (16, 2**20), (300, 5000)])
def test_waterfall_shape(n_spectra, n_channels, count):
    n_rows, bins = waterfall_shape(n_spectra, n_channels, count)
    assert n_rows == min(n_spectra, 64)
    assert 1 <= bins <= n_channels
    assert bins * count <= max(2048, 64 * count)
    assert bins >= min(n_channels, 64)


def slow_runs(flags, gap):
    found = []
    for i in np.flatnonzero(flags):
        if found and i - found[-1][1] <= gap:
            found[-1][1] = i + 1
        else:
            found.append([i, i + 1])
    return [tuple(run) for run in found]


@given(st.lists(st.integers(0, 1), max_size=60), st.integers(0, 6))
def test_runs(flags, gap):
    assert runs(np.array(flags, np.uint8), gap) == slow_runs(flags, gap)


@given(st.integers(1, 5000), st.integers(1, 300))
def test_equal_edges(length, parts):
    edges = equal_edges(length, parts)
    assert (edges[0], edges[-1], len(edges)) == (0, length, parts + 1)
    sizes = np.diff(edges)
    assert sizes.max() - sizes.min() <= 1


@given(st.integers(0, 500), st.integers(1, 500), st.integers(1, 100))
def test_slices(first, length, size):
    pieces = slices(first, first + length, size)
    assert [c for low, high in pieces for c in range(low, high)] == list(range(first, first + length))
    assert all(0 < high - low <= size for low, high in pieces)


def test_dc_channels():
    header = make_header(400, coarse_channel_width=100, has_dc_spike=True)
    assert dc_channels(header, 0, 400).tolist() == [50, 150, 250, 350]
    assert dc_channels(header, 150, 350).tolist() == [150, 250]
    assert dc_channels(header, 151, 250).tolist() == []
    assert dc_channels(make_header(400, coarse_channel_width=100), 0, 400).tolist() == []
    assert dc_channels(make_header(400, has_dc_spike=True), 0, 400).tolist() == []


def test_work_side_by_side_keeps_its_order_and_raises_the_first_failure(pool):
    assert together(pool, lambda a, b: a - b, [(k, 1) for k in range(20)]) == list(range(-1, 19))
    assert together(pool, lambda: 1, []) == []
    with pytest.raises(ZeroDivisionError):
        together(pool, lambda a: 1 // a, [(1,), (0,), (2,)])
