"""How far the wings of a strong tone reach."""

import numpy as np
import pytest

from services.dedoppler.search.leakage import leakage_channels


def wing(snr, width, distance):
    """Best statistic of boxes of up to `distance` channels that begin `distance` channels beside a tone.

    A tone of total statistic `snr` over `width` channels has sqrt(width) * snr in units of one channel, of which
    1 / (2 pi^2 d (d + width)) leaks into each channel at distance d.
    """
    d = distance + np.arange(max(1, distance))
    leaked = np.cumsum(snr * np.sqrt(width) / (2 * np.pi**2 * d * (d + width)))
    return float((leaked / np.sqrt(np.arange(1, len(d) + 1))).max())


@pytest.mark.parametrize("width", [1, 2, 5, 12, 26, 100])
@pytest.mark.parametrize("snr", [15.0, 100.0, 1e3, 1e4, 1e5])
def test_wings_beyond_the_leakage_are_far_below_the_threshold(snr, width):
    reach = leakage_channels(snr, width, 10.0)
    assert wing(snr, width, reach + 1) < 6.0


@pytest.mark.parametrize("width", [1, 2, 5, 12, 26, 100])
@pytest.mark.parametrize("snr", [15.0, 100.0, 1e3, 1e4, 1e5])
def test_no_more_is_blanked_than_the_wings_need(snr, width):
    """Half-way to the blanked reach a wing has a quarter of the threshold, unless the reach is but a few channels."""
    reach = leakage_channels(snr, width, 10.0)
    assert reach <= 6 or wing(snr, width, reach // 2) > 2.5


def test_leakage_grows_with_snr_and_is_bounded():
    for width in (1, 3, 30):
        reach = [leakage_channels(snr, width, 10.0) for snr in (1, 10, 1e2, 1e3, 1e4, 1e6, 1e9, 1e12)]
        assert reach == sorted(reach)
        assert reach[0] >= 1
        assert reach[-1] == 4096
