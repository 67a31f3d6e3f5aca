"""What a job costs, and what a tier refuses."""

import pytest

from science.simulator import make_header
from services.ingest.chunk_plan import plan_observation
from services.ingest.cost import (
    SAMPLE_S,
    STORAGE_CHUNK_S,
    UNPACK_S_PER_BYTE,
    Cost,
    predict,
    require_cost,
    require_size,
)
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
    storage = Storage(header.n_channels * 16 * 4, shape, 4 * shape[0] * shape[1] * shape[2], unpacking)
    plan = planned(header, Storage(1), most=16 * 100_000)
    assert plan.count > 3
    samples, visits = counted(header, storage, plan)
    unpacked = visits * storage.chunk_bytes
    if unpacking is Unpacking.PARTS and shape[0] == 1:
        unpacked = min(unpacked, 4 * samples)
    cost = predict(header, storage, plan)
    assert cost.search_s == pytest.approx(samples * SAMPLE_S)
    assert cost.unpack_s == pytest.approx(visits * STORAGE_CHUNK_S + unpacked * UNPACK_S_PER_BYTE[unpacking])


def test_one_storage_chunk_of_all_coarse_channels_is_unpacked_once():
    header = make_header(64 * COARSE, 16, coarse_channel_width=COARSE)
    storage = Storage(2**28, (16, 1, 64 * COARSE), 2**28, Unpacking.WHOLE)
    plan = planned(header, storage)
    assert (plan.count, predict(header, storage, plan).times_unpacked) == (1, 1.0)
    # Without regard to storage chunks, as many times as there are coarse channels.
    assert predict(header, storage, planned(header, Storage(2**28))).times_unpacked == 64


def test_a_file_of_storage_chunks_too_wide_for_a_chunk_is_refused_with_a_better_shape():
    header = make_header(2**28, 16)
    storage = Storage(2**34, (1, 1, 2**28), 2**30, Unpacking.WHOLE)
    cost = predict(header, storage, planned(header, storage))
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
    with pytest.raises(PermanentError, match=r"take about 61 s .* allows 60 s .* Lower max_drift_rate_hz_s, or split"):
        require_cost("long.fil", Storage(1), Cost(61.0, 0.0, 0.0), FREE)
    require_cost("long.fil", Storage(1), Cost(59.0, 0.0, 0.0), FREE)


@pytest.mark.parametrize("bits", [1, 8, 32])
def test_every_plain_file_of_a_tiers_size_is_within_its_processor_time(bits):
    header = make_header(FREE.max_unpacked_bytes * 8 // (bits * 16), 16)
    for drift in (4.0, 50.0):
        plan = plan_observation(header, SearchParameters(max_drift_rate_hz_s=drift), max_chunk_samples=2**27)
        require_cost("plain.fil", Storage(1), predict(header, Storage(1), plan), FREE)


def test_the_tiers_size_counts_the_unpacked_size():
    with pytest.raises(PermanentError) as caught:
        require_size("sparse.h5", Storage(2**30), FREE)
    assert caught.value.code == "file_too_large"
    assert caught.value.message == (
        "The file 'sparse.h5' can't be searched: its data unpack to 1024 MB, and your tier's limit of 100 MB for a "
        "file counts the unpacked size. Split it in frequency or time, or store fewer bits per sample."
    )
    require_size("small.h5", Storage(FREE.max_unpacked_bytes), FREE)
