"""From a submitted observation to its chunks."""

import io
import zlib
from datetime import UTC, datetime

import h5py
import numpy as np
import pytest

from science.simulator import Scene, make_header, spectra, write_fil
from science.simulator.writers import sigproc_header
from services.ingest.handlers import Handler
from services.ingest.kept_plan import plan_key
from shared.content import Content
from shared.errors import BadObservationError, ObjectChangedError, ObjectNotFoundError, PermanentError, TransientError
from shared.events import ChunkReady, JobLimits, JobProgress, ObservationSubmitted, SearchParameters, Upload

KEY = "uploads/u/1/observation.fil"
COARSE = 2**16


class Bucket:
    """Objects in memory, uploads and results alike; it notes what is read of uploads."""

    def __init__(self, objects):
        self.objects = objects
        self.bytes_read = 0
        self.is_away = False

    async def get(self, key):
        if key not in self.objects:
            raise ObjectNotFoundError(key)
        return self.objects[key]

    async def put(self, key, body, content_type="application/octet-stream"):
        self.objects[key] = body

    async def content(self, key):
        if self.is_away:
            raise TransientError("Storage is out of reach.")
        return Content(len(self.objects[key]), self.etag(key)) if key in self.objects else None

    async def get_range(self, key, start, length, etag=None):
        if etag not in (None, self.etag(key)):
            raise ObjectChangedError(key)
        self.bytes_read += length
        return bytes(self.objects[key][start : start + length])

    def etag(self, key):
        raw = self.objects[key]
        return f'"{len(raw)}-{zlib.crc32(raw[: 2**20])}-{zlib.crc32(raw[-(2**20) :])}"'


@pytest.fixture
def bucket(tmp_path):
    path = tmp_path / "observation.fil"
    header = make_header(3 * COARSE, 4, coarse_channel_width=COARSE)
    write_fil(path, header, spectra(Scene(header)))
    return Bucket({KEY: path.read_bytes()})


def submission(bucket, job_id="job"):
    """Return the event of a job on the object that the bucket holds now."""
    return ObservationSubmitted.make(
        job_id=job_id,
        producer="gateway",
        upload=Upload(
            file_key=KEY,
            file_name="observation.fil",
            file_size=len(bucket.objects[KEY]),
            source_name="GJ 1002",
            submitted_at=datetime(2026, 1, 1, tzinfo=UTC),
            etag=bucket.etag(KEY),
        ),
        parameters=SearchParameters(snr_threshold=12.0),
    )


@pytest.fixture
def submitted(bucket):
    return submission(bucket)


def handler(bucket, lanes=4, max_chunk_samples=2**27):
    async def count():
        return lanes

    return Handler(bucket, bucket, max_chunk_samples=max_chunk_samples, lanes=count)


async def test_every_chunk_is_published_where_there_are_lanes_enough_then_that_ingest_is_done(bucket, submitted):
    *chunks, done = await handler(bucket).handle(submitted)
    assert [type(event) for event in chunks] == [ChunkReady] * 3
    assert [event.chunk.index for event in chunks] == [0, 1, 2]
    assert {event.partition_key for event in chunks} == {"job:0", "job:1", "job:2"}
    for event in chunks:
        assert (event.upload, event.parameters) == (submitted.upload, submitted.parameters)
        assert (event.header.n_spectra, event.header.n_channels) == (4, 3 * COARSE)
        assert event.warnings == ()
    assert isinstance(done, JobProgress)
    assert (done.stage, done.done, done.total) == ("ingest", 1, 1)


async def test_of_each_lane_the_first_chunk_is_published_with_the_plan_of_the_others(bucket, submitted):
    all_chunks = [event.chunk for event in (await handler(bucket).handle(submitted))[:-1]]
    del bucket.objects[plan_key("job")]
    *first, done = await handler(bucket, lanes=2).handle(submitted)
    assert [(event.chunk, event.lane) for event in first] == [(all_chunks[0], 0), (all_chunks[1], 1)]
    assert isinstance(done, JobProgress)
    plan = first[0].plan
    assert [event.plan for event in first] == [plan, plan]
    assert [plan.chunk(index) for index in range(plan.count)] == all_chunks
    assert [plan.ends_lane(index) for index in range(3)] == [False, True, True]


def flat_file(header):
    """A file of zeros, half a GB for a thousand chunks, of which only the pages of its header take memory."""
    start = sigproc_header(header)
    content = np.zeros(len(start) + 4 * header.n_spectra * header.n_channels, np.uint8)
    content[: len(start)] = np.frombuffer(start, np.uint8)
    return memoryview(content)


async def test_an_event_is_as_large_for_a_thousand_chunks_as_for_three(bucket):
    sizes = []
    for count in (3, 1000):
        header = make_header(count * COARSE, 2, coarse_channel_width=COARSE)
        bucket.objects[KEY] = flat_file(header)
        limited = handler(bucket, lanes=1, max_chunk_samples=2 * COARSE + 10_000)
        ready, _ = await limited.handle(submission(bucket, f"job-{count}"))
        assert ready.chunk.count >= count
        sizes.append(len(ready.to_bytes()))
    assert sizes[1] - sizes[0] < 50


async def test_only_the_header_is_read(bucket, submitted):
    await handler(bucket).handle(submitted)
    assert bucket.bytes_read <= 64 * 1024 < len(bucket.objects[KEY])


async def test_the_same_event_gives_the_same_events(bucket, submitted):
    first, second = await handler(bucket).handle(submitted), await handler(bucket).handle(submitted)
    kept = [[event.model_dump(exclude={"occurred_at"}) for event in events] for events in (first, second)]
    assert kept[0] == kept[1]
    assert len({event.event_id for event in first}) == len(first)


async def test_warnings_go_with_every_chunk(bucket):
    bucket.objects[KEY] += b"part of a spectrum"
    *chunks, _ = await handler(bucket).handle(submission(bucket))
    for event in chunks:
        (warning,) = event.warnings
        assert "part of a spectrum" in warning


async def test_a_file_that_is_none_is_refused_by_its_name(bucket):
    bucket.objects[KEY] = b"I am no observation.\n" * 100
    with pytest.raises(BadObservationError, match=r"'observation\.fil'.*neither a SIGPROC filterbank nor an HDF5"):
        await handler(bucket).handle(submission(bucket))


async def test_an_upload_that_was_replaced_since_the_job_was_accepted_is_refused_by_its_name(bucket, submitted):
    accepted = bucket.objects[KEY]
    for replaced in (accepted[:-4] + b"else", accepted + bytes(1000), accepted[:-1000]):
        bucket.objects[KEY] = replaced
        with pytest.raises(ObjectChangedError, match=r"'observation\.fil' was replaced while") as caught:
            await handler(bucket).handle(submitted)
        assert caught.value.code == "file_replaced"


async def test_an_event_of_an_early_version_is_for_the_object_of_its_size(bucket, submitted):
    early = submitted.model_copy(update={"upload": submitted.upload.model_copy(update={"etag": None})})
    # All later events of the job are about the object that ingest has seen.
    assert (await handler(bucket).handle(early))[0].upload == submitted.upload
    bucket.objects[KEY] += bytes(1000)
    with pytest.raises(ObjectChangedError):
        await handler(bucket).handle(early)


async def test_an_upload_that_is_gone_says_so(bucket, submitted):
    bucket.objects.clear()
    with pytest.raises(ObjectNotFoundError, match="no longer in storage"):
        await handler(bucket).handle(submitted)


async def test_storage_that_is_away_is_worth_another_try(bucket, submitted):
    bucket.is_away = True
    with pytest.raises(TransientError):
        await handler(bucket).handle(submitted)


async def test_another_event_is_refused(bucket):
    event = JobProgress.make(job_id="job", producer="x", stage="ingest", done=1, total=1)
    with pytest.raises(PermanentError) as caught:
        await handler(bucket).handle(event)
    assert caught.value.code == "unexpected_event"


def pulsar_file(n_channels, foff_mhz=-4.0):
    header = make_header(n_channels, 8, n_bits=8, fch1_mhz=4032.0, foff_mhz=foff_mhz)
    return sigproc_header(header) + bytes(8 * n_channels)


async def test_a_product_with_channels_of_4_mhz_is_said_not_to_suit_first_of_all(bucket):
    bucket.objects[KEY] = pulsar_file(832)
    chunk, _ = await handler(bucket).handle(submission(bucket))
    assert chunk.warnings[0].startswith("The channels are 4 MHz wide, too wide for narrowband signals")


async def test_one_channel_is_refused_with_a_sentence(bucket):
    bucket.objects[KEY] = pulsar_file(1)
    with pytest.raises(BadObservationError, match="it holds 1 channel"):
        await handler(bucket).handle(submission(bucket))


def stored(shape, chunks, **options):
    """Return an .h5 file of this shape with one zero in it, and so with one storage chunk."""
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file.attrs["CLASS"] = "FILTERBANK"
        data = file.create_dataset("data", shape, "f4", chunks=chunks, **options)
        data.attrs.update({"fch1": 1400.0, "foff": -2.7e-6, "tsamp": 18.25, "tstart": 57650.0, "nfpc": COARSE})
        data[:, :, :1] = 0
    return held.getvalue()


LIMITS = JobLimits(max_unpacked_bytes=100 * 2**20, max_processor_s=60)


async def refused(bucket, limits):
    with pytest.raises(PermanentError) as caught:
        await handler(bucket).handle(submission(bucket).model_copy(update={"limits": limits}))
    return caught.value


async def test_one_gzip_chunk_of_256_mb_in_a_file_of_267_kb_is_refused(bucket):
    bucket.objects[KEY] = stored((16, 1, 2**22), (16, 1, 2**22), compression="gzip")
    assert len(bucket.objects[KEY]) < 300_000
    message = (await refused(bucket, LIMITS)).message
    assert "no noise is compressed more than 100 times" in message


async def test_storage_chunks_of_all_coarse_channels_are_unpacked_once(bucket):
    bucket.objects[KEY] = stored((4, 1, 32 * COARSE), (2, 1, 32 * COARSE), compression="gzip")
    ready, _ = await handler(bucket).handle(submission(bucket).model_copy(update={"limits": LIMITS}))
    assert (ready.chunk.count, ready.chunk.channels) == (1, range(32 * COARSE))


async def test_the_tiers_limit_counts_the_unpacked_size(bucket):
    bucket.objects[KEY] = stored((16, 1, COARSE), (16, 1, 1024), compression="gzip")
    error = await refused(bucket, JobLimits(max_unpacked_bytes=2**20, max_processor_s=60))
    assert (error.code, "its data unpack to 4 MB" in error.message) == ("file_too_large", True)


async def test_the_processor_time_of_a_job_is_that_of_its_tier(bucket):
    error = await refused(bucket, JobLimits(max_unpacked_bytes=2**40, max_processor_s=0.01))
    assert (error.code, "0 s for a job. Lower max_drift_rate_hz_s" in error.message) == ("job_too_costly", True)
    # A job that was planned before goes on: its user's tier may have changed meanwhile.
    await handler(bucket).handle(submission(bucket))
    await handler(bucket).handle(
        submission(bucket).model_copy(update={"limits": JobLimits(max_unpacked_bytes=2**40, max_processor_s=0.01)})
    )


async def test_without_limits_as_from_an_early_gateway_nothing_is_refused(bucket):
    assert submission(bucket).limits is None
    *chunks, _ = await handler(bucket).handle(submission(bucket))
    assert len(chunks) == 3


async def test_the_chunks_repeat_for_each_if_that_is_searched(bucket):
    header = make_header(512, 8, n_ifs=2)
    bucket.objects[KEY] = sigproc_header(header) + bytes(2 * 4 * 8 * 512)
    both = submission(bucket).model_copy(update={"parameters": SearchParameters(ifs="all")})
    *chunks, _ = await handler(bucket).handle(both)
    assert [(event.chunk.index, event.chunk.ifs, event.chunk.channels) for event in chunks] == [
        (0, (0,), range(512)),
        (1, (1,), range(512)),
    ]
    assert chunks[0].warnings == ("IFs 0 and 1 of the file were searched, each by itself.",)
    # A repeat has the same plan.
    *again, _ = await handler(bucket).handle(both)
    assert [event.chunk for event in again] == [event.chunk for event in chunks]


async def test_a_sum_of_ifs_takes_half_of_the_samples_of_a_chunk(bucket):
    header = make_header(2**16, 8, n_ifs=2)
    bucket.objects[KEY] = sigproc_header(header) + bytes(2 * 4 * 8 * 2**16)
    counts = []
    for ifs in ("first", "stokes_i"):
        bucket.objects.pop(plan_key("job"), None)
        parameters = SearchParameters(ifs=ifs, max_drift_rate_hz_s=0.1)
        event = submission(bucket).model_copy(update={"parameters": parameters})
        *chunks, _ = await handler(bucket, lanes=99, max_chunk_samples=2**19 + 2**14).handle(event)
        counts.append(len(chunks))
    assert counts == [1, 2]
