"""Observations of many spectra: tones are found with the right values, noise gives no hits."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from science.measure.search import chunk_plan, rows, search, tone
from science.simulator import Scene, make_header, simulate

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def check(hit, header, channel, steps, snr):
    assert hit["snr"] == pytest.approx(snr, abs=3 + 0.05 * snr)
    assert abs(hit["frequency_hz"] - header.frequency_hz(channel)) < 4 * hit["frequency_error_hz"]
    assert abs(hit["drift_rate_hz_s"] - header.drift_rate_hz_s(steps)) < 4 * hit["drift_rate_error_hz_s"]


@pytest.mark.parametrize(
    ("n_channels", "n_spectra", "truth"),
    [
        (256, 8192, [(60, 100.3, 25.0), (130, 0, 15.0), (220, -150, 40.0)]),
        (64, 32_768, [(20, 33.3, 30.0), (50, -7, 15.0)]),
        (1024, 2048, [(100, 60, 20.0), (500, -333, 40.0), (900, 0.4, 15.0)]),
    ],
)
def test_tones_in_many_spectra(pool, n_channels, n_spectra, truth):
    header = make_header(n_channels, n_spectra)
    found = search(simulate(Scene(header, tuple(tone(header, *one) for one in truth))), header, pool)
    assert len(found.hits) == len(truth)
    for hit, one in zip(found.hits, truth, strict=True):
        check(hit, header, *one)


@pytest.mark.parametrize(("n_channels", "n_spectra"), [(256, 8192), (32, 65_536), (2048, 1024)])
def test_noise_in_many_spectra_gives_no_hits(pool, n_channels, n_spectra):
    header = make_header(n_channels, n_spectra)
    found = search(simulate(Scene(header)), header, pool, snr_threshold=8.0)
    assert len(found.hits) == 0
    assert found.waterfall.shape == (64, min(n_channels, 2048))


def test_samples_of_one_bit(pool):
    """A tone of 4 MHz channels in clipped noise: the search sees the share of ones, 1/2 + 0.4 of a small shift."""
    header = make_header(128, 50_000, foff_mhz=-4.0, tsamp_s=1e-3, n_bits=1)
    rng = np.random.default_rng(5)
    shift = np.zeros(128)
    shift[40] = 30.0 / np.sqrt(50_000)
    power = (rng.standard_normal((50_000, 128)) + shift > 0).astype(np.float32)
    (hit,) = search(power, header, pool).hits
    # One bit of Gaussian noise keeps sqrt(2 / pi) of the SNR.
    assert (hit["channel"], hit["steps"], hit["width"]) == (40, 0, 1)
    assert hit["snr"] == pytest.approx(30 * np.sqrt(2 / np.pi), abs=3)


def test_threads_and_chunks_change_nothing():
    header = make_header(4096, 1024, tsamp_s=0.3)
    truth = [(500, 30, 20.0), (2000, -90, 40.0), (3900, 0, 25.0)]
    power = simulate(Scene(header, tuple(tone(header, *one) for one in truth)))
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(4) as four:
        hits = search(power.copy(), header, one).hits
        assert len(hits) == 3
        np.testing.assert_array_equal(search(power.copy(), header, four).hits, hits)
        parts = [search(power, header, four, chunk=chunk) for chunk in chunk_plan(header, [0, 2048, 4096])]
    assert rows(parts[0]) + rows(parts[1]) == [(h["channel"], h["steps"], h["width"]) for h in hits]
