"""Tones whose drift rate changes are followed, and found where a straight path holds too little of them."""

import numpy as np
import pytest

from science.measure.chirps import NUMBER, chirps
from science.measure.search import search
from science.simulator import Scene, make_header, simulate
from science.simulator.emissions import Emission
from services.classify.classification import classify_observation
from services.classify.model import load_model
from shared.events import SearchParameters
from shared.labels import CHIRP, NARROWBAND_DRIFTING


@pytest.mark.parametrize("n_spectra", [8, 16, 60])
def test_strong_chirps_are_one_hit_with_their_curvature(n_spectra, pool):
    rows = chirps(n_spectra, 60.0, 8.0, n_spectra, pool, search_chirps=False)
    assert np.all(rows["hits"] == 1)
    clear = rows[np.abs(rows["bend_channels"]) > 3.0]
    assert np.all(clear["curved"])
    pull = rows["curvature_pull"][rows["curved"]]
    assert np.mean(np.abs(pull) < 3) >= 0.97
    assert np.median(rows["snr_ratio"]) > 0.9
    assert np.min(rows["snr_ratio"]) > 0.7
    # On straight paths the strongest bends lose a third and more.
    assert np.min(rows["straight_ratio"]) < 0.67


@pytest.mark.parametrize("n_spectra", [16, 60])
def test_faint_chirps_are_found_if_they_are_searched(n_spectra, pool):
    """Take tones of SNR 13 with bends up to the bound of 4 channels."""
    searched = chirps(n_spectra, 13.0, 4.0, 5, pool, search_chirps=True)
    plain = chirps(n_spectra, 13.0, 4.0, 5, pool, search_chirps=False)
    assert np.sum(searched["hits"] == 1) >= 0.95 * NUMBER
    assert np.sum(searched["hits"] > 0) > np.sum(plain["hits"] > 0)


def test_noise_has_no_chirps(pool):
    header = make_header(2**19)
    assert len(search(simulate(Scene(header, seed=3)), header, pool, chirps=True).hits) == 0


@pytest.mark.parametrize("bend_channels", [2.0, 3.0])
def test_a_track_that_the_search_follows_along_a_parabola_is_no_candidate(pool, bend_channels):
    """In 256 spectra, the cut-out averages the bend away."""
    header = make_header(2**14, 256)
    span = 255 * header.tsamp_s
    time = (np.arange(257) - 0.5) * header.tsamp_s
    bend = 0.5 * (8 * bend_channels * abs(header.foff_hz) / span**2) * time * (time - span)
    emission = Emission(header.frequency_hz(8000) + 0.0133 * time + bend, 60.0)
    found = search(simulate(Scene(header, seed=3, emissions=(emission,))), header, pool)
    (hit,) = classify_observation(header, SearchParameters(), [found], load_model())
    assert hit.values["curved_snr"] > 1.2 * hit.values["snr"]
    assert hit.verdict.label in {NARROWBAND_DRIFTING, CHIRP}
