"""What a job costs, and what a tier refuses."""

from dataclasses import replace

import pytest

from science.simulator import make_header
from services.ingest.chunk_plan import plan_observation
from services.ingest.cost import (
    INDEX_S,
    REQUEST_S,
    SAMPLE_S,
    STORAGE_CHUNK_S,
    UNPACK_S_PER_BYTE,
    Cost,
    predict,
    requests,
    require_cost,
    require_size,
    search_factor,
)
from shared.averaging import searched_grid
from shared.errors import PermanentError
from shared.events import JobLimits, SearchParameters
from shared.filterbank import Storage, Unpacking

COARSE = 2**16
FREE = JobLimits(max_unpacked_bytes=100 * 2**20, max_processor_s=60)


def planned(header, storage, most=2**27):
    return plan_observation(
        header, SearchParameters(), max_chunk_samples=most, packed_channels=storage.packed_channels or 1
    )


def counted(header, storage, plan):
    """Count, one by one, the samples that all chunks read and the storage chunks that they visit."""
    samples = visits = 0
    for index in range(plan.count):
        chunk = plan.chunk(index)
        samples += header.n_spectra * (chunk.read_stop_channel - chunk.read_start_channel)
        columns = {
            channel // storage.chunk_shape[2] for channel in range(chunk.read_start_channel, chunk.read_stop_channel)
        }
        visits += len(columns) * len({spectrum // storage.chunk_shape[0] for spectrum in range(header.n_spectra)})
    return samples, visits


@pytest.mark.parametrize("shape", [(1, 1, COARSE), (16, 1, 1000), (5, 1, 4 * COARSE), (1, 2, 4 * COARSE)])
@pytest.mark.parametrize("unpacking", list(Unpacking))
def test_the_cost_is_that_of_every_chunk_counted_one_by_one(shape, unpacking):
    header = make_header(4 * COARSE, 16, coarse_channel_width=COARSE)
    n_bytes = header.n_channels * 16 * 4
    storage = Storage(n_bytes, shape, 4 * shape[0] * shape[1] * shape[2], unpacking, n_bytes)
    plan = planned(header, Storage(1), most=16 * 100_000)
    assert plan.count > 3
    samples, visits = counted(header, storage, plan)
    unpacked = visits * storage.chunk_bytes
    if unpacking is Unpacking.PARTS and shape[0] == 1:
        unpacked = min(unpacked, 4 * samples)
    cost = predict(header, SearchParameters(), storage, plan)
    assert cost.search_s == pytest.approx(samples * SAMPLE_S)
    in_file = -(-header.n_channels // shape[2]) * -(-16 // shape[0])
    looked_up = plan.count * in_file * INDEX_S + (visits + plan.count * (in_file // 32 + 1)) * REQUEST_S
    unpacking_s = visits * STORAGE_CHUNK_S[unpacking] + unpacked * UNPACK_S_PER_BYTE[unpacking]
    assert cost.unpack_s == pytest.approx(unpacking_s + looked_up)


def test_small_storage_chunks_are_fetched_together():
    """16,384 of them in 5 MB took 2.3 ms each. Of LZF and others, each is one more request to the child."""
    header = make_header(2**16, 16)
    storage = Storage(2**22, (1, 1, 64), 256, Unpacking.PARTS, 5 * 10**6)
    plan = planned(header, storage)
    assert predict(header, SearchParameters(), storage, plan).unpack_s < 1.5
    by_child = replace(storage, unpacking=Unpacking.CHILD)
    assert 16 < predict(header, SearchParameters(), by_child, plan).unpack_s < 18
    # Large ones have a request each, however small the file is.
    assert requests(replace(storage, chunk_bytes=2**16), visits=1000, reads=1, in_file=1000) == 1000 + 32


def test_many_small_storage_chunks_in_many_coarse_channels_are_refused():
    """Every chunk of the job looks through the whole index."""
    header = make_header(64 * 2**12, 16, coarse_channel_width=2**12)
    storage = Storage(2**26, (1, 1, 32), 128, Unpacking.NONE, 2**26)
    cost = predict(header, SearchParameters(), storage, planned(header, storage, most=2**16))
    with pytest.raises(PermanentError, match="'data' is stored in chunks of"):
        require_cost("tiny.h5", storage, cost, FREE)


def test_one_storage_chunk_of_all_coarse_channels_is_unpacked_once():
    header = make_header(64 * COARSE, 16, coarse_channel_width=COARSE)
    storage = Storage(2**28, (16, 1, 64 * COARSE), 2**28, Unpacking.WHOLE)
    plan = planned(header, storage)
    assert (plan.count, predict(header, SearchParameters(), storage, plan).times_unpacked) == (1, 1.0)
    # Without regard to storage chunks, as many times as there are coarse channels.
    assert predict(header, SearchParameters(), storage, planned(header, Storage(2**28))).times_unpacked == 64


def test_a_file_of_storage_chunks_too_wide_for_a_chunk_is_refused_with_a_better_shape():
    header = make_header(2**28, 16)
    storage = Storage(2**34, (1, 1, 2**28), 2**30, Unpacking.WHOLE)
    cost = predict(header, SearchParameters(), storage, planned(header, storage))
    assert cost.unpack_s > 10 * cost.search_s
    limits = JobLimits(max_unpacked_bytes=2**40, max_processor_s=2000)
    with pytest.raises(PermanentError) as caught:
        require_cost("wide.h5", storage, cost, limits)
    assert caught.value.code == "job_too_costly"
    assert caught.value.message == (
        f"The file 'wide.h5' can't be searched: that would take about {cost.total_s:.0f} s of processor time, and your "
        "tier allows 2000 s for a job. 'data' is stored in chunks of (1, 1, 268435456) samples, each of which would be "
        f"unpacked {cost.times_unpacked:.0f} times. Rewrite it with chunks of one spectrum and about 1048576 channels, "
        "or all channels if there are fewer (h5repack -l data:CHUNK=1x1x1048576)."
    )


def test_a_search_that_takes_too_long_is_refused_with_what_to_change():
    with pytest.raises(PermanentError, match=r"take about 61 s .* allows 60 s .* raise snr_threshold to 6 if"):
        require_cost("long.fil", Storage(1), Cost(61.0, 0.0, 0.0), FREE)
    require_cost("long.fil", Storage(1), Cost(59.0, 0.0, 0.0), FREE)


@pytest.mark.parametrize(
    ("n_spectra", "chosen", "measured_ns"),
    [
        (16, {}, 8),
        (16, {"snr_threshold": 5.5}, 34),
        (16, {"snr_threshold": 5.0}, 81),
        (64, {}, 25),
        (64, {"chirps": True}, 43),
        (64, {"snr_threshold": 5.5}, 110),
        (64, {"snr_threshold": 5.0}, 315),
        (256, {}, 133),
        (256, {"chirps": True}, 196),
        (256, {"snr_threshold": 5.0}, 980),
        (512, {}, 262),
        (512, {"snr_threshold": 5.5}, 568),
        (2048, {}, 250),
    ],
)
def test_the_prediction_covers_what_was_measured(n_spectra, chosen, measured_ns):
    # Noise, 2^22 to 2^24 samples on one thread, from raw power to hits, ns of processor time per sample.
    predicted_ns = 1e9 * SAMPLE_S * search_factor(n_spectra, SearchParameters(**chosen))
    assert measured_ns <= predicted_ns <= 6 * measured_ns


def test_averaged_spectra_are_read_but_not_searched():
    header = make_header(1024, 2**17, tsamp_s=1e-3)
    few = searched_grid(header, 4.0).n_spectra
    assert few < header.n_spectra / 50
    plan = planned(header, Storage(1))
    reads = [plan.chunk(index) for index in range(plan.count)]
    channels = sum(chunk.read_stop_channel - chunk.read_start_channel for chunk in reads)
    factor = search_factor(few, SearchParameters())
    expected = (header.n_spectra + (factor - 1) * few) * channels * SAMPLE_S
    assert predict(header, SearchParameters(), Storage(1), plan).search_s == pytest.approx(expected)


def test_a_search_of_many_spectra_with_a_low_threshold_is_refused():
    header = make_header(2**19, 256, n_bits=8)
    for threshold, is_refused in ((10.0, False), (5.0, True)):
        parameters = SearchParameters(snr_threshold=threshold)
        cost = predict(header, parameters, Storage(1), planned(header, Storage(1)))
        assert (cost.total_s > FREE.max_processor_s) == is_refused


@pytest.mark.parametrize("bits", [1, 8, 32])
def test_every_plain_file_of_a_tiers_size_is_within_its_processor_time(bits):
    header = make_header(FREE.max_unpacked_bytes * 8 // (bits * 16), 16)
    for drift in (4.0, 50.0):
        plan = plan_observation(header, SearchParameters(max_drift_rate_hz_s=drift), max_chunk_samples=2**27)
        require_cost("plain.fil", Storage(1), predict(header, SearchParameters(), Storage(1), plan), FREE)


def test_the_tiers_size_counts_the_unpacked_size():
    with pytest.raises(PermanentError) as caught:
        require_size("sparse.h5", Storage(2**30), FREE)
    assert caught.value.code == "file_too_large"
    assert caught.value.message == (
        "The file 'sparse.h5' can't be searched: its data unpack to 1024 MB, and your tier's limit of 100 MB for a "
        "file counts the unpacked size. Split it in frequency or time, or store fewer bits per sample."
    )
    require_size("small.h5", Storage(FREE.max_unpacked_bytes), FREE)
