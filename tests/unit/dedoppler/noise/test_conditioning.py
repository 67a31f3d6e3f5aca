"""Lost, dead and unusual samples: the search uses the remaining ones, counts the lost ones and warns about them."""

import numpy as np
import pytest

from science.measure.search import rows, search, tone
from science.simulator import Scene, make_header, simulate
from shared.hits import Gap

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

N = 2**14
STEPS = -37


@pytest.fixture(scope="module")
def header():
    return make_header(N)


@pytest.fixture(scope="module")
def clean(header):
    return simulate(Scene(header, (tone(header, 6000, STEPS, 40.0),)))


@pytest.fixture
def power(clean):
    return clean.copy()


def check_one_hit(found, snr=40.0):
    """The tone and nothing else; SNR to 3, that is three sigma."""
    (hit,) = found.hits
    assert abs(hit["channel"] - 6000) <= 2
    assert abs(hit["steps"] - STEPS) <= 2
    assert hit["snr"] == pytest.approx(snr, abs=3)
    assert np.isfinite(hit["snr_turboseti"])
    assert np.isfinite(found.waterfall).all()
    assert all(np.isfinite(cutout.power).all() for cutout in found.cutouts)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 77.0])
def test_a_lost_spectrum(power, header, pool, value):
    """Dropped, or stuck at one value: SNR is that of the other 15 spectra."""
    power[3] = value
    found = search(power, header, pool)
    check_one_hit(found, 40.0 * np.sqrt(15 / 16))
    assert found.noise.lost_fraction == pytest.approx(1 / 16)
    assert found.noise.dead_channels == 0
    assert found.noise.gaps == (Gap(0, N, 3, 4, N),)
    assert found.warnings == []


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_half_of_the_spectra_are_lost(power, header, pool, value):
    power[::2] = value
    found = search(power, header, pool)
    check_one_hit(found, 40.0 * np.sqrt(1 / 2))
    assert found.noise.lost_fraction == pytest.approx(1 / 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 500.0, 100.0])
def test_dead_channels(power, header, pool, value):
    """Stuck above, at or below the level, or never there."""
    power[:, 9000:9020] = value
    found = search(power, header, pool)
    check_one_hit(found)
    assert found.noise.dead_channels == 20
    assert found.noise.lost_fraction == pytest.approx(20 / N)
    assert found.noise.gaps == (Gap(9000, 9020, 0, 16, 320),)


@pytest.mark.parametrize("lost", [np.nan, 0.0])
@pytest.mark.parametrize("spectra", [[3], [0], [0, 1], [2, 7, 15]])
def test_dead_channels_and_lost_spectra_at_once(power, header, pool, lost, spectra):
    """Channels that are stuck in all spectra that there are give no hit."""
    power[:, 9000:9020] = 500.0
    power[spectra] = lost
    found = search(power, header, pool)
    check_one_hit(found, 40.0 * np.sqrt((16 - len(spectra)) / 16))
    assert found.noise.dead_channels == 20


@pytest.mark.parametrize("value", [np.nan, 0.0, 3.0])
def test_a_lost_quarter_of_the_band(power, header, pool, value):
    power[:, 8192:12288] = value
    found = search(power, header, pool)
    check_one_hit(found)
    assert found.noise.lost_fraction == pytest.approx(1 / 4)
    assert found.noise.dead_channels == 4096


@pytest.mark.parametrize("value", [np.nan, 0.0, 50.0])
def test_lost_packets(power, header, pool, value):
    """Some spectra of some channels, as a lost packet leaves them."""
    power[5, 2048:4096] = value
    power[9:12, 10_000:10_500] = value
    found = search(power, header, pool)
    check_one_hit(found)
    assert found.noise.lost_fraction == pytest.approx((2048 + 1500) / power.size)
    assert found.noise.gaps == (Gap(2048, 4096, 5, 6, 2048), Gap(10_000, 10_500, 9, 12, 1500))
    assert found.noise.lost_elsewhere == 0


def test_single_samples_that_are_lost(power, header, pool):
    """One in a hundred."""
    gone = np.random.default_rng(1).random(power.shape) < 0.01
    power[gone] = np.nan
    found = search(power, header, pool)
    check_one_hit(found)
    assert found.noise.lost_fraction == pytest.approx(gone.mean())
    assert found.noise.lost_elsewhere + sum(gap.samples for gap in found.noise.gaps) == gone.sum()


def test_few_lost_samples_are_counted(power, header, pool):
    power[4, 100:110] = np.nan
    found = search(power, header, pool)
    assert found.noise.lost_fraction == pytest.approx(10 / power.size)
    assert found.noise.gaps == (Gap(100, 110, 4, 5, 10),)


def test_the_largest_numbers_of_float32(power, header, pool):
    power[5, 100], power[6, 200], power[7, 300] = 3.4e38, -3.4e38, 1e30
    found = search(power, header, pool)
    check_one_hit(found)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 5.0])
@pytest.mark.parametrize("n_channels", [1, 100, 8192])
def test_nothing_but_lost_samples(pool, value, n_channels):
    header = make_header(n_channels)
    found = search(np.full((16, n_channels), value, np.float32), header, pool)
    assert len(found.hits) == 0
    assert found.cutouts == []
    assert found.noise.lost_fraction == 1.0
    assert found.noise.gaps == (Gap(0, n_channels, 0, 16, 16 * n_channels),)
    assert not found.waterfall.any()
    assert len(found.to_bytes()) > 0


@pytest.mark.parametrize("n_spectra", [2, 3])
def test_a_lost_spectrum_of_two_or_three(pool, n_spectra):
    """The others go on; no channel is dead for having but one sample."""
    header = make_header(2**13, n_spectra)
    power = simulate(Scene(header, (tone(header, 3000, 0, 60.0),)))
    power[1] = np.nan
    found = search(power, header, pool)
    assert found.noise.dead_channels == 0
    assert found.noise.lost_fraction == pytest.approx(1 / n_spectra)
    (hit,) = found.hits
    assert abs(hit["channel"] - 3000) <= 2
    assert hit["snr"] == pytest.approx(60.0 * np.sqrt((n_spectra - 1) / n_spectra), abs=4)


def test_power_less_its_mean_keeps_its_zeros(header, clean, pool):
    """Where the level is about zero, a sample of zero is a sample."""
    power = np.rint(clean - 100.0).astype(np.float32)
    found = search(power, header, pool)
    check_one_hit(found)
    assert np.mean(power == 0) > 0.02
    assert found.noise.lost_fraction == 0


def test_a_gain_that_changes_from_spectrum_to_spectrum(power, header, pool):
    """Automatic gain: no hits from it, and the SNR is that of a steady receiver."""
    power *= np.linspace(0.8, 1.2, 16, dtype=np.float32)[:, None]
    check_one_hit(search(power, header, pool))


def test_broadband_pulses_give_no_hits(power, header, pool):
    power[4] += 500.0
    power[11] *= 3.0
    found = search(power, header, pool)
    assert [channel for channel, _, _ in rows(found)] == pytest.approx([6000], abs=2)


def test_one_very_bright_sample_is_at_most_one_hit(power, header, pool):
    """A cosmic ray of 100 sigma in one spectrum is a statistic of 25 along every path through it."""
    power[7, 9000] += 1400.0
    found = search(power, header, pool)
    assert len(found.hits) == 2
    assert found.hits["snr"][1] == pytest.approx(25, abs=4)
