"""Test reading observations from an S3 server in byte ranges."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from deploy.local.servers import EmbeddedServers
from science.simulator import Scene, make_header, simulate, write_fil, write_h5
from shared.blobs import MAX_PART_BYTES, Blobs, open_storage
from shared.errors import BadObservationError, ObjectChangedError, ObjectNotFoundError, TransientError
from shared.filterbank import BlobSource, LocalSource, read_block, read_header
from shared.settings import ServiceSettings
from tests.unit.shared.filterbank.files import BITSHUFFLE, POWER, fil, h5

# Names of the fixtures of S3 servers. Each has an attribute `environment`.
BLOB_SERVERS = ("embedded",)


def settings_of(server: EmbeddedServers, **changes: str) -> ServiceSettings:
    prefix = "WATERHOLE_"
    fields = {name.removeprefix(prefix).lower(): value for name, value in server.environment.items()}
    known = {name: value for name, value in fields.items() if name in ServiceSettings.model_fields}
    return ServiceSettings(**(known | changes))


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


BYTES = POWER.astype("u1")
TWO_IFS = np.stack([BYTES, 255 - BYTES], axis=1)
CUBE = POWER[:, np.newaxis]
KINDS: dict[str, tuple[bytes, npt.NDArray[np.generic]]] = {
    "32 bits": (fil(), POWER),
    "foff > 0": (fil(foff=2.7939677238464355e-06), POWER),
    "16 bits": (fil(POWER.astype("<u2"), nbits=16), POWER.astype("<u2")),
    "8 bits": (fil(BYTES, nbits=8), BYTES),
    "8 bits, 2 IFs": (fil(TWO_IFS, nbits=8, nifs=2), BYTES),
    "4 bits": (fil(BYTES[:, 0::2] % 16 | BYTES[:, 1::2] % 16 << 4, nbits=4), BYTES % 16),
    "2 bits": (fil(sum(BYTES[:, i::4] % 4 << 2 * i for i in range(4)), nbits=2), BYTES % 4),
    "1 bit": (fil(np.packbits(BYTES % 2, axis=1, bitorder="little"), nbits=1), BYTES % 2),
    "float64": (h5(CUBE.astype("<f8")), POWER),
    "int16": (h5(CUBE.astype("<i2"), options={"chunks": (1, 1, 50)}), POWER.astype("<i2")),
    "big-endian": (h5(CUBE.astype(">f4"), options={"chunks": (2, 1, 30), **BITSHUFFLE}), POWER),
    "gzip, 2 IFs": (h5(TWO_IFS, options={"chunks": (3, 2, 40), "compression": "gzip"}), BYTES),
    "spliced": (fil(np.hstack([POWER] * 16), nchans=1024, nfpc=256), np.hstack([POWER] * 16)),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_sample_type_is_exact_in_a_bucket_and_on_disk(uploads: Blobs, tmp_path: Path, kind: str) -> None:
    raw, samples = KINDS[kind]
    key, path = f"filterbank/{kind}", tmp_path / "observation"
    await uploads.put(key, raw)
    path.write_bytes(raw)
    for source in (BlobSource(uploads, key, path.name), LocalSource(path)):
        header, _ = await read_header(source)
        assert (header.n_spectra, header.n_channels) == samples.shape
        for start, stop in ((0, samples.shape[1]), (3, 61), (31, 32)):
            block = await read_block(source, header, start, stop)
            assert block.dtype == np.float32
            assert np.array_equal(block, samples[:, start:stop].astype("f4"))


async def test_range_is_read_into_a_buffer_up_to_the_end_of_the_object(uploads: Blobs) -> None:
    raw = np.random.default_rng(0).bytes(3 * MAX_PART_BYTES + 5)
    await uploads.put("filterbank/into", raw)
    buffer = bytearray(len(raw))
    assert await uploads.get_range_into("filterbank/into", 0, memoryview(buffer)) == len(raw)
    assert buffer == raw
    buffer = bytearray(100)
    assert await uploads.get_range_into("filterbank/into", 7, memoryview(buffer)) == 100
    assert buffer == raw[7:107]
    assert await uploads.get_range_into("filterbank/into", len(raw) - 40, memoryview(buffer)) == 40
    assert buffer == raw[-40:] + raw[47:107]
    assert await uploads.get_range_into("filterbank/into", len(raw), memoryview(buffer)) == 0
    assert await uploads.get_range_into("filterbank/into", 0, memoryview(b"")) == 0
    with pytest.raises(ObjectNotFoundError):
        await uploads.get_range_into("filterbank/none", 0, memoryview(buffer))


async def test_an_empty_upload_is_refused(uploads: Blobs) -> None:
    await uploads.put("filterbank/empty", b"")
    with pytest.raises(BadObservationError, match="empty"):
        await read_header(BlobSource(uploads, "filterbank/empty", "empty.fil"))


async def test_upload_truncated_after_its_header_was_read_is_refused(uploads: Blobs, tmp_path: Path) -> None:
    scene = Scene(make_header(300_000, 8))
    path = tmp_path / "observation.fil"
    write_fil(path, scene.header, simulate(scene))
    source = BlobSource(uploads, "filterbank/cut", path.name)
    await uploads.put(source.key, path.read_bytes())
    header, _ = await read_header(source)
    await uploads.put(source.key, path.read_bytes()[: 5 * 10**6])
    with pytest.raises(BadObservationError, match="before its last data"):
        await read_block(source, header, 0, 1000)


@pytest.mark.parametrize("file_format", ["fil", "h5"])
async def test_upload_replaced_after_its_header_was_read_is_refused(
    uploads: Blobs, tmp_path: Path, file_format: str
) -> None:
    header = make_header(300_000, 8)
    path = tmp_path / f"observation.{file_format}"
    write = write_fil if file_format == "fil" else write_h5
    write(path, header, simulate(Scene(header)))
    await uploads.put(f"filterbank/pinned.{file_format}", path.read_bytes())
    source = await BlobSource(uploads, f"filterbank/pinned.{file_format}", path.name).pinned()
    found, _ = await read_header(source)
    assert (await read_block(source, found, 0, 1000)).shape == (8, 1000)
    write(path, header, simulate(Scene(header, seed=2)))
    await uploads.put(source.key, path.read_bytes())
    for read in (read_header(source), read_block(source, found, 0, 1000)):
        with pytest.raises(ObjectChangedError, match=rf"'observation\.{file_format}' was replaced while"):
            await read
    await uploads.delete(source.key)
    with pytest.raises(ObjectNotFoundError, match=rf"'observation\.{file_format}' is no longer in storage"):
        await read_block(source, found, 0, 1000)


async def test_deleted_upload_is_reported(uploads: Blobs) -> None:
    with pytest.raises(ObjectNotFoundError, match=r"'gone\.fil' is no longer in storage"):
        await read_header(BlobSource(uploads, "filterbank/gone", "gone.fil"))


async def test_unavailable_server_is_a_transient_error(s3_settings: ServiceSettings) -> None:
    settings = s3_settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"})
    async with open_storage(settings) as storage:
        with pytest.raises(TransientError):
            await read_header(BlobSource(storage.uploads, "any", "any.fil"))
