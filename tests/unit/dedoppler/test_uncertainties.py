"""Standard errors of hits."""

import math

import pytest

from services.dedoppler.uncertainties import bandwidth_channels, errors_of, spectra_inside


def test_errors_fall_with_snr_to_what_the_grid_leaves():
    weak, strong, endless = (errors_of(snr, 4, 2.0) for snr in (10.0, 100.0, 1e12))
    assert weak.channel > strong.channel > endless.channel == pytest.approx(0.3)
    assert weak.steps > strong.steps > endless.steps == pytest.approx(0.5)
    assert weak.width > strong.width > endless.width == pytest.approx(0.4)
    assert weak.snr == pytest.approx(1.0, abs=0.01)
    assert endless.snr == pytest.approx(0.005e12, rel=1e-3)


def test_errors_grow_with_the_width():
    narrow, wide = errors_of(20.0, 1, 1.0), errors_of(20.0, 26, 1.0)
    assert wide.channel > narrow.channel
    assert wide.steps > narrow.steps
    assert wide.width > narrow.width


def test_errors_grow_with_an_emissions_own_bandwidth():
    tone, line = errors_of(20.0, 26, 1.0), errors_of(20.0, 26, 20.0)
    assert line.channel > 1.5 * tone.channel
    assert line.steps > 1.5 * tone.steps
    assert line.width > 1.5 * tone.width


@pytest.mark.parametrize("snr", [0.0, 0.5, 1.0])
def test_errors_are_finite_for_any_snr(snr):
    errors = errors_of(snr, 1, 1.0)
    assert errors.channel == pytest.approx(math.hypot(0.3, 2 * 3.55))


def test_bandwidth_is_the_width_less_the_smear():
    assert bandwidth_channels(27, 390, 16) == 1.0
    assert bandwidth_channels(40, -150, 16) == 30.0
    assert bandwidth_channels(1, 0, 2) == 1.0


@pytest.mark.parametrize(
    ("centre", "steps", "inside"),
    [
        (500.0, 0, 16),
        (500.0, 60, 16),
        (990.0, 150, 1),
        (980.0, 150, 2),
        (959.0, 150, 5),
        (9.0, -150, 1),
        (20.0, -150, 3),
    ],
)
def test_a_track_that_leaves_the_band_counts_the_spectra_inside(centre, steps, inside):
    """Check against a count of the spectra, one by one, in a band of 1000 channels."""
    counted = sum(-0.5 <= centre + steps * t / 15 <= 999.5 for t in range(16))
    assert spectra_inside(centre, steps, 16, 1000) == inside == counted
