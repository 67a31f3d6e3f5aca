"""Opening files: failing storage, failing files, wrong texts, and callers that cancel."""

import asyncio
import gc
import io
import os
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from shared.errors import BadObservationError, TransientError
from shared.filterbank import LocalSource, read_block, read_header
from shared.filterbank.hdf5 import process
from tests.unit.shared.filterbank.files import h5

ATTRIBUTES = {"fch1": 8421.0, "foff": -2.8e-06, "tsamp": 18.25, "tstart": 57650.0, "nchans": 64, "nbits": 32}


@pytest.fixture
def power():
    """Return float32 samples of shape (6, 1, 64)."""
    return np.random.default_rng(3).gamma(51.0, size=(6, 1, 64)).astype("<f4")


@pytest.fixture
def source(tmp_path, power):
    """Return a function that makes a valid file."""

    def make(name="observation.h5"):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            file.attrs["CLASS"] = "FILTERBANK"
            options = hdf5plugin.Bitshuffle(nelems=0, cname="lz4")
            file.create_dataset("data", data=power, chunks=(1, 1, 64), **options).attrs.update(ATTRIBUTES)
        return LocalSource(path)

    return make


class Away:
    """A source whose storage becomes unavailable after some reads."""

    def __init__(self, source, reads):
        self._source = source
        self._left, self.done = reads, 0
        self.name = source.name

    async def size(self):
        return await self._source.size()

    async def read(self, start, length):
        self._left -= 1
        if self._left < 0:
            raise TransientError("Storage is unavailable.")
        self.done += 1
        return await self._source.read(start, length)

    async def read_into(self, start, buffer):
        raw = await self.read(start, len(buffer))
        buffer[: len(raw)] = raw
        return len(raw)


async def test_unavailable_storage_is_not_a_fault_of_the_file(source):
    observation = source()
    header, _ = await read_header(observation)
    there = Away(observation, 1000)
    await read_block(there, header, 0, 64)
    assert there.done >= 2
    for reads in range(there.done):
        with pytest.raises(TransientError):
            await read_block(Away(observation, reads), header, 0, 64)
    with pytest.raises(TransientError):
        await read_header(Away(observation, 1))


async def test_bad_and_good_files_read_in_parallel_never_wait_for_each_other(source):
    good, bad, worse = source("good.h5"), source("bad.h5"), source("worse.h5")
    with h5py.File(bad.path, "a") as file:
        file["data"].id.write_direct_chunk((3, 0, 0), b"\xff" * 100)
    with h5py.File(worse.path, "a") as file:
        del file["data"].attrs["fch1"]
    header, _ = await read_header(good)

    async def work():
        outcomes = set()
        for either in (good, bad, worse) * 10:
            try:
                await read_header(either)
                await read_block(either, header, 0, 64)
                outcomes.add((either, True))
            except BadObservationError:
                outcomes.add((either, False))
        return outcomes

    threshold = gc.get_threshold()
    gc.set_threshold(50, 2, 2)
    try:
        async with asyncio.timeout(20):
            outcomes = await asyncio.gather(*(work() for _ in range(4)))
    finally:
        gc.set_threshold(*threshold)
    assert outcomes == [{(good, True), (bad, False), (worse, False)}] * 4


async def test_a_read_succeeds_after_a_cancelled_one(source, power):
    observation = source()
    header, _ = await read_header(observation)

    class Stuck(Away):
        async def read(self, start, length):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await read_block(Stuck(observation, 0), header, 0, 64)
    async with asyncio.timeout(5):
        assert np.array_equal(await read_block(observation, header, 0, 64), power[:, 0])


async def test_the_time_of_storage_does_not_count_towards_the_limit(source, monkeypatch):
    class Slow(LocalSource):
        async def read(self, start, length):
            await asyncio.sleep(1.2)
            return await super().read(start, length)

    monkeypatch.setattr(process, "CPU_S", 1)
    header, _ = await read_header(Slow(source().path))
    assert header.n_channels == 64


async def test_a_list_of_texts_is_not_accepted_as_a_name(tmp_path):
    held = io.BytesIO(h5(source_name=None))
    with h5py.File(held, "r+") as file:
        file["data"].attrs["source_name"] = np.array(["Voyager", "1"], object)
    path = tmp_path / "list.h5"
    path.write_bytes(held.getvalue())
    header, warnings = await read_header(LocalSource(path))
    assert (header.source_name, warnings) == ("", ())


async def test_a_text_that_is_too_long_is_not_accepted_as_a_name(tmp_path):
    path = tmp_path / "long.h5"
    path.write_bytes(h5(source_name="x" * 100_000, src_raj="9" * 100_000))
    header, (warning,) = await read_header(LocalSource(path))
    assert (header.source_name, header.ra_hours) == ("", None)
    assert (
        warning
        == "src_raj in the header is '(of an unsupported type)', which is not a position on the sky; it was ignored."
    )


async def test_text_that_is_not_unicode_is_read(tmp_path):
    path = tmp_path / "text.h5"
    held = io.BytesIO(h5(source_name=None))
    with h5py.File(held, "r+") as file:
        kind = h5py.string_dtype("utf-8")
        file["data"].attrs.create("source_name", b"Gr\xf6\xdfe", dtype=kind)
    path.write_bytes(held.getvalue())
    header, _ = await read_header(LocalSource(path))
    assert header.source_name == "Gr  e"


async def test_many_heaps_in_a_file_take_limited_time(tmp_path, monkeypatch):
    raw = h5(source_name="The one and only source")
    heap = raw.index(b"GCOL")
    # Each of thousands of heaps claims to extend to the file's end, in objects of no bytes.
    start = raw[heap : heap + 8] + (2**40).to_bytes(8, "little")
    objects = (1).to_bytes(8, "little") + bytes(8)
    path = tmp_path / "heaps.h5"
    path.write_bytes(raw[:heap] + start * 2000 + objects * 16384)
    monkeypatch.setattr(process, "CPU_S", 1)
    with pytest.raises(BadObservationError, match="HDF5 content is damaged"):
        await read_header(LocalSource(path))


async def test_twenty_thousand_attributes_take_no_time(tmp_path):
    path = tmp_path / "attributes.h5"
    path.write_bytes(h5(libver="latest"))
    with h5py.File(path, "a", libver="latest") as file:
        for number in range(20_000):
            file["data"].attrs.create(f"attribute {number}", b"x" * 20)
    await read_header(LocalSource(path))
    before = sum(map(cpu_s, process._idle))
    header, _ = await read_header(LocalSource(path))
    assert header.n_channels == 64
    assert sum(map(cpu_s, process._idle)) - before < 0.5


def cpu_s(child):
    """Return the processor time that a child has taken."""
    user, system = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
