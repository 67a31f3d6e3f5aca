"""Measures on the real stamps of Voyager 1's five tones, where they are at hand."""

from pathlib import Path

import numpy as np
import pytest

from services.classify.kernels.features import Track, measure

STAMPS = Path(__file__).parents[4] / "shared" / "data" / "voyager1_hits.npz"
# The observation's background per sample, and what the radiometer equation gives for each tone.
BACKGROUND_MEAN, BACKGROUND_STD = 1.1057550e10, 1.1497335e9
RADIOMETER_SNR = (121, 126, 1013, 119, 129)


@pytest.mark.skipif(not STAMPS.exists(), reason="the real stamps are not at hand")
@pytest.mark.parametrize("tone", range(5))
def test_voyager_tones_are_steady_straight_and_as_strong_as_known(tone):
    with np.load(STAMPS) as stamps:
        power, about = stamps[f"d{tone}"], stamps[f"m{tone}"]
    normalised = ((power - BACKGROUND_MEAN) / BACKGROUND_STD).astype(np.float32)
    track = Track(
        channel=int(about[1]), steps=int(about[2]), width=1, n_spectra=16, foff_hz=about[6] * 1e6, tsamp_s=about[8]
    )
    measured = measure(normalised, 0, 1, track)
    assert measured.path_snr == pytest.approx(RADIOMETER_SNR[tone], rel=0.02)
    assert measured.presence == 1.0
    assert measured.occupancy > 0.85
    assert measured.curvature_gain == 1.0
    assert measured.straightness_residual_channels < 1.0
    assert measured.edge_sharpness > 0.7
