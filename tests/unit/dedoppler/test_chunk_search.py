"""The search of one chunk as a whole, on small simulated observations.

Found SNRs scatter by 1 about the true one, and the best of many boxes is a little above it: 4 either way is allowed.
Beside that a tone spoils a part of the noise that it is measured by: 3 % of SNR for its wings, which matters at very
high SNR in so small a file, and the part of a block of 2048 channels that its box fills, one and a half times.
"""

import numpy as np
import pytest

from science.measure.search import rows, search, tone
from science.simulator import Scene, make_header, simulate
from science.simulator.scene import pfb_bandpass
from services.dedoppler.search import boxes as search_module
from services.dedoppler.waterfall import waterfall_shape
from shared.hits import HIT_DTYPE, ChunkHits

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

SNR_TOLERANCE = 4.0


def check(hit, header, channel, steps, snr, errors=3, raised=1.5):
    """A hit is where, as steep and as strong as its tone, within `errors` of its own errors (and a channel's grid).

    A tone raises the noise of its block: by `raised` times the part of the block that it fills.
    """
    width_hz = abs(header.foff_hz)
    true_hz, true_drift = header.frequency_hz(channel), header.drift_rate_hz_s(steps)
    assert abs(hit["frequency_hz"] - true_hz) <= 1.0 * width_hz + errors * hit["frequency_error_hz"]
    assert abs(hit["drift_rate_hz_s"] - true_drift) <= errors * hit["drift_rate_error_hz_s"]
    assert abs(hit["snr"] - snr) <= SNR_TOLERANCE + (0.03 + raised * hit["width"] / 2048) * snr


@pytest.mark.parametrize("steps", [0, 0.5, -1, 7.3, -15, 44, -100.6, 250, -391, 391])
@pytest.mark.parametrize("snr", [20.0, 200.0, 1e5])
def test_one_tone_is_one_hit(pool, steps, snr):
    header = make_header(2**13)
    found = search(simulate(Scene(header, (tone(header, 4000.3, steps, snr),))), header, pool)
    assert len(found.hits) == 1
    check(found.hits[0], header, 4000.3, steps, snr)
    assert found.warnings == []


@pytest.mark.parametrize("n_spectra", [2, 3, 15, 16, 17, 60])
def test_no_tone_no_hit(pool, n_spectra):
    header = make_header(2**14, n_spectra)
    found = search(simulate(Scene(header, seed=n_spectra)), header, pool)
    assert len(found.hits) == 0
    assert found.hits.dtype == HIT_DTYPE
    assert found.cutouts == []
    assert found.warnings == []


def test_a_steady_tone_has_drift_zero(pool):
    header = make_header(2**13)
    (hit,) = search(simulate(Scene(header, (tone(header, 4000, 0, 50.0),))), header, pool).hits
    assert (hit["channel"], hit["steps"], hit["width"]) == (4000, 0, 1)
    assert hit["drift_rate_hz_s"] == 0.0
    assert hit["frequency_hz"] == header.frequency_hz(4000)


@pytest.mark.parametrize("foff_sign", [-1, 1])
@pytest.mark.parametrize("drift", [-4.0, -0.4, 0.4, 4.0])
def test_drift_has_the_sign_of_the_sky(pool, foff_sign, drift):
    """Both ends of the range are found, whichever way the band runs."""
    header = make_header(2**13, foff_mhz=foff_sign * 2.7939677238464355e-06)
    steps = drift / header.drift_rate_hz_s(1)
    (hit,) = search(simulate(Scene(header, (tone(header, 4000, steps, 40.0),))), header, pool).hits
    assert hit["drift_rate_hz_s"] == pytest.approx(drift, abs=3 * hit["drift_rate_error_hz_s"])
    assert np.sign(hit["steps"]) == np.sign(drift) * foff_sign
    assert abs(hit["drift_rate_hz_s"]) <= 4.0
    check(hit, header, 4000, steps, 40.0)


@pytest.mark.parametrize("n_spectra", [2, 3, 15, 17, 60, 300])
def test_any_number_of_spectra(pool, n_spectra):
    """The same duration for any number of spectra."""
    header = make_header(2**13, n_spectra, tsamp_s=273.8 / (n_spectra - 1))
    truth = [(2000, -69, 30.0), (5000, 0, 30.0), (7000, -320, 40.0)]
    found = search(simulate(Scene(header, tuple(tone(header, *one) for one in truth))), header, pool)
    assert len(found.hits) == 3
    for hit, one in zip(found.hits, truth, strict=True):
        check(hit, header, *one)


@pytest.mark.parametrize("n_channels", [1, 2, 3, 16, 100, 257])
@pytest.mark.parametrize("n_spectra", [2, 3, 16])
def test_narrow_files(pool, n_channels, n_spectra):
    header = make_header(n_channels, n_spectra)
    found = search(simulate(Scene(header)), header, pool)
    assert len(found.hits) == 0
    assert found.waterfall.shape == (n_spectra, n_channels)
    assert np.isfinite(found.waterfall).all()


def test_a_tone_in_a_narrow_file(pool):
    header = make_header(256)
    (hit,) = search(simulate(Scene(header, (tone(header, 100, 30, 40.0),))), header, pool).hits
    assert (hit["channel"], hit["steps"]) == (pytest.approx(100, abs=1), pytest.approx(30, abs=1))


def test_drift_range_zero(pool):
    header = make_header(2**13)
    scene = Scene(header, (tone(header, 2000, 0, 30.0), tone(header, 6000, 200, 30.0)))
    found = search(simulate(scene), header, pool, max_drift=0.0)
    assert rows(found) == [(2000, 0, 1)]


def test_drift_range_of_fifty(pool):
    header = make_header(2**14)
    truth = [(6000, 0, 30.0), (9000, -4409, 30.0), (10000, 4890, 40.0)]
    scene = Scene(header, tuple(tone(header, *one) for one in truth))
    found = search(simulate(scene), header, pool, max_drift=50.0)
    assert len(found.hits) == 3
    for hit, one in zip(found.hits, truth, strict=True):
        # Boxes of 300 channels at SNR 30: errors have longer tails.
        check(hit, header, *one, errors=5)


@pytest.mark.parametrize(("n_bits", "mean", "averaged"), [(8, 100.0, 51), (8, 20.0, 51), (4, 7.0, 51)])
def test_few_bits(pool, n_bits, mean, averaged):
    """Rounding adds 1/12 to the variance: at most 5 % of SNR at these sigmas (14, 2.8, 0.98)."""
    header = make_header(2**14, n_bits=n_bits)
    scene = Scene(header, (tone(header, 6000, -69, 30.0),), mean=mean, averaged_spectra=averaged)
    found = search(simulate(scene), header, pool)
    assert len(found.hits) == 1
    check(found.hits[0], header, 6000, -69, 30.0)
    assert found.noise.dead_channels == 0
    assert found.noise.lost_fraction == 0


def test_one_bit_noise_gives_no_hits(pool):
    """Equal samples by chance, and samples of 0, are no faults there."""
    header = make_header(2**13, n_bits=1)
    power = (np.random.default_rng(1).random((16, 2**13)) > 0.5).astype(np.float32)
    found = search(power, header, pool)
    assert len(found.hits) == 0
    assert found.noise.lost_fraction == 0
    assert found.noise.dead_channels == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_faint_tone_twenty_channels_from_a_strong_one(pool, seed):
    header = make_header(2**13)
    for steps in (0, 37, -200):
        scene = Scene(header, (tone(header, 4000, steps, 300.0), tone(header, 4020, steps, 15.0)), seed=seed)
        found = search(simulate(scene), header, pool)
        assert len(found.hits) == 2
        check(found.hits[0], header, 4000, steps, 300.0)
        check(found.hits[1], header, 4020, steps, 15.0)


@pytest.mark.parametrize("separation", [-300, -80, 60, 250])
@pytest.mark.parametrize("steps", [(0, 150), (37, -300), (-200, 200)])
def test_tones_of_different_drifts_are_two_hits(pool, separation, steps):
    """Near each other, their tracks apart or crossing."""
    header = make_header(2**13)
    truth = sorted([(4000, steps[0], 100.0), (4000 + separation, steps[1], 40.0)])
    found = search(simulate(Scene(header, tuple(tone(header, *one) for one in truth))), header, pool)
    assert len(found.hits) == 2
    for hit, one in zip(found.hits, truth, strict=True):
        check(hit, header, one[0], one[1], one[2])


@pytest.mark.parametrize("steps", [37, 150, -390])
def test_a_very_strong_tone_hides_only_what_its_wings_cover(pool, steps):
    """At SNR 3000 its wings fall below half the threshold within 40 channels, however it drifts."""
    header = make_header(2**13)
    truth = [(3900, steps, 40.0), (4000, steps, 3000.0), (4100, steps, 40.0)]
    found = search(simulate(Scene(header, tuple(tone(header, *one) for one in truth))), header, pool)
    assert len(found.hits) == 3
    for hit, one in zip(found.hits, truth, strict=True):
        check(hit, header, *one, raised=1.8)


def test_dc_spikes_give_no_hits(pool):
    header = make_header(2**15, coarse_channel_width=2**13, has_dc_spike=True)
    power = simulate(Scene(header, dc_spike=30.0))
    assert power[:, 4096].min() > 20 * 100
    assert len(search(power, header, pool).hits) == 0
    told_nothing = header.model_copy(update={"has_dc_spike": False})
    assert [channel for channel, _, _ in rows(search(power, told_nothing, pool))] == [4096 + k * 8192 for k in range(4)]


def test_the_shape_of_the_band_gives_no_hits_and_does_not_change_snr(pool):
    """A gain that falls by half over 6 % of a coarse channel of 2^18 (ATA); SNR within 4 and 6 % of the true one.

    Coarse channels of 2^17 and fewer fall too steeply for blocks of 2048 channels.
    """
    n = 2**18
    header = make_header(n, coarse_channel_width=n, has_dc_spike=True)
    gain = pfb_bandpass(n, n)
    assert len(search(simulate(Scene(header, bandpass=gain)), header, pool).hits) == 0
    channels = [800, 3000, 8000, 15_000, 60_000, 140_000, 250_000, 259_000, 261_000]
    scene = Scene(header, tuple(tone(header, c, 30 * (-1) ** (c // 100), 50.0) for c in channels), bandpass=gain)
    found = search(simulate(scene), header, pool)
    assert len(found.hits) == len(channels)
    for hit, channel in zip(found.hits, channels, strict=True):
        assert abs(hit["channel"] - channel) <= 3
        assert abs(hit["snr"] - 50.0) <= SNR_TOLERANCE + 3.0


@pytest.mark.parametrize("sigmas", [0.5, 1.0, 10.0])
def test_a_broad_emission_is_few_hits(pool, sigmas):
    header = make_header(2**14)
    power = simulate(Scene(header))
    power[:, 9000:9200] += np.float32(sigmas * 14.0)
    hits = search(power, header, pool).hits
    assert len(hits) <= 3
    strongest = hits[np.argmax(hits["snr"])] if len(hits) else None
    # A tenth of the block's 2048 channels are lifted: at half a sigma the statistic is 25, seen by boxes of 24 as 9.
    if sigmas >= 1:
        assert abs(strongest["channel"] - 9000) <= 5
        assert abs(strongest["width"] - 200) <= 10
        assert abs(strongest["steps"]) <= 5


@pytest.mark.parametrize(("threshold", "hits"), [(10.0, 1), (150.0, 0)])
def test_an_emission_below_the_threshold_is_no_hit(pool, threshold, hits):
    """Of 1000 channels at 0.8 sigma: SNR 100."""
    header = make_header(2**15)
    power = simulate(Scene(header))
    power[:, 15_000:16_000] += np.float32(0.8 * 14.0)
    found = search(power, header, pool, snr_threshold=threshold)
    assert len(found.hits) == hits


def test_one_bright_spectrum_gives_no_hits(pool):
    header = make_header(2**13)
    power = simulate(Scene(header))
    power[7] *= 1.5
    found = search(power, header, pool)
    assert len(found.hits) == 0
    assert found.noise.largest_row_offset_sigma == pytest.approx(0.5 * 100 / 14, rel=0.1)


def test_many_strong_carriers(pool):
    """500 carriers of SNR 30 to 1000, 256 channels apart on average, drifting by up to 1 Hz/s, threshold 10."""
    header = make_header(2**17)
    rng = np.random.default_rng(7)
    channels = 500 + 256 * np.arange(500) + rng.uniform(-60, 60, 500)
    snrs, steps = 10 ** rng.uniform(1.5, 3, 500), rng.uniform(-98, 98, 500)
    scene = Scene(header, tuple(tone(header, *one) for one in zip(channels, steps, snrs, strict=True)))
    hits = search(simulate(scene), header, pool).hits
    assert 495 <= len(hits) <= 505
    middle = hits["channel"] + (hits["width"] - 1) / 2
    assert sum(np.abs(middle - channel).min() < 2 for channel in channels) >= 495


def test_more_signals_than_a_search_takes(pool, monkeypatch):
    monkeypatch.setattr(search_module, "MOST_BOXES", 5)
    header = make_header(2**14)
    snrs = np.linspace(30, 200, 12)
    scene = Scene(header, tuple(tone(header, 1000 + 1000 * i, 0, snr) for i, snr in enumerate(snrs)))
    found = search(simulate(scene), header, pool)
    assert rows(found) == [(8000 + 1000 * i, 0, 1) for i in range(5)]
    (warning,) = found.warnings
    assert "more signals" in warning


def test_snr_in_the_definition_of_turboseti(pool):
    """On flat noise that definition reads 1.267 times the true SNR: its spread leaves out the tails."""
    header = make_header(2**15)
    scene = Scene(header, tuple(tone(header, 2000 + 2500 * i, 7, 100.0) for i in range(12)))
    hits = search(simulate(scene), header, pool).hits
    assert len(hits) == 12
    assert (hits["width"] == 1).all()
    assert np.median(hits["snr_turboseti"] / hits["snr"]) == pytest.approx(1.267, rel=0.02)


def test_what_is_left_in_the_hits_object(pool):
    header = make_header(2**13)
    truth = [(1000, 37, 40.0), (5000, -391, 60.0), (8100, 90, 60.0)]
    found = search(simulate(Scene(header, tuple(tone(header, *one) for one in truth))), header, pool)
    assert len(found.hits) == len(found.cutouts) == 3
    for hit, cutout in zip(found.hits, found.cutouts, strict=True):
        low = hit["channel"] + min(hit["steps"], 0)
        high = hit["channel"] + max(hit["steps"], 0) + hit["width"]
        assert cutout.spectra_per_row == 1
        assert cutout.power.dtype == np.float32
        assert len(cutout.power) == 16
        assert max(0, low - 200) <= cutout.start_channel <= max(0, low - 32)
        assert min(8192, high + 32) <= cutout.start_channel + cutout.power.shape[1] <= min(8192, high + 200)
        # The cut-out holds the path: its statistic is the hit's.
        offsets = np.rint(hit["steps"] * np.arange(16) / 15).astype(int) + hit["channel"] - cutout.start_channel
        boxes = [cutout.power[t, o : o + hit["width"]].sum() for t, o in enumerate(offsets)]
        assert sum(boxes) / np.sqrt(16 * hit["width"]) == pytest.approx(hit["snr"], rel=1e-4)
    assert found.waterfall.shape == waterfall_shape(16, 8192, 1)
    assert found.waterfall.max() > 5
    assert found.noise.sigma == pytest.approx(100 / np.sqrt(51), rel=0.02)
    assert found.noise.level == pytest.approx(100, rel=0.005)
    again = ChunkHits.from_bytes(found.to_bytes())
    np.testing.assert_array_equal(again.hits, found.hits)


def test_cutouts_of_long_observations_are_averaged(pool):
    header = make_header(2**12, 300, tsamp_s=0.9)
    found = search(simulate(Scene(header, (tone(header, 2000, 37, 60.0),))), header, pool)
    (cutout,) = found.cutouts
    assert cutout.spectra_per_row == 5
    assert len(cutout.power) == 60
    at = int(found.hits["channel"][0]) - cutout.start_channel
    # Averages of 5 keep the mean: the tone has 60 sqrt(300) / 300 per spectrum.
    assert cutout.power[0, at : at + 2].max() == pytest.approx(60 / np.sqrt(300), abs=3 / np.sqrt(5))


def test_hits_are_in_order_of_channel_and_drift(pool):
    header = make_header(2**14)
    rng = np.random.default_rng(3)
    places = zip(rng.uniform(500, 15_900, 20), rng.uniform(-300, 300, 20), strict=True)
    scene = Scene(header, tuple(tone(header, channel, steps, 50.0) for channel, steps in places))
    found = rows(search(simulate(scene), header, pool))
    assert len(found) >= 19
    assert found == sorted(found)
