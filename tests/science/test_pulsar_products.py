"""Pulsar products, 832 channels of 4 MHz each 0.5 ms, are searched, but nothing in them is narrow or a candidate."""

import numpy as np
import pytest

from science.measure.search import search
from science.simulator import make_header
from services.classify.classification import classify_observation
from services.classify.model import load_model
from services.classify.selection import candidates
from shared.events import SearchParameters
from shared.labels import BROADBAND, NOISE, RFI

N_SPECTRA, N_CHANNELS = 2048, 832
# MHz; part of the time that a service transmits, in bursts of 20 ms. Narrow ones are 1 to 4 channels wide.
SERVICES = (
    *((742, 746, 0.4), (758, 788, 1.0), (870, 890, 0.6), (935, 960, 0.8), (1030, 1034, 0.1), (1230, 1246, 1.0)),
    *((1540, 1544, 1.0), (1616, 1624, 0.3), (1805, 1880, 0.5), (2110, 2170, 0.9), (2300, 2316, 0.3), (2620, 2690, 0.7)),
    *((2850, 2858, 0.2), (3400, 3416, 0.9)),
)


def telescope_power(header, rng):
    """Return gamma noise under a rippled bandpass, with services on and off: float32 (T, channels)."""
    power = rng.gamma(8.0, 1 / 8, (N_SPECTRA, N_CHANNELS)) * (1 + 0.3 * np.sin(np.arange(N_CHANNELS) / 40))
    mhz = header.fch1_mhz + header.foff_mhz * np.arange(N_CHANNELS)
    for low, high, duty in SERVICES:
        own = np.flatnonzero((mhz >= low) & (mhz < high))
        is_on = np.repeat(rng.random(-(-N_SPECTRA // 40)) < duty, 40)[:N_SPECTRA, None]
        power[:, own] += is_on * rng.gamma(2.0, 0.3, (N_SPECTRA, len(own)))
    return power


def quantised(power, bits):
    """Return what a digitiser of 1, 2 or 8 bits keeps."""
    level, step = {1: (0.5, 0.6), 2: (1.5, 0.35), 8: (100.0, 0.012)}[bits]
    return np.clip(np.rint((power - 1) / step + level), 0, 2**bits - 1).astype(np.float32)


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_phone_bands_are_broadband_and_nothing_is_a_candidate(pool, bits):
    header = make_header(
        N_CHANNELS, N_SPECTRA, n_bits=bits, fch1_mhz=4032.0, foff_mhz=-4.0, tsamp_s=5e-4, telescope_id=4
    )
    power = quantised(telescope_power(header, np.random.default_rng(bits)), bits)
    hits = classify_observation(header, SearchParameters(), [search(power, header, pool)], load_model())
    assert len(hits) >= 5
    assert {hit.verdict.label for hit in hits} <= RFI | {BROADBAND, NOISE}
    assert {hit.verdict.shape for hit in hits} <= {BROADBAND, NOISE}
    assert candidates(hits) == []
