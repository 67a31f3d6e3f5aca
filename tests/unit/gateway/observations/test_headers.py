"""The header of an observation is the job's, or that of its results."""

import pytest

from services.gateway.observations.errors import SpectraNotReadableError
from services.gateway.observations.headers import Headers
from shared.header import Header
from shared.results import Observation
from shared.strict_json import strict_json
from tests.unit.gateway.observations.example_observations import Bucket, a_job

HEADER = Header(
    file_format="fil",
    n_spectra=16,
    n_channels=4096,
    n_ifs=2,
    n_bits=8,
    data_offset_bytes=300,
    fch1_mhz=8421.386717353016,
    foff_mhz=-2.7939677238464355e-06,
    tsamp_s=18.253611008,
    source_name='"observation": {"n_bits": 16}',
)
KEY = "jobs/j-1/results.json"


def results(**more):
    """Return the first part of `results.json`, as classify writes it, cut in its lists."""
    head = {"format_version": 1, "job_id": "j-1", "source_name": HEADER.source_name, "file_name": "é.fil"}
    document = strict_json({**head, "observation": Observation(**HEADER.model_dump()).model_dump(), **more})
    return document + b"," * 100_000


async def test_a_job_has_its_header():
    bucket = Bucket({})
    assert await Headers(bucket).find(a_job(observation=HEADER)) == HEADER


async def test_the_header_of_an_early_job_is_read_from_its_results_once():
    bucket = Bucket({KEY: results()})
    headers = Headers(bucket)
    assert await headers.find(a_job()) == HEADER
    assert await headers.find(a_job()) == HEADER
    assert len(bucket.reads) == 1


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b'{"observation": 3}', b'{"observation": {"n_bits": 3}}', b'{"observation": {']
)
async def test_results_without_a_header_are_told_of(content):
    bucket = Bucket({} if content is None else {KEY: content})
    with pytest.raises(SpectraNotReadableError, match="analyze the observation again"):
        await Headers(bucket).find(a_job())


async def test_a_job_in_work_has_no_header_yet():
    with pytest.raises(SpectraNotReadableError, match="once the job is complete"):
        await Headers(Bucket({})).find(a_job(status="processing", results_key=None))
