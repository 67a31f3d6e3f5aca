"""The thread pool for the search."""

from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture(scope="session")
def pool():
    with ThreadPoolExecutor(2) as threads:
        yield threads
