"""Settings of every test: markers by folder, and repeatable Hypothesis examples."""

from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
# Markers of all tests in a folder; pyproject.toml describes the markers. A test may add its own.
MARKERS_OF_FOLDER = {
    "browser": ("browser", "slow"),
    "chaos": ("chaos", "servers", "slow"),
    "contract": ("servers",),
    "e2e": ("servers", "slow"),
    "fuzz": ("slow",),
    "integration": ("servers", "slow"),
    "science": ("slow",),
}

# Every run tries the same examples, so that a test that passes on one machine passes on all.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test as its folder says."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        for marker in MARKERS_OF_FOLDER.get(folder, ()):
            item.add_marker(marker)
