"""Voyager 1 as observed at Green Bank in 2016: a simulated twin, and real stamps of its five hits."""

from pathlib import Path

import numpy as np
import pytest

from science.measure.search import search
from science.simulator import Scene, make_header, simulate, voyager_1
from science.simulator.voyager import VOYAGER_MEAN, VOYAGER_N_CHANNELS, VOYAGER_SIGMA, VOYAGER_TONES

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

STAMPS = Path(__file__).parents[2].parent / "shared" / "data" / "voyager1_hits.npz"


@pytest.fixture(scope="module")
def twin(pool):
    """Return the hits of the simulated twin, 16 x 2^20, and the true signals."""
    scene, truth = voyager_1()
    return scene.header, search(simulate(scene), scene.header, pool), truth


def test_the_twin_has_five_hits_of_five(twin):
    header, found, truth = twin
    hits = found.hits
    assert len(hits) == 5
    assert found.warnings == []
    for hit, true in zip(hits, truth, strict=True):
        assert abs(hit["frequency_hz"] - true["frequency_hz"]) <= abs(header.foff_hz)
        # The middle of the tone is in the box: its channel is the first, or in the smear of 2.5 channels after it.
        assert 0 <= true["channel"] - hit["channel"] <= 2
        assert abs(hit["drift_rate_hz_s"] - true["drift_rate_hz_s"]) <= hit["drift_rate_error_hz_s"]
        assert hit["snr"] == pytest.approx(true["snr"], rel=0.05)
        assert hit["drift_rate_hz_s"] < 0


def test_the_twins_noise(twin):
    _, found, _ = twin
    assert found.noise.level == pytest.approx(VOYAGER_MEAN, rel=1e-3)
    assert found.noise.sigma == pytest.approx(VOYAGER_SIGMA, rel=5e-3)
    assert found.noise.lost_fraction == 0


def test_real_stamps(pool):
    """Set the five stamps (16 x 115 to 118, with the spacecraft's noise) into gamma noise of their mean and std.

    The table's radiometer SNRs are measured along single-channel paths. The lines are smeared over 2.5 channels, so
    boxes of 3 have up to sqrt(2) times as much, and up to twice is allowed. Between the two lines of a sideband, and
    outside them with soft flanks of a hundred channels, the stamps also hold the broad spectrum of the telemetry, up to
    7 sigma above the noise: it is one hit in either sideband, which drifts as the lines do.
    """
    if not STAMPS.exists():
        pytest.skip("the stamps of Voyager 1 (voyager1_hits.npz) are not beside this checkout")
    first, n_channels = 360 * 2048, 2**15
    full = make_header(VOYAGER_N_CHANNELS)
    header = make_header(n_channels, fch1_mhz=full.frequency_hz(first) / 1e6)
    scene = Scene(header, mean=VOYAGER_MEAN, averaged_spectra=(VOYAGER_MEAN / VOYAGER_SIGMA) ** 2)
    power = simulate(scene)
    with np.load(STAMPS) as stamps:
        for k in range(5):
            at = round((stamps[f"m{k}"][5] * 1e6 - header.frequency_hz(0)) / header.foff_hz)
            power[:, at : at + stamps[f"d{k}"].shape[1]] = stamps[f"d{k}"]
    hits = search(power, header, pool).hits
    narrow = hits[hits["width"] <= 4]
    assert len(narrow) == 5
    for hit, (channel, steps, snr) in zip(narrow, VOYAGER_TONES, strict=True):
        box = range(hit["channel"] + first - 1, hit["channel"] + hit["width"] + first + 1)
        assert channel in box
        assert abs(hit["frequency_hz"] - full.frequency_hz(channel)) <= 2 * abs(header.foff_hz)
        assert abs(hit["steps"] - steps) <= 2
        assert 0.95 * snr <= hit["snr"] <= 2 * snr
    broad = hits[hits["width"] > 4]
    lines = [channel for channel, _, snr in VOYAGER_TONES if snr < 1000]
    assert len(broad) == 2
    for hit, pair in zip(broad, (lines[:2], lines[2:]), strict=True):
        assert pair[0] < hit["channel"] + first < hit["channel"] + hit["width"] + first <= pair[1] + 1
        assert 80 <= hit["width"] <= pair[1] - pair[0]
        assert hit["steps"] == pytest.approx(38, abs=2)
