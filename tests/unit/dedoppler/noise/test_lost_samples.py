"""A hole makes no hit and hides no tone outside it, whatever fills it: zero, NaN or one value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from science.measure.search import search
from science.simulator import make_header
from services.dedoppler.noise.lost_samples import (
    CHANNELS_PER_TASK,
    is_far_above_zero,
    mark_dead_channels,
    mark_zeros_and_runs,
    shortest_lost_run,
)

FILLINGS = {"zero": 0.0, "nan": np.nan, "constant": 50.0}
N = 2**13


def noise(n_spectra, n_channels, seed):
    return np.random.default_rng(seed).gamma(51.0, 1.0, (n_spectra, n_channels)).astype(np.float32)


def summary(found):
    return [(int(hit["channel"]), int(hit["steps"]), int(hit["width"])) for hit in found.hits]


def snrs(found):
    return [float(hit["snr"]) for hit in found.hits]


@pytest.mark.parametrize("filling", FILLINGS)
def test_a_wide_hole_beside_a_tone(pool, filling):
    """Blanked channels of a real observation's size: no hit beside them, and the tone 300 channels away stays."""
    header = make_header(2**18)
    power = noise(16, 2**18, 5)
    power[:, 90_700] += 14.0 * np.sqrt(51.0 / 16)
    power[:, 91_000:169_000] = FILLINGS[filling]
    found = search(power, header, pool)
    (hit,) = found.hits
    assert hit["channel"] <= 90_700 < hit["channel"] + hit["width"]
    assert hit["snr"] == pytest.approx(14.0, abs=3)
    assert found.noise.dead_channels == 78_000


@pytest.mark.parametrize("filling", FILLINGS)
def test_a_patch_of_some_spectra(pool, filling):
    header = make_header(2**14)
    power = noise(16, 2**14, 6)
    power[:, 12_000] += 60.0 * np.sqrt(51.0 / 16)
    power[4:8, 3000:9000] = FILLINGS[filling]
    found = search(power, header, pool)
    (hit,) = found.hits
    assert hit["channel"] <= 12_000 < hit["channel"] + hit["width"]
    assert found.noise.lost_fraction == pytest.approx(4 * 6000 / power.size)


@st.composite
def holes(draw, n_spectra):
    """Channels, or spectra of channels: (first spectrum, stop spectrum, first channel, stop channel)."""
    # Narrower runs of one value for part of the time can't be told from noise.
    width = draw(st.integers(3, N // 2))
    low = draw(st.integers(0, N - width))
    if draw(st.booleans()):
        return 0, n_spectra, low, low + width
    first = draw(st.integers(0, n_spectra - 2))
    return first, draw(st.integers(first + 1, n_spectra - 1)), low, low + width


@settings(max_examples=25)
@given(st.data())
def test_holes_of_any_place_and_size(pool, data):
    n_spectra = data.draw(st.sampled_from([4, 16, 33]))
    n_bits = data.draw(st.sampled_from([8, 32]))
    power = noise(n_spectra, N, data.draw(st.integers(0, 2**20)))
    hole = np.zeros(power.shape, bool)
    for first, stop, low, high in data.draw(st.lists(holes(n_spectra), min_size=1, max_size=3)):
        hole[first:stop, low:high] = True
    free = np.flatnonzero(~hole.any(axis=0))
    tone = int(data.draw(st.sampled_from(free.tolist()))) if len(free) else None
    if tone is not None:
        power[:, tone] += 20.0 * np.sqrt(51.0 / n_spectra)
    if n_bits == 8:
        power = np.clip(np.round(power), 0, 255)
    found = {}
    for filling, value in FILLINGS.items():
        filled = np.where(hole, np.float32(value), power)
        found[filling] = search(filled, make_header(N, n_spectra, n_bits=n_bits), pool)
        assert len(found[filling].hits) == (tone is not None)
        for channel, _, width in summary(found[filling]):
            assert channel <= tone < channel + width
    assert summary(found["zero"]) == summary(found["nan"])
    assert snrs(found["zero"]) == snrs(found["nan"])
    if n_bits == 32:
        assert summary(found["constant"]) == summary(found["nan"])
        assert snrs(found["constant"]) == snrs(found["nan"])
    else:
        # A sample at the edge may have the value of the hole by chance, and is lost with it.
        np.testing.assert_allclose(snrs(found["constant"]), snrs(found["nan"]), rtol=0.02)


@pytest.mark.parametrize("n_bits", [1, 2, 4, 8])
def test_noise_of_few_bits_is_not_lost(pool, n_bits):
    """Equal neighbours are common there: runs that chance explains stay, and so do zeros that are samples."""
    largest = 2**n_bits - 1
    scaled = (noise(16, 2**15, 7) - 51.0) / np.sqrt(51.0) * largest / 4 + largest / 2
    power = np.clip(np.round(scaled), 0, largest).astype(np.float32)
    found = search(power, make_header(2**15, n_bits=n_bits), pool)
    assert found.noise.lost_fraction < 1e-5


@pytest.mark.parametrize("n_spectra", [8, 64])
@pytest.mark.parametrize("share", [0.2, 0.03, 0.005])
def test_few_ones_among_zeros_are_not_lost(pool, n_spectra, share):
    """One bit at a band's edge: long runs of zeros and channels of zeros alone are chance there. A hole is none."""
    shares = np.repeat([0.5, share], 8192)
    power = (np.random.default_rng(3).random((n_spectra, 2**14)) < shares).astype(np.float32)
    header = make_header(2**14, n_spectra, n_bits=1)
    power[:, 2000:4000] = 0.0
    hole = np.zeros(power.shape, bool)
    hole[:, 2000:4000] = True
    mark_zeros_and_runs(power, header, [(0, 2**14)], pool)
    mark_dead_channels(power, 1, pool)
    assert np.isnan(power[hole]).all()
    assert np.isnan(power[~hole]).mean() < 0.1


@pytest.mark.parametrize(("level", "expected"), [(0.0, False), (3.0, False), (8.0, True)])
def test_zero_is_lost_only_far_below_the_noise(level, expected):
    power = (np.random.default_rng(2).normal(level, 1.0, (16, 5000))).astype(np.float32)
    power[:, 1000:3000] = 0.0
    assert is_far_above_zero(power) == expected


def test_the_shortest_lost_run_grows_with_the_chance_of_equal_neighbours():
    runs = [shortest_lost_run(equal, 10**6, 2**24) for equal in (0, 10**3, 10**5, 5 * 10**5, 10**6)]
    assert runs[0] == 3
    assert runs == sorted(runs)
    for equal, run in zip((10**3, 10**5, 5 * 10**5), runs[1:4], strict=True):
        probability = equal / 10**6
        assert 2**24 * probability ** (run - 1) <= 0.01 < 2**24 * probability ** (run - 2)


@pytest.mark.parametrize("n_bits", [1, 2])
@pytest.mark.parametrize("value", [0, 1])
def test_samples_beside_a_hole_of_few_bits_are_as_bright_as_all(pool, n_bits, value):
    """Those that have the hole's value by chance are lost with it. The others must not pass for a signal."""
    header = make_header(1024, 4096, n_bits=n_bits, foff_mhz=-1e-4, tsamp_s=0.5)
    power = np.clip(np.round((noise(4096, 1024, 9) - 51) / 8 + 0.5 * n_bits), 0, 2**n_bits - 1)
    power[:, 400:600] = value
    found = search(power, header, pool, snr_threshold=7.0)
    if n_bits > 1 or value == 0:  # in one bit, 1 is the largest value, and may be a signal
        assert found.noise.lost_fraction == pytest.approx(200 / 1024, abs=0.02)
    assert len(found.hits) == 0


@pytest.mark.parametrize("n_bits", [8, 32])
@pytest.mark.parametrize("beyond", [1, 2, 5])
def test_a_hole_that_ends_beside_what_is_looked_at_together(pool, n_bits, beyond):
    """One or two channels of a bright hole are too few to be recognised by themselves."""
    power = np.round(noise(16, 2**15, 4))
    if n_bits == 32:
        power = noise(16, 2**15, 4)
    power[4:8, 100 : 2 * CHANNELS_PER_TASK + beyond] = 200.0
    power[9:12, CHANNELS_PER_TASK - beyond : CHANNELS_PER_TASK + 90] = 200.0
    found = search(power, make_header(2**15, n_bits=n_bits), pool)
    assert len(found.hits) == 0
    lost = 4 * (2 * CHANNELS_PER_TASK + beyond - 100) + 3 * (90 + beyond)
    assert found.noise.lost_fraction * power.size == pytest.approx(lost, abs=15)


@pytest.mark.parametrize("n_bits", [1, 2, 4, 8])
@pytest.mark.parametrize("seed", range(3))
def test_wide_holes_of_the_largest_value_make_no_hit(pool, n_bits, seed):
    """Nothing is known of what saturates over more channels than a box has: three patches, some of them overlapping."""
    rng, largest, step = np.random.default_rng(seed), 2**n_bits - 1, {1: 14.0, 2: 7.0, 4: 3.0, 8: 0.5}[n_bits]
    power = np.clip(np.round((noise(16, 2**15, seed) - 51) / step + largest / 2), 0, largest)
    hole = np.zeros(power.shape, bool)
    for _ in range(3):
        spectrum, spectra, channel = rng.integers(0, 12), rng.integers(2, 9), rng.integers(0, 25_000)
        hole[spectrum : spectrum + spectra, channel : channel + rng.integers(600, 4000)] = True
    power[hole] = largest
    found = search(power, make_header(2**15, n_bits=n_bits), pool)
    assert len(found.hits) == 0
    assert found.noise.lost_fraction == pytest.approx(hole.mean(), rel=0.01)


def test_a_saturated_signal_no_wider_than_a_box_is_no_hole(pool):
    power = np.clip(np.round((noise(16, 2**14, 2) - 51) / 3 + 7.5), 0, 15)
    power[3:, 9000:9060] = 15.0
    found = search(power, make_header(2**14, n_bits=4), pool)
    (hit,) = found.hits
    assert abs(hit["channel"] - 9000) <= 5
    assert abs(hit["width"] - 60) <= 10


def test_a_single_spectrum_has_no_dead_channels(pool):
    """The last piece of an observation that is averaged may hold one spectrum."""
    power = np.full((1, 300), 5.0, np.float32)
    assert not mark_dead_channels(power, 32, pool).any()
    assert (power == 5.0).all()
