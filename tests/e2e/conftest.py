"""The whole stack with the real services, as `make up` runs it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.client import Waterhole
from deploy.local.ports import free_ports
from deploy.local.stack import Stack, running_stack
from science.simulator import spectra, voyager_1, write_fil


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running_stack(tmp_path_factory.mktemp("stack"), port=free_ports(1)[0]) as running:
        yield running


@pytest.fixture(scope="session")
async def client(stack: Stack) -> AsyncIterator[Waterhole]:
    async with Waterhole(stack.url, stack.api_key) as waterhole:
        yield waterhole


@pytest.fixture(scope="session")
def voyager_fil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a 67 MB file like the 2016 observation of Voyager 1. Files of this size are uploaded in parts."""
    path = tmp_path_factory.mktemp("voyager") / "voyager_1.fil"
    scene, _ = voyager_1()
    write_fil(path, scene.header, spectra(scene))
    return path
