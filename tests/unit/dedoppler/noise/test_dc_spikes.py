"""Channels that hold a DC spike."""

from science.simulator import make_header
from services.dedoppler.noise.dc_spikes import dc_channels


def test_dc_channels():
    header = make_header(400, coarse_channel_width=100, has_dc_spike=True)
    assert dc_channels(header, 0, 400).tolist() == [50, 150, 250, 350]
    assert dc_channels(header, 150, 350).tolist() == [150, 250]
    assert dc_channels(header, 151, 250).tolist() == []
    assert dc_channels(make_header(400, coarse_channel_width=100), 0, 400).tolist() == []
    assert dc_channels(make_header(400, has_dc_spike=True), 0, 400).tolist() == []
