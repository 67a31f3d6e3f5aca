"""The rules for the width of coarse channels."""

import pytest

from shared.filterbank.header.coarse import coarse_channel_width

GREEN_BANK, PARKES, ATA = 6, 4, 9


@pytest.mark.parametrize(
    ("declared", "telescope_id", "n_channels", "channel_width_hz", "width"),
    [
        (0, GREEN_BANK, 64 * 1048576, 2.79, 1048576),
        (0, GREEN_BANK, 308 * 1033216, -2.84, 1033216),
        (0, GREEN_BANK, 999424, -2.93, 999424),
        (0, GREEN_BANK, 1000000, -2.79, None),
        (0, GREEN_BANK, 1048576, -2860.0, None),
        (0, ATA, 3 * 262144, 0.5, 262144),
        (0, ATA, 262143, 0.5, None),
        (0, PARKES, 64 * 1048576, -2.79, None),
        (1024, GREEN_BANK, 65536, -2860.0, 1024),
        (2**19, GREEN_BANK, 2**20, -2.79, 2**19),
    ],
)
def test_coarse_channels(declared, telescope_id, n_channels, channel_width_hz, width):
    found = coarse_channel_width(
        declared=declared, telescope_id=telescope_id, n_channels=n_channels, channel_width_hz=channel_width_hz
    )
    assert found == (width, None)


@pytest.mark.parametrize("declared", [-1, 1000, 2**21])
def test_an_nfpc_that_does_not_divide_the_band_is_left_out(declared):
    width, warning = coarse_channel_width(
        declared=declared, telescope_id=GREEN_BANK, n_channels=2**20, channel_width_hz=-2.79
    )
    assert width is None
    assert f"nfpc in the header is {declared}" in warning


@pytest.mark.parametrize("declared", [1, 2, 128])
def test_coarse_channels_too_narrow_to_measure_noise_in_are_left_out(declared):
    width, warning = coarse_channel_width(declared=declared, telescope_id=0, n_channels=2**16, channel_width_hz=2.8)
    assert width is None
    assert f"nfpc in the header is {declared}" in warning
