"""Parts of a waterfall are those of the chunks' pyramids, one after another."""

import asyncio
import struct

import numpy as np
import pytest

from services.gateway.observations import waterfall as subject
from services.gateway.observations.errors import (
    BadChannelsError,
    NoWaterfallError,
    RangeTooLargeError,
    UnknownLevelError,
)
from services.gateway.observations.waterfall import Waterfalls
from shared.chunks import ChunkPlan
from shared.object_keys import waterfall_key, waterfall_manifest_key, waterfall_samples_key
from shared.waterfall import Manifest, pack_windows
from tests.unit.gateway.observations.example_observations import Bucket, a_job
from tests.unit.gateway.observations.example_pyramids import EDGES, HEADER, MANIFEST, ROWS, WINDOWS, Pyramids, codes


@pytest.fixture(scope="module")
def pyramids():
    return Pyramids()


@pytest.fixture
def bucket(pyramids):
    return Bucket(pyramids.objects)


RANGES = [(0, 10_000), (0, 1), (9_999, 10_000), (4095, 4096), (4096, 4097), (4095, 4097), (100, 9_000), (8192, 8300)]


def columns_of(chunk, factor, start, stop):
    """Return the columns as the contract says: floor((a - s) / F) to ceil((b - s) / F) of the part in the chunk."""
    first, last = max(start, EDGES[chunk]), min(stop, EDGES[chunk + 1])
    return slice((first - EDGES[chunk]) // factor, -(-(last - EDGES[chunk]) // factor)) if first < last else slice(0)


@pytest.mark.parametrize(("start", "stop"), RANGES)
@pytest.mark.parametrize("statistic", ["max", "mean"])
@pytest.mark.parametrize("factor", MANIFEST.factors)
async def test_a_level_has_the_columns_of_the_channels(pyramids, bucket, factor, statistic, start, stop):
    waterfalls = Waterfalls(bucket)
    found = await waterfalls.find(a_job())
    expected = [
        pyramids.levels[chunk, statistic, factor][columns_of(chunk, factor, start, stop)].tobytes()
        for chunk in range(3)
    ]
    assert await waterfalls.level(found, statistic, factor, range(start, stop)) == b"".join(expected)


@pytest.mark.parametrize(("start", "stop"), RANGES)
async def test_the_noise_has_the_pairs_of_the_channels(pyramids, bucket, start, stop):
    waterfalls = Waterfalls(bucket)
    found = await waterfalls.find(a_job())
    factor = MANIFEST.noise_factor
    expected = [pyramids.noise[chunk][columns_of(chunk, factor, start, stop)].tobytes() for chunk in range(3)]
    assert await waterfalls.noise(found, range(start, stop)) == b"".join(expected)


@pytest.mark.parametrize(("start", "stop"), [*RANGES, (150, 160), (400, 1000), (399, 1001), (4000, 8193)])
async def test_samples_have_the_windows_within_the_channels(pyramids, bucket, start, stop):
    waterfalls = Waterfalls(bucket)
    found = await waterfalls.find(a_job())
    answer = bytes(await waterfalls.samples(found, range(start, stop)))
    expected = {}
    for chunk, windows in WINDOWS.items():
        for window, content in zip(windows, pyramids.windows[chunk], strict=True):
            first, last = max(start, window.start), min(stop, window.stop)
            if first < last:
                expected[first] = content[first - window.start : last - window.start]
    (count,) = struct.unpack_from("<I", answer)
    at, got = 4 + 12 * count, {}
    for first, channels in struct.iter_unpack("<QI", answer[4:at]):
        got[first] = np.frombuffer(answer, np.uint8, channels * ROWS, at).reshape(channels, ROWS)
        at += channels * ROWS
    assert at == len(answer)
    assert list(got) == sorted(expected)
    for first, content in expected.items():
        np.testing.assert_array_equal(got[first], content)


async def test_many_windows_are_listed_in_a_longer_head(bucket):
    windows = [range(2 * k, 2 * k + 1) for k in range(2000)]
    content = codes(5, 2000, ROWS)
    bucket.objects[waterfall_samples_key("j-1", 0)] = pack_windows(windows, ROWS) + content.tobytes()
    waterfalls = Waterfalls(bucket)
    answer = await waterfalls.samples(await waterfalls.find(a_job()), range(3000, 3010))
    assert answer[:4] + answer[-5 * ROWS :] == struct.pack("<I", 5) + content[1500:1505].tobytes()


async def test_how_to_read_it_is_read_once(bucket):
    waterfalls = Waterfalls(bucket)
    first = await waterfalls.find(a_job())
    reads = len(bucket.reads)
    assert await waterfalls.find(a_job()) is first
    assert len(bucket.reads) == reads
    # The job was reopened, and completed again.
    assert await waterfalls.find(a_job(completed_at=6)) is not first
    assert first.sigma_relative == pytest.approx(0.25)


async def test_without_noise_there_is_no_relative_sigma(bucket):
    key = waterfall_key("j-1", 1)
    length = MANIFEST.layout(1).noise.length
    bucket.objects[key] = bytes(length) + bucket.objects[key][length:]
    assert (await Waterfalls(bucket).find(a_job())).sigma_relative is None


@pytest.mark.parametrize("job", [a_job(status="processing"), a_job(status="failed")])
async def test_a_job_that_is_not_complete_has_none(bucket, job):
    with pytest.raises(NoWaterfallError, match="once the job is complete"):
        await Waterfalls(bucket).find(job)


async def test_a_job_of_an_early_version_has_none():
    with pytest.raises(NoWaterfallError, match="before there was one"):
        await Waterfalls(Bucket({})).find(a_job())


async def test_a_waterfall_of_another_version_is_told_of(bucket):
    bucket.objects[waterfall_manifest_key("j-1")] = b'{"version": 2}'
    with pytest.raises(NoWaterfallError, match="analyze the observation again"):
        await Waterfalls(bucket).find(a_job())


@pytest.mark.parametrize("change", ["removed", "shorter"])
async def test_objects_that_are_gone_are_told_of(bucket, change):
    waterfalls = Waterfalls(bucket)
    found = await waterfalls.find(a_job())
    key = waterfall_key("j-1", 2)
    if change == "removed":
        del bucket.objects[key]
    else:
        bucket.objects[key] = bucket.objects[key][:-1]
    with pytest.raises(NoWaterfallError):
        await waterfalls.level(found, "mean", MANIFEST.factors[-1], range(10_000))


async def test_there_are_no_other_levels(bucket):
    waterfalls = Waterfalls(bucket)
    found = await waterfalls.find(a_job())
    for factor in (0, 1, MANIFEST.factors[0] + 1, 10**15):
        with pytest.raises(UnknownLevelError, match=str(MANIFEST.factors[0])):
            await waterfalls.level(found, "max", factor, range(10))


@pytest.mark.parametrize("channels", [range(-1, 5), range(5, 5), range(6, 5), range(10_001), range(10_000, 10_001)])
async def test_there_are_no_other_channels(bucket, channels):
    waterfalls = Waterfalls(bucket)
    found = await waterfalls.find(a_job())
    for part in (waterfalls.level(found, "max", MANIFEST.factors[0], channels), waterfalls.noise(found, channels)):
        with pytest.raises(BadChannelsError):
            await part


async def test_an_answer_that_would_be_too_large_is_refused_unread(bucket, monkeypatch):
    waterfalls = Waterfalls(bucket)
    found = await waterfalls.find(a_job())
    monkeypatch.setattr(subject, "MAX_ANSWER_BYTES", 1000)
    reads = len(bucket.reads)
    with pytest.raises(RangeTooLargeError, match="larger factor"):
        await waterfalls.level(found, "max", MANIFEST.factors[0], range(10_000))
    monkeypatch.setattr(subject, "MAX_CHUNKS_OF_WINDOWS", 2)
    with pytest.raises(RangeTooLargeError, match="3 chunks"):
        await waterfalls.samples(found, range(10_000))
    assert len(bucket.reads) == reads


async def test_many_chunks_are_read_some_at_a_time():
    plan = ChunkPlan(n_channels=512 * 64, count=512, stride_channels=64, parts=1, overlap_channels=1)
    header = HEADER.model_copy(update={"n_channels": 512 * 64, "n_ifs": 1})
    manifest = Manifest.of(header, 4.0, plan, 2**40)
    objects = {waterfall_key("j-1", chunk): codes(chunk, manifest.layout(chunk).size).tobytes() for chunk in range(512)}

    class Slow(Bucket):
        running = most = 0

        async def get_range_into(self, key, start, buffer, etag=None):
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0)
            self.running -= 1
            return await super().get_range_into(key, start, buffer, etag)

    bucket = Slow(objects | {waterfall_manifest_key("j-1"): manifest.model_dump_json().encode()})
    waterfalls = Waterfalls(bucket)
    found = await waterfalls.find(a_job())
    factor = manifest.factors[-1]
    wanted = waterfalls.level(found, "max", factor, range(512 * 64))
    expected = b"".join(
        objects[waterfall_key("j-1", chunk)][place.offset : place.offset + place.length]
        for chunk in range(512)
        for place in [manifest.layout(chunk).level("max", factor)]
    )
    assert await wanted == expected
    assert bucket.most == subject.READS_AT_ONCE
    # A view so wide is kept, for others who look at the job; not for those of the job as it was completed later.
    reads = len(bucket.reads)
    assert await waterfalls.level(found, "max", factor, range(512 * 64)) == expected
    assert len(bucket.reads) == reads
    again = await waterfalls.find(a_job(completed_at=6))
    assert await waterfalls.level(again, "max", factor, range(512 * 64)) == expected
    assert len(bucket.reads) > reads + 512
