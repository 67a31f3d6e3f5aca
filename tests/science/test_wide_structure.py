"""Structure wider than any box: modulated carriers, notches, roll-offs and real telemetry make no false hits."""

import numpy as np
import pytest

from science.measure.search import search, tone
from science.simulator import Scene, make_header, simulate
from science.simulator.emissions import Emission, straight_track
from science.simulator.scene import pfb_bandpass
from services.classify.classification import classify_observation
from services.classify.model import load_model
from shared.events import SearchParameters

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

N = 2**17
MIDDLE, WIDTH_HZ, DRIFT = 2**16, 20e3, -0.38


def modulated_carrier(header, snr, profile="box", self_noise=0.0):
    track = straight_track(header, header.frequency_hz(MIDDLE), DRIFT)
    return Emission(track, snr, profile, WIDTH_HZ, self_noise=self_noise, seed=3)


@pytest.mark.parametrize(("snr", "profile"), [(300.0, "box"), (1000.0, "box"), (3000.0, "box"), (3000.0, "gaussian")])
def test_a_modulated_carrier_of_20_khz_is_one_hit_and_the_tone_in_its_middle_another(pool, snr, profile):
    """Without noise of its own, the emission leaves the tone its SNR of 500 to 5 %."""
    header = make_header(N)
    steps = DRIFT / header.drift_rate_hz_s(1)
    scene = Scene(
        header, (tone(header, MIDDLE + 18, steps, 500.0),), emissions=(modulated_carrier(header, snr, profile),)
    )
    found = search(simulate(scene), header, pool)
    wide, line = found.hits
    assert wide["bandwidth_hz"] == pytest.approx(WIDTH_HZ, rel=0.02 if profile == "box" else 0.15)
    assert abs(wide["drift_rate_hz_s"] - DRIFT) <= 3 * wide["drift_rate_error_hz_s"] < 0.2
    assert wide["frequency_hz"] == pytest.approx(header.frequency_hz(MIDDLE), abs=100 if profile == "box" else 1500)
    assert wide["snr"] == pytest.approx(snr, rel=0.05 if profile == "box" else 0.12)
    assert (line["steps"], line["width"]) == (pytest.approx(steps, abs=1), 3)
    assert line["snr"] == pytest.approx(500, rel=0.05)
    labels = [hit.verdict.label for hit in classify_observation(header, SearchParameters(), [found], load_model())]
    assert labels == ["BROADBAND", "CANDIDATE_ET"]


@pytest.mark.parametrize("snr", [300.0, 1000.0])
@pytest.mark.parametrize(
    ("spectra", "channels"),
    [
        (slice(None), slice(1000, 1500)),
        (slice(None), slice(-3700, -3400)),
        (slice(None), slice(3300, 3800)),
        (slice(4, 9), slice(-6000, 2000)),
        (slice(2), slice(-MIDDLE, MIDDLE)),
    ],
    ids=["inside", "at its left edge", "at its right edge", "of some spectra", "of all channels"],
)
def test_a_hole_in_an_emission(pool, snr, spectra, channels):
    """The emission and the tone in it are one hit each; SNRs are those of the samples that are left."""
    header = make_header(N)
    line = tone(header, MIDDLE + 18, DRIFT / header.drift_rate_hz_s(1), 500.0)
    power = simulate(Scene(header, (line,), emissions=(modulated_carrier(header, snr),)))
    hole = spectra, slice(MIDDLE + channels.start, MIDDLE + channels.stop)
    power[hole] = 0.0
    lost = 1 - np.count_nonzero(power[:, MIDDLE - 3579 : MIDDLE + 3579]) / (16 * 7158)
    wide, found_line = search(power, header, pool).hits
    assert wide["bandwidth_hz"] == pytest.approx(WIDTH_HZ, rel=0.05)
    assert abs(wide["drift_rate_hz_s"] - DRIFT) <= 4 * wide["drift_rate_error_hz_s"]
    assert wide["snr"] == pytest.approx(snr * np.sqrt(1 - lost), rel=0.04)
    assert found_line["snr"] == pytest.approx(500 * np.sqrt(1 - (len(power[hole]) / 16 if lost > 0.1 else 0)), rel=0.06)


def test_the_pulses_of_a_wide_emission_are_no_noise(pool):
    """A Lorentzian line of 370 channels in three pulses: its core keeps two thirds of the SNR in a box of 256."""
    header = make_header(2**15)
    channel, peak = np.arange(2**15), 8.0
    profile = (peak / (1 + ((channel - 16_000) / 185) ** 2)).astype(np.float32)
    profile[np.abs(channel - 16_000) > 2000] = 0
    envelope = np.exp(-0.5 * ((np.arange(16) % 6 - 2) / 1.0) ** 2).astype(np.float32)
    scene = Scene(header, seed=3)
    power = simulate(scene) + np.float32(scene.sigma) * envelope[:, None] * profile
    in_box = float(envelope.sum() * profile[15_872:16_128].sum() / np.sqrt(16 * 256))
    found = search(power, header, pool)
    assert float(found.hits["snr"].max()) > 0.65 * in_box


def test_a_tone_on_an_emission_with_noise_of_its_own_is_measured_against_that(pool):
    """The carrier adds 2.96 sigma of level and, as the mean of 51 spectra, 2.96 x 14 / sqrt(51) of noise."""
    header = make_header(N)
    steps = DRIFT / header.drift_rate_hz_s(1)
    carrier = modulated_carrier(header, 1000.0, self_noise=51.0)
    scene = Scene(header, (tone(header, MIDDLE + 18, steps, 500.0),), emissions=(carrier,))
    wide, line = search(simulate(scene), header, pool).hits
    added = 1000.0 / np.sqrt(16 * WIDTH_HZ / abs(header.foff_hz)) / np.sqrt(51)
    assert line["snr"] == pytest.approx(500 / np.hypot(1, added), rel=0.05)
    assert wide["snr"] == pytest.approx(1000, rel=0.05)


@pytest.mark.parametrize("soft", [200, 1000, 4000])
@pytest.mark.parametrize("shape", ["straight", "cosine"])
def test_a_notch_with_soft_flanks_gives_no_hits_and_hides_no_tone(pool, soft, shape):
    """Zeros in the notch, flanks of 200 to 4000 channels; tones beside it keep their SNR."""
    header = make_header(N)
    channel, low, high = np.arange(N), 40_000, 80_000
    part = np.clip(np.minimum(np.abs(channel - low), np.abs(channel - high)) / soft, 0, 1)
    gain = part if shape == "straight" else 0.5 - 0.5 * np.cos(np.pi * part)
    gain[low : high + 1] = 0.0
    tones = tone(header, low - soft - 400, 0, 40.0), tone(header, high + soft + 600, 37, 40.0)
    found = search(simulate(Scene(header, tones, bandpass=gain)), header, pool)
    assert list(found.hits["snr"]) == pytest.approx([40, 40], abs=5)


@pytest.mark.parametrize("n_spectra", [4, 16])
@pytest.mark.parametrize("width", [2**10, 2**12, 2**13])
@pytest.mark.parametrize(("depth", "edge"), [(0.5, 0.1), (0.9, 0.1), (0.95, 0.2)])
def test_the_passband_of_small_coarse_channels_is_no_emission(pool, n_spectra, width, depth, edge):
    header = make_header(2**15, n_spectra, coarse_channel_width=width, has_dc_spike=True)
    scene = Scene(
        header, (tone(header, 5 * width // 2 + 77, 20, 50.0),), bandpass=pfb_bandpass(2**15, width, depth, edge)
    )
    (hit,) = search(simulate(scene), header, pool).hits
    assert hit["snr"] == pytest.approx(50.0, rel=0.12)


@pytest.mark.parametrize("width", [2**14, 2**16, 2**17])
@pytest.mark.parametrize("depth", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("edge", [0.02, 0.06])
def test_a_steep_roll_off_of_coarse_channels_gives_no_hits(pool, width, depth, edge):
    """Narrow tones at rest and drifting, in the middle and 700 channels from the edge, are all that is found."""
    header = make_header(N, coarse_channel_width=width)
    truth = [(700, 0), (width // 2, 0), (width - 900, 37)]
    tones = tuple(tone(header, channel, steps, 50.0) for channel, steps in truth)
    found = search(simulate(Scene(header, tones, bandpass=pfb_bandpass(N, width, depth, edge))), header, pool)
    assert list(found.hits["channel"]) == pytest.approx([channel for channel, _ in truth], abs=2)
    assert list(found.hits["snr"]) == pytest.approx([50] * 3, rel=0.12)


@pytest.mark.parametrize(("n_spectra", "width", "edge"), [(16, 2**13, 0.2), (64, 2**12, 0.06), (64, 2**13, 0.2)])
def test_a_band_that_falls_to_a_hundredth_gives_no_hits(pool, n_spectra, width, edge):
    header = make_header(2**15, n_spectra, coarse_channel_width=width)
    scene = Scene(header, bandpass=pfb_bandpass(2**15, width, 0.99, edge), seed=7)
    assert len(search(simulate(scene), header, pool).hits) == 0


@pytest.mark.parametrize("n_bits", [1, 2, 4, 8])
@pytest.mark.parametrize(("n_spectra", "width"), [(8, 2**10), (16, 2**12), (64, 2**14)])
@pytest.mark.parametrize(("depth", "edge"), [(0.5, 0.06), (0.5, 0.2), (0.9, 0.2), (0.99, 0.06)])
def test_a_roll_off_in_samples_of_few_bits_gives_no_hits(pool, n_bits, n_spectra, width, depth, edge):
    """Towards the edges most samples become equal. One digitiser of 1 bit gave 44 hits in coarse channels of 4096."""
    mean, averaged = {1: (0.5, 5), 2: (1.5, 3), 4: (6.0, 5), 8: (60.0, 10)}[n_bits]
    header = make_header(2**15, n_spectra, coarse_channel_width=width, n_bits=n_bits)
    band = pfb_bandpass(2**15, width, depth, edge)
    power = simulate(Scene(header, mean=mean, averaged_spectra=averaged, bandpass=band))
    found = search(power, header, pool)
    assert len(found.hits) == 0


@pytest.mark.parametrize("n_bits", [1, 4])
def test_samples_of_few_bits_that_were_stored_as_float32_are_told_by_their_values(pool, n_bits):
    mean, averaged = {1: (0.5, 5), 4: (6.0, 5)}[n_bits]
    header = make_header(2**15, coarse_channel_width=2**12, n_bits=n_bits)
    band = pfb_bandpass(2**15, 2**12, 0.5, 0.2)
    power = simulate(Scene(header, mean=mean, averaged_spectra=averaged, bandpass=band)) * np.float32(0.37)
    assert len(search(power, make_header(2**15, coarse_channel_width=2**12), pool).hits) == 0


def test_the_code_lines_of_gps_read_their_own_snr(pool):
    """Lines of 100 Hz, 1 kHz apart, fill a quarter of the band: one hit each, SNR that of their best box (0.94)."""
    header = make_header(2**15)
    centre = header.frequency_hz(2**14)
    lines = tuple(
        Emission(straight_track(header, centre + 1e3 * k, -0.45), 90.0, "gaussian", 100.0) for k in range(-35, 36)
    )
    hits = search(simulate(Scene(header, emissions=lines)), header, pool).hits
    assert len(hits) == 71
    assert np.median(hits["snr"]) == pytest.approx(0.94 * 90, rel=0.05)


def test_tones_do_not_pass_for_structure(pool):
    """Strong and fast tones do not pass for structure."""
    header = make_header(N)
    scene = Scene(
        header, (tone(header, 60_000, 37, 30.0), tone(header, 62_000, -300, 300.0), tone(header, 64_000, 0, 40.0))
    )
    hits = search(simulate(scene), header, pool).hits
    assert list(hits["snr"]) == pytest.approx([30, 300, 40], rel=0.06)


@pytest.mark.parametrize("steps", [37, 150])
def test_a_straight_tone_that_leaves_a_carrier_80_times_as_strong_is_no_chirp(pool, steps):
    """It starts 6 channels from the carrier, whose wings hide its first spectra."""
    header = make_header(2**14)
    tones = tone(header, 8000, 0, 3200.0), tone(header, 8006, steps, 40.0)
    found = search(simulate(Scene(header, tones, seed=2)), header, pool)
    labels = [hit.verdict.label for hit in classify_observation(header, SearchParameters(), [found], load_model())]
    assert labels[0] == "NARROWBAND_STATIONARY"
    assert labels[1] in {"NARROWBAND_DRIFTING", "CANDIDATE_ET"}


@pytest.mark.parametrize("snr", [2e5, 1e6])
@pytest.mark.parametrize("steps", [0, 37, 300])
def test_the_wings_of_a_very_strong_tone_are_no_emission(pool, snr, steps):
    header = make_header(N)
    (hit,) = search(simulate(Scene(header, (tone(header, 60_000.37, steps, snr),), seed=3)), header, pool).hits
    assert hit["snr"] == pytest.approx(snr, rel=0.03)
