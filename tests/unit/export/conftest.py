"""A finished job, and what it is about."""

import pytest

from tests.unit.export.jobs import LINES, VOYAGER, Job, make_header


@pytest.fixture
def job():
    return Job()


@pytest.fixture
def header():
    return make_header()


@pytest.fixture
def signals():
    return [*VOYAGER, *LINES]
