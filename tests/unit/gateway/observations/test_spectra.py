"""Samples are read from the object that the job was accepted with, in order, a few reads at a time."""

import asyncio
from contextlib import aclosing

import pytest

from services.gateway.observations import selection as selections
from services.gateway.observations.errors import ObservationGoneError
from services.gateway.observations.selection import Selection
from services.gateway.observations.spectra import ALL_READS_AT_ONCE, READS_AT_ONCE, Spectra
from shared.errors import TransientError
from tests.unit.gateway.observations.example_observations import ETAG, Bucket, a_job, header_of, observation


class SlowBucket(Bucket):
    """Answers in a random order, and notes how many reads there are at a time."""

    running = most = 0

    async def get_range_into(self, key, start, buffer, etag=None):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in range(start * 7919 % 5 + 1):
                await asyncio.sleep(0)
            return await super().get_range_into(key, start, buffer, etag)
        finally:
            self.running -= 1


@pytest.fixture
def line_by_line(monkeypatch):
    monkeypatch.setattr(selections, "GAP_BYTES", 0)


async def all_of(spectra, job, etag, selection):
    async with aclosing(spectra.read(job, etag, selection)) as pieces:
        return b"".join([piece async for piece in pieces])


@pytest.mark.usefixtures("line_by_line")
async def test_lines_come_in_order_whatever_the_order_of_the_answers():
    power, raw = observation(spectra=100)
    bucket = SlowBucket({"k": raw})
    selection = Selection.around(await header_of(raw), 13, 50)
    assert await all_of(Spectra(bucket), a_job(raw), ETAG, selection) == power[:, :, 13:50].tobytes()
    assert bucket.most == READS_AT_ONCE
    assert len(bucket.reads) == 100


@pytest.mark.usefixtures("line_by_line")
async def test_all_answers_together_have_a_bounded_number_of_reads():
    power, raw = observation(spectra=40)
    bucket = SlowBucket({"k": raw})
    spectra, selection = Spectra(bucket), Selection.around(await header_of(raw), 0, 8)
    answers = await asyncio.gather(*(all_of(spectra, a_job(raw), ETAG, selection) for _ in range(10)))
    assert set(answers) == {power[:, :, :8].tobytes()}
    assert bucket.most == ALL_READS_AT_ONCE


@pytest.mark.usefixtures("line_by_line")
async def test_a_reader_that_stops_leaves_no_read_behind():
    _, raw = observation(spectra=100)
    bucket = SlowBucket({"k": raw})
    selection = Selection.around(await header_of(raw), 0, 8)
    async with aclosing(Spectra(bucket).read(a_job(raw), ETAG, selection)) as pieces:
        await anext(pieces)
    assert bucket.running == 0
    assert len(bucket.reads) < 2 * READS_AT_ONCE


async def test_a_job_of_an_early_version_takes_the_object_of_its_size():
    _, raw = observation()
    assert await Spectra(Bucket({"k": raw})).etag(a_job(raw, etag=None)) == ETAG


@pytest.mark.parametrize(
    ("objects", "job"),
    [
        ({}, a_job(b"1234")),
        ({"k": b"1234"}, a_job(b"1234", etag='"other"')),
        ({"k": b"12345"}, a_job(b"1234", etag=None)),
    ],
    ids=["removed", "replaced", "of another size"],
)
async def test_another_object_is_not_read(objects, job):
    with pytest.raises(ObservationGoneError):
        await Spectra(Bucket(objects)).etag(job)


@pytest.mark.parametrize("change", ["removed", "replaced", "shorter"])
async def test_an_object_that_goes_while_it_is_read_is_told_of(change):
    _, raw = observation()
    bucket = Bucket({"k": raw})
    selection = Selection.around(await header_of(raw), 0, 64)
    if change == "removed":
        bucket.objects.clear()
    elif change == "replaced":
        bucket.etag = '"two"'
    else:
        bucket.objects["k"] = raw[:-1]
    with pytest.raises(ObservationGoneError):
        await all_of(Spectra(bucket), a_job(raw), ETAG, selection)


@pytest.mark.usefixtures("line_by_line")
async def test_a_failure_of_storage_ends_all_reads():
    class Failing(SlowBucket):
        async def get_range_into(self, key, start, buffer, etag=None):
            if len(self.reads) > 20:
                raise TransientError("away")
            return await super().get_range_into(key, start, buffer, etag)

    _, raw = observation(spectra=100)
    bucket = Failing({"k": raw})
    selection = Selection.around(await header_of(raw), 0, 8)
    with pytest.raises(TransientError):
        await all_of(Spectra(bucket), a_job(raw), ETAG, selection)
    assert bucket.running == 0
