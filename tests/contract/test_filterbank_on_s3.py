"""Observations as objects of a server that speaks S3's protocol, read in byte ranges."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from deploy.local.servers import EmbeddedServers
from shared.blobs import Blobs, open_storage
from shared.errors import BadObservationError, ObjectNotFoundError, TransientError
from shared.filterbank import BlobSource, read_block, read_header
from shared.settings import ServiceSettings
from shared.simulator import Scene, make_header, simulate, write_fil, write_h5

# Servers that uploads are to be read from: each is a fixture of that name with an attribute `environment`.
BLOB_SERVERS = ("embedded",)


def settings_of(server: EmbeddedServers, **changes: str) -> ServiceSettings:
    prefix = "WATERHOLE_"
    fields = {name.removeprefix(prefix).lower(): value for name, value in server.environment.items()}
    return ServiceSettings(**(fields | changes))


@pytest.fixture(scope="module", params=BLOB_SERVERS)
def s3_settings(request: pytest.FixtureRequest) -> ServiceSettings:
    return settings_of(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
async def uploads(s3_settings: ServiceSettings) -> AsyncIterator[Blobs]:
    async with open_storage(s3_settings) as storage:
        yield storage.uploads


@pytest.mark.parametrize("file_format", ["fil", "h5", "bitshuffle"])
async def test_an_upload_is_read_in_place(uploads: Blobs, tmp_path: Path, file_format: str) -> None:
    scene = Scene(make_header(300_000, 8))
    power = simulate(scene)
    path = tmp_path / "observation"
    if file_format == "fil":
        write_fil(path, scene.header, power)
    else:
        write_h5(path, scene.header, power, bitshuffle=file_format == "bitshuffle")
    key = f"filterbank/{file_format}"
    await uploads.put(key, path.read_bytes())
    source = BlobSource(uploads, key, path.name)
    header, warnings = await read_header(source)
    assert (header.n_spectra, header.n_channels, warnings) == (8, 300_000, ())
    assert np.array_equal(await read_block(source, header, 0, 300_000), power)
    assert np.array_equal(await read_block(source, header, 123_456, 234_567), power[:, 123_456:234_567])


async def test_an_empty_upload_is_refused(uploads: Blobs) -> None:
    await uploads.put("filterbank/empty", b"")
    with pytest.raises(BadObservationError, match="empty"):
        await read_header(BlobSource(uploads, "filterbank/empty", "empty.fil"))


async def test_an_upload_that_was_cut_short_since_is_refused(uploads: Blobs, tmp_path: Path) -> None:
    scene = Scene(make_header(300_000, 8))
    path = tmp_path / "observation.fil"
    write_fil(path, scene.header, simulate(scene))
    source = BlobSource(uploads, "filterbank/cut", path.name)
    await uploads.put(source.key, path.read_bytes())
    header, _ = await read_header(source)
    await uploads.put(source.key, path.read_bytes()[: 5 * 10**6])
    with pytest.raises(BadObservationError, match="before its last spectrum"):
        await read_block(source, header, 0, 1000)


async def test_an_upload_that_is_gone_says_so(uploads: Blobs) -> None:
    with pytest.raises(ObjectNotFoundError, match=r"'gone\.fil' is no longer in storage"):
        await read_header(BlobSource(uploads, "filterbank/gone", "gone.fil"))


async def test_a_server_that_is_away_is_worth_another_try(s3_settings: ServiceSettings) -> None:
    settings = s3_settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"})
    async with open_storage(settings) as storage:
        with pytest.raises(TransientError):
            await read_header(BlobSource(storage.uploads, "any", "any.fil"))
