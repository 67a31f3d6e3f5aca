"""The simulated Voyager 1 has the grid and the tones of the real one."""

import numpy as np
import pytest

from science.simulator import spectra, voyager_1

# Start MHz, channel, steps, Hz/s and radiometer SNR of the five hits in the file of 2016.
KNOWN = [
    (8419.319684152, 739820, 36, -0.367353, 121),
    (8419.319368433, 739933, 39, -0.397966, 126),
    (8419.297027867, 747929, 37, -0.377557, 1013),
    (8419.274692889, 755923, 38, -0.387762, 119),
    (8419.274374377, 756037, 39, -0.397966, 129),
]


def test_the_grid():
    scene, _ = voyager_1()
    header = scene.header
    assert (header.n_channels, header.n_spectra, header.n_bits) == (2**20, 16, 32)
    assert header.fch1_mhz == 8421.386717353016
    assert header.foff_mhz == -2.7939677238464355e-06
    assert (header.tsamp_s, header.tstart_mjd) == (18.253611008, 57650.78209490741)
    assert (header.ra_hours, header.dec_deg, header.telescope_id) == (17.167773333, 12.183, 6)
    assert (header.coarse_channel_width, header.has_dc_spike) == (2**20, True)


def test_the_truth_is_what_the_real_file_holds():
    scene, truth = voyager_1()
    assert len(truth) == len(scene.tones) == len(KNOWN)
    for row, tone, (start_mhz, channel, steps, drift, snr) in zip(truth, scene.tones, KNOWN, strict=True):
        assert (row["channel"], row["steps"], row["snr"]) == (channel, steps, snr)
        assert row["frequency_hz"] / 1e6 == pytest.approx(start_mhz, abs=1e-6)
        assert row["drift_rate_hz_s"] == pytest.approx(drift, abs=1e-6)
        assert (tone.frequency_hz, tone.drift_rate_hz_s, tone.snr) == (
            row["frequency_hz"],
            row["drift_rate_hz_s"],
            row["snr"],
        )


def test_noise_spike_and_tones_have_their_power():
    scene, truth = voyager_1()
    row = next(spectra(scene)).astype(np.float64)
    mean, sigma = 1.1057550e10, 1.1497335e9
    quiet = row[:500_000]
    assert quiet.mean() == pytest.approx(mean, rel=1e-3)
    assert quiet.std() == pytest.approx(sigma, rel=0.01)
    assert row.argmax() == 524_288
    assert row[524_288] == pytest.approx(31 * mean, rel=0.03)
    for hit in truth:
        near = row[hit["channel"] - 2 : hit["channel"] + 5]
        # A path sum of this SNR has this much in each spectrum, over about two channels.
        assert (near - mean).sum() / sigma > 0.5 * hit["snr"] / 4


def test_another_seed_changes_the_noise_alone():
    first, first_truth = voyager_1(seed=1)
    second, second_truth = voyager_1(seed=2)
    np.testing.assert_array_equal(first_truth, second_truth)
    assert first.tones == second.tones
    assert not np.array_equal(next(spectra(first)), next(spectra(second)))
