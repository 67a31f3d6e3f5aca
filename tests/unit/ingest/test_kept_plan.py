"""A job keeps the plan that it was begun with, through changed settings, lost objects and races."""

import json
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from science.simulator import Scene, make_header, spectra, write_fil
from services.ingest.handlers import Handler
from services.ingest.kept_plan import KeptPlans, plan_key
from shared.content import Content
from shared.errors import BadObservationError, ObjectNotFoundError, PermanentError
from shared.events import ChunkPlan, ObservationSubmitted, SearchParameters, Upload
from shared.object_keys import job_prefix

JOB, KEY = "job", "uploads/u/1/observation.fil"
CHANNELS, SPECTRA = 2**16, 4
WIDE, NARROW = 2**20, 2**17
# What version 1 looks like: whoever changes it makes another version.
GOLDEN = (
    b'{"version":1,"plan":{"n_channels":65536,"count":3,"stride_channels":24576,"parts":1,"overlap_channels":70,'
    b'"lanes":2}}'
)


class Bucket:
    """Objects in memory, uploads and results alike. `meanwhile` is what somebody else writes after the next put."""

    def __init__(self, objects):
        self.objects = objects
        self.puts = []
        self.meanwhile = None

    async def get(self, key):
        if key not in self.objects:
            raise ObjectNotFoundError(key)
        return self.objects[key]

    async def put(self, key, body, content_type="application/octet-stream"):
        self.puts.append(key)
        self.objects[key], self.meanwhile = self.meanwhile or body, None

    async def content(self, key):
        return Content(len(self.objects[key]), None) if key in self.objects else None

    async def get_range(self, key, start, length, _etag=None):
        return self.objects[key][start : start + length]


def observation(tmp_path, n_channels=CHANNELS):
    path = tmp_path / f"{n_channels}.fil"
    header = make_header(n_channels, SPECTRA)
    write_fil(path, header, spectra(Scene(header)))
    return path.read_bytes()


@pytest.fixture
def bucket(tmp_path):
    return Bucket({KEY: observation(tmp_path)})


def handler(bucket, max_chunk_samples=WIDE, lanes=2):
    async def count():
        return lanes

    return Handler(bucket, bucket, max_chunk_samples=max_chunk_samples, lanes=count)


def submission(bucket):
    upload = Upload(
        file_key=KEY,
        file_name="o.fil",
        file_size=len(bucket.objects[KEY]),
        source_name="o",
        submitted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return ObservationSubmitted.make(job_id=JOB, producer="gateway", upload=upload, parameters=SearchParameters())


@pytest.fixture
def submitted(bucket):
    return submission(bucket)


def gist(events):
    return [event.model_dump(exclude={"occurred_at"}) for event in events]


def kept(bucket):
    return ChunkPlan(**json.loads(bucket.objects[plan_key(JOB)])["plan"])


async def test_other_settings_change_nothing_for_a_job_that_was_planned_before(bucket, submitted):
    first = gist(await handler(bucket, NARROW).handle(submitted))
    other = gist(await handler(bucket, WIDE, lanes=7).handle(submitted))
    assert other == first
    assert bucket.puts == [plan_key(JOB)]
    # And they count for the next job.
    (chunk, _) = await handler(bucket, WIDE).handle(submitted.model_copy(update={"job_id": "next"}))
    assert chunk.chunk.count == 1 < first[0]["chunk"]["count"]


async def test_a_plan_beyond_todays_limit_is_made_anew_and_that_one_is_kept(bucket, submitted):
    """The limit was lowered, since chunks did not fit into the workers' memory: the job's are lowered with it."""
    (large, _) = await handler(bucket, WIDE).handle(submitted)
    with capture_logs() as logs:
        *small, _ = await handler(bucket, NARROW).handle(submitted)
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["kept plan exceeds the limit"]
    assert large.chunk.count == 1 < small[0].chunk.count
    assert all(SPECTRA * (c.read_stop_channel - c.read_start_channel) <= NARROW for c in (e.chunk for e in small))
    assert kept(bucket) == small[0].plan
    # Later submissions use it, even after the limit goes up again or in an ingest with another limit.
    assert gist(await handler(bucket, NARROW).handle(submitted))[:-1] == gist(small)
    assert gist(await handler(bucket, WIDE).handle(submitted))[:-1] == gist(small)


async def test_a_limit_within_which_the_job_can_not_be_searched_fails_it_and_leaves_its_plan(bucket, submitted):
    await handler(bucket, WIDE).handle(submitted)
    plan = kept(bucket)
    with pytest.raises(PermanentError, match=r"Lower max_drift_rate_hz_s"):
        await handler(bucket, 2**8).handle(submitted)
    assert kept(bucket) == plan


async def test_the_same_event_twice_gives_the_same_events_and_the_same_object(bucket, submitted):
    first, written = gist(await handler(bucket).handle(submitted)), dict(bucket.objects)
    assert gist(await handler(bucket).handle(submitted)) == first
    assert bucket.objects == written


async def test_the_plan_lies_among_the_objects_of_its_job_and_goes_with_them(bucket, submitted):
    await handler(bucket).handle(submitted)
    assert {key for key in bucket.objects if key.startswith(job_prefix(JOB))} == {plan_key(JOB)}


async def test_a_file_that_can_not_be_searched_leaves_no_plan(bucket):
    bucket.objects[KEY] = b"I am no observation.\n" * 100
    with pytest.raises(BadObservationError):
        await handler(bucket).handle(submission(bucket))
    assert plan_key(JOB) not in bucket.objects


async def test_version_1_is_read_for_ever(bucket, submitted):
    bucket.objects[plan_key(JOB)] = GOLDEN
    *chunks, _ = await handler(bucket).handle(submitted)
    plan = ChunkPlan(n_channels=CHANNELS, count=3, stride_channels=24_576, parts=1, overlap_channels=70, lanes=2)
    assert [event.plan for event in chunks] == [plan, plan]
    assert await KeptPlans(Bucket({})).keep(JOB, plan) == plan
    again = Bucket({})
    await KeptPlans(again).keep(JOB, plan)
    assert again.objects[plan_key(JOB)] == GOLDEN


async def test_what_a_later_version_adds_is_passed_over(bucket, submitted):
    await handler(bucket, NARROW).handle(submitted)
    document = json.loads(bucket.objects[plan_key(JOB)])
    document["made_by"], document["plan"]["colour"] = "ingest", "blue"
    bucket.objects[plan_key(JOB)] = json.dumps(document).encode()
    chunk, *_ = await handler(bucket, WIDE).handle(submitted)
    assert chunk.plan == ChunkPlan(**document["plan"])


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"version":1}', GOLDEN.replace(b":1", b":2", 1), b"\xff\xfe"])
async def test_a_plan_that_can_not_be_read_is_made_anew_and_kept(bucket, submitted, raw):
    bucket.objects[plan_key(JOB)] = raw
    *chunks, _ = await handler(bucket, NARROW).handle(submitted)
    assert chunks[0].plan == kept(bucket)
    assert gist(await handler(bucket, WIDE).handle(submitted))[0]["plan"] == kept(bucket).model_dump()


async def test_a_plan_for_another_number_of_channels_is_made_anew(bucket, submitted, tmp_path):
    await handler(bucket).handle(submitted)
    bucket.objects[KEY] = observation(tmp_path, CHANNELS // 2)
    *chunks, _ = await handler(bucket).handle(submission(bucket))
    assert chunks[0].plan.n_channels == kept(bucket).n_channels == CHANNELS // 2


async def test_of_two_at_once_the_one_whose_plan_was_overwritten_uses_the_other(bucket, submitted):
    bucket.meanwhile = GOLDEN
    *chunks, _ = await handler(bucket, WIDE).handle(submitted)
    assert [event.plan for event in chunks] == [kept(bucket)] * 2
    assert kept(bucket).count == 3
