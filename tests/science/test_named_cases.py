"""Cases in which such searches are known to lose signals: close pairs, file edges, coarse-channel edges."""

import numpy as np
import pytest

from science.measure.search import chunk_plan, search, tone
from science.simulator import Scene, make_header, simulate
from shared.hits import merge_hits

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

N_CHANNELS = 2**15


def is_at(hit, header, channel, steps, snr):
    """Check that a hit is within three of its own errors, and in SNR within four of the noise's or 10 %."""
    assert abs(hit["frequency_hz"] - header.frequency_hz(channel)) <= 3 * hit["frequency_error_hz"]
    assert abs(hit["drift_rate_hz_s"] - header.drift_rate_hz_s(steps)) <= 3 * hit["drift_rate_error_hz_s"]
    assert hit["snr"] == pytest.approx(snr, abs=4 + 0.1 * snr)


@pytest.mark.parametrize("foff_sign", [-1, 1])
@pytest.mark.parametrize("steps", [0, 37, -200])
def test_a_tone_of_15_twenty_channels_from_one_of_300(pool, steps, foff_sign):
    header = make_header(N_CHANNELS, foff_mhz=foff_sign * 2.7939677238464355e-06)
    tones = tone(header, 16_000, steps, 300.0), tone(header, 16_020, steps, 15.0)
    strong, faint = search(simulate(Scene(header, tones, seed=7)), header, pool).hits
    is_at(strong, header, 16_000, steps, 300.0)
    is_at(faint, header, 16_020, steps, 15.0)


def test_they_are_two_hits_even_where_their_smears_overlap(pool):
    """Check two tones at 4 Hz/s, each 27 channels wide. 20 channels of the faint one are left: its box is a bit off."""
    header = make_header(N_CHANNELS)
    tones = tone(header, 16_000, -390, 300.0), tone(header, 16_020, -390, 15.0)
    strong, faint = search(simulate(Scene(header, tones, seed=7)), header, pool).hits
    is_at(strong, header, 16_000, -390, 300.0)
    assert abs(faint["frequency_hz"] - header.frequency_hz(16_020)) <= 7 * abs(header.foff_hz)
    assert faint["steps"] == pytest.approx(-390, abs=7)


@pytest.mark.parametrize("snr", [20.0, 500.0])
@pytest.mark.parametrize("edge", ["first", "last"])
def test_a_tone_three_channels_from_an_edge_has_no_ghost_at_the_other(pool, edge, snr):
    header = make_header(N_CHANNELS)
    channel = 3 if edge == "first" else N_CHANNELS - 4
    (hit,) = search(simulate(Scene(header, (tone(header, channel, 0, snr),), seed=3)), header, pool).hits
    is_at(hit, header, channel, 0, snr)


@pytest.mark.parametrize("steps", [120, -120, 391, -391])
def test_a_tone_that_crosses_a_coarse_channel_edge_is_one_hit(pool, steps):
    """Check a tone that spends half of the time in each of two coarse channels, which are searched separately."""
    width = N_CHANNELS // 2
    header = make_header(N_CHANNELS, coarse_channel_width=width, has_dc_spike=True)
    start = width - steps / 2
    power = simulate(Scene(header, (tone(header, start, steps, 60.0),), seed=5))
    parts = [search(power, header, pool, chunk=chunk).hits for chunk in chunk_plan(header, [0, width, N_CHANNELS])]
    hits = np.concatenate(parts)
    (kept,) = merge_hits(hits, np.repeat([0, 1], [len(part) for part in parts]))
    assert len(hits) == 1
    is_at(hits[kept], header, start, steps, 60.0)
