"""Averages of spectra, and what is found in them in terms of the spectra."""

import numpy as np
import pytest

from science.measure.search import tone
from science.simulator import make_header, tone_power
from services.dedoppler import averaging
from services.dedoppler.averaging import Averages, averages, per_spectrum, spectra_per_piece
from services.dedoppler.kernels.refine import Limits, Place, refine
from shared.averaging import averaged_header, spectra_per_average
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise, Cutout, GainChange, Gap

SPECTRA = 8


@pytest.fixture
def header():
    return make_header(64, 1000)


@pytest.fixture
def power():
    return np.random.default_rng(1).gamma(51.0, size=(1000, 64)).astype(np.float32)


def plain(power):
    """Averages of 8 spectra; 1000 spectra are 125 whole ones."""
    return np.nanmean(power.astype(float).reshape(125, SPECTRA, 64), axis=1).astype(np.float32)


def test_averages_equal_the_plain_means(pool, header, power):
    np.testing.assert_allclose(averages(power, header, SPECTRA, pool), plain(power), rtol=1e-6)


@pytest.mark.parametrize("samples", [64, 640, 6400])
def test_the_size_of_a_piece_changes_nothing(pool, header, power, monkeypatch, samples):
    expected = averages(power.copy(), header, SPECTRA, pool)
    monkeypatch.setattr(averaging, "PIECE_SAMPLES", samples)
    assert spectra_per_piece(header) == samples // 64
    np.testing.assert_array_equal(averages(power, header, SPECTRA, pool), expected)


def test_the_part_of_the_band_that_a_chunk_reads_changes_nothing(pool, header, power):
    expected = averages(power.copy(), header, SPECTRA, pool)[:, 10:30]
    np.testing.assert_array_equal(averages(power[:, 10:30].copy(), header, SPECTRA, pool), expected)


@pytest.mark.parametrize("lost", [0.0, 7.5, np.nan, np.inf])
def test_lost_samples_take_only_themselves_out_of_an_average(pool, header, power, lost):
    holed = power.copy()
    holed[100:103, 20:30] = lost
    holed[200:205, 40:50] = lost
    expected = power.copy()
    expected[100:103, 20:30] = np.nan
    found = averages(holed, header, SPECTRA, pool)
    # Five of the eight samples of average 25 are lost there: it is lost.
    assert np.isnan(found[25, 40:50]).all()
    assert np.isnan(found).sum() == 10
    found[25, 40:50] = expected[200:208, 40:50].mean(axis=0)
    np.testing.assert_allclose(found, plain(expected), rtol=1e-6)


@pytest.mark.parametrize(("n_spectra", "rows"), [(1003, 125), (1004, 126), (1007, 126)])
def test_half_an_average_at_the_end_counts(pool, n_spectra, rows):
    header = make_header(64, n_spectra)
    power = np.random.default_rng(1).gamma(51.0, size=(n_spectra, 64)).astype(np.float32)
    found = averages(power, header, SPECTRA, pool)
    assert len(found) == rows
    assert np.isfinite(found).all()


def test_averages_of_spectra_without_a_finite_sample_are_lost(pool, header):
    found = Averages(header, SPECTRA, 64, pool)
    found.add(np.full((1000, 64), np.nan, np.float32))
    assert np.isnan(found.power()).all()


def test_what_is_found_is_stated_per_spectrum():
    """A line that drifts 2 Hz/s passes 16 spectra of 0.5 s before the middle of the first average of 33."""
    hits = np.zeros(1, HIT_DTYPE)
    hits["frequency_hz"], hits["drift_rate_hz_s"], hits["snr"] = 1e9, 2.0, 30.0
    cutout = Cutout(np.full((4, 4), 3.3, np.float32), 7, 2)
    # 1000 spectra make 30 averages and ten spectra that are left out.
    noise = ChunkNoise(
        level=5.0,
        sigma=0.2,
        lost_elsewhere=3,
        gaps=(Gap(0, 2, 3, 30, 54),),
        gain_changes=(GainChange(0, 4, 1, 2, 2.0),),
    )
    found = ChunkHits(hits, [cutout], range(4), noise, np.full((2, 2), 6.6, np.float32))
    moved = per_spectrum(found, 33, make_header(4, 1000, tsamp_s=0.5))
    assert moved.hits["frequency_hz"][0] == 1e9 - 16.0
    assert moved.hits["snr"][0] == 30.0
    assert (moved.cutouts[0].start_channel, moved.cutouts[0].spectra_per_row) == (7, 66)
    np.testing.assert_allclose(moved.cutouts[0].power, 3.3 / 33**0.5, rtol=1e-6)
    np.testing.assert_allclose(moved.waterfall, 6.6 / 33**0.5, rtol=1e-6)
    assert moved.noise == ChunkNoise(
        level=5.0,
        sigma=pytest.approx(0.2 * 33**0.5),
        lost_elsewhere=99,
        gaps=(Gap(0, 2, 99, 1000, 54 * 33),),
        gain_changes=(GainChange(0, 4, 33, 66, 2.0),),
    )
    assert hits["frequency_hz"][0] == 1e9


def refined(x, column, steps):
    """Return the best statistic of a tone near a place."""
    limits = Limits(50, x.shape[1] - 50, 200, 16)
    places = [Place(int(column) + shift, round(steps), width) for shift in (-1, 0, 1) for width in (1, 2)]
    return max(float(refine(x, place, 4, limits)[0]) for place in places)


@pytest.mark.parametrize("part", [0.0, 0.5, 0.92, -0.97, 1.0])
def test_averaging_costs_a_tone_little(part):
    """At most 3.5 % of the SNR, for drifts up to the fastest: 4096 spectra, averages of 3."""
    n_spectra, most = 4096, 128
    header = make_header(2**12, n_spectra)
    spectra = spectra_per_average(header, abs(header.drift_rate_hz_s(most)))
    assert spectra == 3
    steps, channel = part * most, 2**11 + 0.3
    first, signal = tone_power(header, tone(header, channel, steps, 1.0))
    x = np.pad(signal, ((0, 0), (300, 300)), constant_values=0.0).astype(np.float32)
    rows = averaged_header(header, spectra).n_spectra
    whole = x[: rows * spectra].reshape(rows, spectra, -1)
    averaged = (whole.sum(axis=1) / np.sqrt(spectra)).astype(np.float32)
    column = channel - first + 300
    single = refined(x, column, steps)
    later = steps * (spectra - 1) / 2 / (n_spectra - 1)
    assert refined(averaged, column + later, steps * (rows - 1) * spectra / (n_spectra - 1)) > 0.965 * single
