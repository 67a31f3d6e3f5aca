"""Which products suit a search for narrowband signals."""

import pytest

from science.simulator import make_header
from shared.narrowband import narrow_limit_hz, why_unsuited


@pytest.mark.parametrize("foff_mhz", [-2.79e-6, 1.4e-6, 60e-6, 2.86e-3, -3e-3])
def test_channels_of_up_to_3_khz_suit(foff_mhz):
    assert why_unsuited(make_header(256, foff_mhz=foff_mhz)) == ""


@pytest.mark.parametrize(("foff_mhz", "told"), [(-4.0, "4 MHz"), (0.366, "366 kHz"), (3.2e-3, "3.2 kHz")])
def test_wider_channels_do_not(foff_mhz, told):
    why = why_unsuited(make_header(832, foff_mhz=foff_mhz))
    assert why.startswith(f"The channels are {told} wide, too wide for narrowband signals (at most 3 kHz)")


def test_fewer_than_256_channels_do_not():
    assert why_unsuited(make_header(255)).startswith("The file holds 255 channels, too few")


@pytest.mark.parametrize(
    ("channel_hz", "limit_hz"), [(2.79, 500.0), (100.0, 500.0), (400.0, 1200.0), (3000.0, 9000.0), (4e6, 0.0)]
)
def test_narrow_is_500_hz_or_three_channels_and_nothing_on_wide_channels(channel_hz, limit_hz):
    assert narrow_limit_hz(channel_hz) == limit_hz
