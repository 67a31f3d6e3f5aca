"""How an observation is cut into chunks."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.simulator import make_header
from services.ingest.chunk_plan import PLAIN_CHANNELS, is_within, overlap_channels, plan_observation
from shared.errors import PermanentError
from shared.event_fields import MAX_CHUNKS
from shared.events import SearchParameters
from shared.header import MAX_CHANNELS

MOST = 2**27
DEFAULT = SearchParameters()


def plan_chunks(header, parameters, *, max_chunk_samples):
    """All chunks of an observation's plan."""
    plan = plan_observation(header, parameters, max_chunk_samples=max_chunk_samples)
    return tuple(plan.chunk(index) for index in range(plan.count))


def check_plan(chunks, header, parameters, most):
    """What holds for every plan."""
    overlap = overlap_channels(header, parameters.max_drift_rate_hz_s)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert {chunk.count for chunk in chunks} == {len(chunks)}
    assert chunks[0].start_channel == 0
    assert chunks[-1].stop_channel == header.n_channels
    for before, after in pairwise(chunks):
        assert before.stop_channel == after.start_channel
    for chunk in chunks:
        assert chunk.start_channel < chunk.stop_channel
        assert chunk.read_start_channel == max(0, chunk.start_channel - overlap)
        assert chunk.read_stop_channel == min(header.n_channels, chunk.stop_channel + overlap)
        assert (chunk.read_stop_channel - chunk.read_start_channel) * header.n_spectra <= most


@given(
    n_channels=st.integers(1, 2**23),
    n_spectra=st.integers(2, 300),
    coarse=st.one_of(st.none(), st.sampled_from([64, 2**16, 2**18, 1_033_216, 2**20])),
    drift=st.sampled_from([0.0, 0.5, 4.0]),
    most=st.sampled_from([2**24, 2**27]),
)
def test_every_plan_tiles_the_band_within_the_bounds(n_channels, n_spectra, coarse, drift, most):
    if coarse is not None:
        n_channels = coarse * max(1, min(n_channels // coarse, 64))
    header = make_header(n_channels, n_spectra, coarse_channel_width=coarse)
    parameters = SearchParameters(max_drift_rate_hz_s=drift)
    overlap, readable = overlap_channels(header, drift), most // n_spectra
    if n_channels + 2 * overlap > readable and readable - 4 * overlap < max(1, overlap / 8):
        with pytest.raises(PermanentError, match="Lower max_drift_rate_hz_s"):
            plan_chunks(header, parameters, max_chunk_samples=most)
        return
    chunks = plan_chunks(header, parameters, max_chunk_samples=most)
    check_plan(chunks, header, parameters, most)
    assert chunks == plan_chunks(header, parameters, max_chunk_samples=most)
    plan = plan_observation(header, parameters, max_chunk_samples=most)
    assert is_within(plan, n_spectra, most)
    assert is_within(plan, n_spectra, 2 * most)
    # By the chunks themselves: none that is alone within the limit, and none of many that has its overlap twice.
    widest = max(chunk.stop_channel - chunk.start_channel for chunk in chunks)
    for other in (most // 2, most // 8):
        readable = other // n_spectra
        expected = n_channels + 2 * overlap <= readable or widest + 4 * overlap <= readable
        assert is_within(plan, n_spectra, other) is expected


def test_one_coarse_channel_is_one_chunk():
    header = make_header(2**20, coarse_channel_width=2**20)
    (chunk,) = plan_chunks(header, DEFAULT, max_chunk_samples=MOST)
    assert (chunk.read_start_channel, chunk.read_stop_channel) == (0, 2**20)


def test_a_node_of_64_coarse_channels_is_64_chunks_that_overlap_by_the_widest_path():
    header = make_header(64 * 2**20, coarse_channel_width=2**20)
    chunks = plan_chunks(header, DEFAULT, max_chunk_samples=MOST)
    assert len(chunks) == 64
    assert [chunk.start_channel for chunk in chunks] == [index * 2**20 for index in range(64)]
    assert chunks[1].start_channel - chunks[1].read_start_channel >= header.max_drift_steps(4.0)


def test_without_coarse_channels_chunks_have_2_to_the_20_channels():
    chunks = plan_chunks(make_header(3 * 2**20 + 2**19), DEFAULT, max_chunk_samples=MOST)
    assert [chunk.stop_channel - chunk.start_channel for chunk in chunks] == [PLAIN_CHANNELS] * 3 + [2**19]


def test_a_small_remainder_is_spread_over_the_chunks():
    chunks = plan_chunks(make_header(2 * 2**20 + 100), DEFAULT, max_chunk_samples=MOST)
    assert {chunk.stop_channel - chunk.start_channel for chunk in chunks} == {(2 * 2**20 + 100) // 3, 699084}


def test_a_long_observation_has_narrower_chunks():
    header = make_header(2**20, 1024, coarse_channel_width=2**20)
    parameters = SearchParameters(max_drift_rate_hz_s=0.5)
    chunks = plan_chunks(header, parameters, max_chunk_samples=MOST)
    assert len(chunks) > 8
    check_plan(chunks, header, parameters, MOST)


def test_a_drift_range_that_fits_no_chunk_says_what_to_lower():
    with pytest.raises(PermanentError, match=r"50\.0 Hz/s.*Lower max_drift_rate_hz_s") as caught:
        plan_chunks(make_header(2**20, 2048), SearchParameters(max_drift_rate_hz_s=50), max_chunk_samples=MOST)
    assert caught.value.code == "drift_range_too_wide"


def test_too_many_chunks_are_refused():
    header = make_header(MAX_CHANNELS)
    narrower_than = MAX_CHANNELS // MAX_CHUNKS
    with pytest.raises(PermanentError, match="Split the file") as caught:
        plan_chunks(header, DEFAULT, max_chunk_samples=header.n_spectra * narrower_than)
    assert caught.value.code == "too_many_chunks"


def test_narrow_coarse_channels_go_together_whole():
    header = make_header(512 * 1024 * 9, coarse_channel_width=1024)
    chunks = plan_chunks(header, DEFAULT, max_chunk_samples=MOST)
    assert [chunk.start_channel for chunk in chunks] == [index * 2**20 for index in range(5)]
    assert all(chunk.start_channel % 1024 == 0 for chunk in chunks)


def test_a_coarse_channel_that_is_too_wide_is_cut_into_equal_parts():
    header = make_header(2 * 2**20, 300, coarse_channel_width=2**20)
    chunks = plan_chunks(header, SearchParameters(max_drift_rate_hz_s=0.1), max_chunk_samples=MOST)
    check_plan(chunks, header, SearchParameters(max_drift_rate_hz_s=0.1), MOST)
    assert 2**20 in {chunk.start_channel for chunk in chunks}
    widths = {chunk.stop_channel - chunk.start_channel for chunk in chunks}
    assert max(widths) - min(widths) <= 1


def test_a_file_that_fits_whole_is_one_chunk_however_wide_its_paths():
    (chunk,) = plan_chunks(make_header(1000, 2048), SearchParameters(max_drift_rate_hz_s=50), max_chunk_samples=MOST)
    assert (chunk.read_start_channel, chunk.read_stop_channel) == (0, 1000)


def test_a_drift_range_wider_than_the_band_is_the_band():
    header = make_header(1000, 16, tsamp_s=1e7)
    assert header.max_drift_steps(4.0) == 1000
    (chunk,) = plan_chunks(header, DEFAULT, max_chunk_samples=MOST)
    assert (chunk.read_start_channel, chunk.read_stop_channel) == (0, 1000)


@pytest.mark.parametrize("coarse", [None, 64, 1000, 2**16, 2**18])
@pytest.mark.parametrize("packed", [1, 1000, 2**16, 3 * 2**16 + 1, 2**22])
def test_a_chunk_is_as_wide_as_the_storage_chunks_that_it_has_to_unpack(coarse, packed):
    header = make_header(2**22 // (coarse or 1) * (coarse or 1), 16, coarse_channel_width=coarse)
    plain = plan_observation(header, DEFAULT, max_chunk_samples=MOST)
    plan = plan_observation(header, DEFAULT, max_chunk_samples=MOST, packed_channels=packed)
    check_plan([plan.chunk(index) for index in range(plan.count)], header, DEFAULT, MOST)
    assert plan.stride_channels % (coarse or 1) == 0
    assert plan.stride_channels // plan.parts >= min(packed, header.n_channels)
    if packed <= plain.stride_channels // plain.parts:
        assert plan == plain
