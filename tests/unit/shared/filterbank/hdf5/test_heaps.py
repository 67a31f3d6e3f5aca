"""Texts and heaps of HDF5 that lie: they must become neither memory nor a loop without end."""

import asyncio
import io
import struct
import subprocess
import sys

import h5py
import numpy as np
import pytest

from deploy.local.servers import REPOSITORY
from shared.errors import BadObservationError
from shared.filterbank import LocalSource, read_block, read_header
from shared.filterbank.hdf5 import watchdog
from shared.filterbank.hdf5.global_heap import DamagedHeapError
from shared.filterbank.hdf5.range_file import BLOCK_BYTES
from shared.filterbank.hdf5.text_attributes import MAX_TEXT_BYTES, attribute_names, check_texts
from tests.unit.shared.filterbank.files import h5

NAME = "The one and only source"


def lie(raw, length, text=NAME):
    """The file with another length of that text, where its attribute states it."""
    changed = bytearray(raw)
    at = raw.index(struct.pack("<I", len(text)), raw.index(b"source_name\0"))
    struct.pack_into("<I", changed, at, length)
    return bytes(changed)


def check(raw, start=0, stop=None):
    check_texts(raw[start:stop], start, attribute_names(["source_name"]), lambda at, length: raw[at : at + length])


@pytest.mark.parametrize("libver", [None, "latest"], ids=["earliest", "latest"])
def test_lengths_are_seen_in_every_version_of_the_message(libver):
    raw = h5(source_name=NAME, libver=libver)
    check(raw)
    check(lie(raw, MAX_TEXT_BYTES))
    with pytest.raises(DamagedHeapError, match="source_name claims a text of 3000000000 bytes"):
        check(lie(raw, 3_000_000_000))


def test_a_name_at_the_start_of_a_block_is_looked_at_with_the_bytes_before_it():
    raw = lie(h5(source_name=NAME), 3_000_000_000)
    with pytest.raises(DamagedHeapError):
        check(raw, start=raw.index(b"source_name\0"))


@pytest.mark.parametrize(
    "raw", [b"source_name\0", b"\x01" * 8 + b"source_name\0", b"\x03\0\x0c\0\x14\0\x04\0\0source_name\0"]
)
def test_what_only_looks_like_an_attribute_is_passed_over(raw):
    check(raw)


@pytest.mark.parametrize("file_class", ["FILTERBANK", None])
async def test_a_file_that_lies_is_refused(tmp_path, file_class):
    path = tmp_path / "lie.h5"
    path.write_bytes(lie(h5(source_name=NAME, file_class=file_class), 2**32 - 1))
    with pytest.raises(BadObservationError, match="source_name claims a text of 4294967295 bytes"):
        await read_header(LocalSource(path))


async def test_a_list_of_texts_is_no_name(tmp_path):
    held = io.BytesIO(h5(source_name=None))
    with h5py.File(held, "r+") as file:
        file["data"].attrs["source_name"] = np.array(["Voyager", "1"], object)
    path = tmp_path / "list.h5"
    path.write_bytes(held.getvalue())
    header, warnings = await read_header(LocalSource(path))
    assert (header.source_name, warnings) == ("", ())


def with_endless_list(raw):
    """The file with a free list, in its heap of names, whose first piece is followed by itself."""
    changed = bytearray(raw)
    heap = raw.index(b"HEAP")
    free, data = (int.from_bytes(raw[heap + at : heap + at + 8], "little") for at in (16, 24))
    changed[data + free : data + free + 8] = free.to_bytes(8, "little")
    return bytes(changed)


async def test_a_heap_of_names_whose_free_list_leads_into_itself_is_refused(tmp_path):
    path = tmp_path / "loop.h5"
    path.write_bytes(with_endless_list(h5()))
    with pytest.raises(BadObservationError, match="a heap of names has no end"):
        await read_header(LocalSource(path))


ENDLESS = """
import asyncio, sys
from pathlib import Path
from shared.filterbank import LocalSource, read_header
from shared.filterbank.hdf5 import range_file
from shared.filterbank.hdf5 import watchdog
watchdog.LIMIT_S = 1.0
range_file.check_local_heaps = lambda *_: None
asyncio.run(read_header(LocalSource(Path(sys.argv[1]))))
"""


def test_a_loop_that_nobody_foresaw_ends_the_process_with_a_traceback(tmp_path):
    path = tmp_path / "loop.h5"
    path.write_bytes(with_endless_list(h5()))
    done = subprocess.run(
        [sys.executable, "-c", ENDLESS, path], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "Timeout (0:00:01)!" in done.stderr
    assert "hdf5/reader.py" in done.stderr


class Timer:
    """In place of the interpreter's: it only notes whether it runs."""

    def __init__(self):
        self.runs, self.starts = False, 0

    def dump_traceback_later(self, _limit_s, **_options):
        self.runs, self.starts = True, self.starts + 1

    def cancel_dump_traceback_later(self):
        self.runs = False


async def test_the_time_that_storage_takes_does_not_count(tmp_path, monkeypatch):
    timer, running = Timer(), []

    class Storage(LocalSource):
        async def read(self, start, length):
            # Until HDF5's thread has come to wait.
            await asyncio.sleep(0.05)
            running.append(timer.runs)
            return await super().read(start, length)

    monkeypatch.setattr(watchdog, "faulthandler", timer)
    path = tmp_path / "slow.h5"
    path.write_bytes(h5(options={"chunks": (1, 1, 64), "compression": "gzip"}))
    source = Storage(path)
    header, _ = await read_header(source)
    assert running == [False] * len(running)
    assert timer.starts == len(running)
    await read_block(source, header, 0, 64)
    assert not timer.runs


async def test_heaps_all_over_a_file_are_no_endless_work(tmp_path):
    raw = h5(source_name=NAME)
    heap = raw.index(b"GCOL")
    # Each of thousands of heaps claims to go on to the file's end, in objects of no bytes.
    header = raw[heap : heap + 8] + (2**40).to_bytes(8, "little")
    objects = (1).to_bytes(8, "little") + bytes(8)
    path = tmp_path / "heaps.h5"
    path.write_bytes(raw[:heap] + header * 2000 + objects * (BLOCK_BYTES // 4))
    with pytest.raises(BadObservationError, match="HDF5 content is damaged"):
        await read_header(LocalSource(path))


async def test_names_all_over_a_file_are_no_endless_work(tmp_path):
    names = b"\x01\0\x0c\0\x14\0\x08\0source_name\0" * (8 * BLOCK_BYTES // 20)
    path = tmp_path / "names.h5"
    path.write_bytes(h5()[:2048] + names)
    with pytest.raises(BadObservationError):
        await read_header(LocalSource(path))
