"""Injection and recovery at threshold 10; see `recovery`. Long form: `python -m science.measure`."""

import numpy as np
import pytest

from science.measure.recovery import header_of, pulls, recover, recover_all, within_three
from science.measure.search import search
from science.simulator import Scene, make_header, simulate
from science.simulator.emissions import Emission, straight_track

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

# Each number of spectra with both signs of foff, and every number of bits.
GRIDS = [
    {"n_spectra": 15, "foff_sign": -1, "n_bits": 32},
    {"n_spectra": 15, "foff_sign": 1, "n_bits": 8},
    {"n_spectra": 16, "foff_sign": -1, "n_bits": 8},
    {"n_spectra": 16, "foff_sign": 1, "n_bits": 16},
    {"n_spectra": 17, "foff_sign": -1, "n_bits": 16},
    {"n_spectra": 17, "foff_sign": 1, "n_bits": 32},
    {"n_spectra": 32, "foff_sign": -1, "n_bits": 8},
    {"n_spectra": 32, "foff_sign": 1, "n_bits": 32},
    {"n_spectra": 60, "foff_sign": -1, "n_bits": 16},
    {"n_spectra": 60, "foff_sign": 1, "n_bits": 8},
]


@pytest.mark.parametrize(("snr", "share", "seed"), [(15.0, 0.99, 100), (12.5, 0.9, 200)])
def test_recovery_over_all_grids(pool, snr, share, seed):
    """Search for some 800 tones: drifts of 0, the range's ends and between, at chunk edges, both foff signs, T, bits.

    At a true SNR of 12.5, noise alone takes one in 160 below the threshold of 10.
    """
    rows, strangers = recover_all([header_of(**grid) for grid in GRIDS], snr, seed, pool)
    assert len(rows) > 700
    assert rows["found"].mean() >= share
    assert strangers == 0
    assert np.nanmedian(rows["snr_ratio"]) == pytest.approx(1.0, abs=0.05)
    assert within_three(rows, "frequency_pull") >= 0.99
    assert within_three(rows, "drift_pull") >= 0.99
    # The stated errors are not much too large either.
    assert 0.6 <= np.std(pulls(rows, "frequency_pull")) <= 1.2
    assert 0.6 <= np.std(pulls(rows, "drift_pull")) <= 1.2
    for part in (rows["drift_rate_hz_s"] == 0, np.abs(rows["drift_rate_hz_s"]) > 3.98):
        assert part.sum() > 80
        assert rows["found"][part].mean() >= share - 0.02


@pytest.mark.parametrize("snr", [25.0, 100.0, 1000.0])
def test_recovery_of_clear_tones(pool, snr):
    """Check that all are found. Closer together, strong drifting tones partly count as noise: 8 % of SNR at 1300."""
    rows, strangers = recover(header_of(n_channels=2**19), snr, 300, pool, gap=10_000)
    assert rows["found"].all()
    assert strangers == 0
    assert np.median(rows["snr_ratio"]) == pytest.approx(1.0, abs=0.05)
    # Out of some 40 tones.
    assert within_three(rows, "frequency_pull") >= 0.97
    assert within_three(rows, "drift_pull") >= 0.97


def test_the_stated_error_of_snr(pool):
    """Check that at SNR 25 the stated SNRs of 400 tones scatter by 1 about their median."""
    rows = np.concatenate([recover(header_of(), 25.0, seed, pool)[0] for seed in range(400, 404)])
    assert np.nanstd(rows["snr_ratio"] * 25.0) == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize(("width_hz", "snr"), [(30.0, 25.0), (100.0, 50.0), (300.0, 100.0)])
def test_stated_errors_of_broad_emissions(pool, width_hz, snr):
    """Check 40 Gaussian lines each, drifting up to 1.5 Hz/s: scatter near the stated errors, none beyond four."""
    header = make_header(2**17)
    rng = np.random.default_rng(int(width_hz))
    channels = np.arange(2500.0, header.n_channels - 2500, 3000)
    channels += rng.uniform(-200, 200, len(channels))
    drifts = rng.uniform(-1.5, 1.5, len(channels))
    lines = tuple(
        Emission(straight_track(header, header.frequency_hz(c), d), snr, profile="gaussian", width_hz=width_hz)
        for c, d in zip(channels, drifts, strict=True)
    )
    hits = search(simulate(Scene(header, emissions=lines, seed=11)), header, pool).hits
    # The strongest hit within a line's width. Its wings may be other hits.
    near = [np.flatnonzero(np.abs(hits["frequency_hz"] - header.frequency_hz(c)) <= width_hz + 15) for c in channels]
    best = hits[[some[np.argmax(hits["snr"][some])] for some in near]]
    frequency = (best["frequency_hz"] - header.frequency_hz(channels)) / best["frequency_error_hz"]
    drift = (best["drift_rate_hz_s"] - drifts) / best["drift_rate_error_hz_s"]
    for pull in (frequency, drift):
        assert 0.6 <= np.std(pull) <= 1.4
        assert np.abs(pull).max() <= 4
