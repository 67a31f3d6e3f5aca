"""The thread in which HDF5 is called."""

import asyncio
import gc
import io
import threading
import weakref
from pathlib import Path

import h5py
import numpy as np
import pytest

from shared.filterbank.hdf5.thread import in_hdf5_thread


class Knot:
    """Garbage that only the collector finds, with one of h5py's objects in it."""

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        self.myself = self


class SlowFile(io.BytesIO):
    """Waits for the event loop at the first read, as files in storage do."""

    def __init__(self, raw: bytes, loop: asyncio.AbstractEventLoop, bring: threading.Event) -> None:
        super().__init__(raw)
        self._loop, self._bring = loop, bring

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        assert self._bring.wait(20)
        return super().readinto(buffer)


def hdf5_bytes(path: Path) -> bytes:
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(4)
    return path.read_bytes()


async def test_garbage_of_the_event_loop_does_not_stop_it_while_hdf5_waits_for_it(tmp_path: Path) -> None:
    raw = hdf5_bytes(tmp_path / "x.h5")
    bring, began = threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> list[str]:
        began.set()
        with h5py.File(SlowFile(raw, loop, bring), "r") as file:
            return list(file)

    knot = Knot(h5py.File(io.BytesIO(raw), "r"))
    gone = weakref.ref(knot)
    waiting = asyncio.ensure_future(in_hdf5_thread(work))
    assert await asyncio.to_thread(began.wait, 20)
    del knot
    # More than enough for a collection, if one were allowed; it would never end.
    kept = [[number] for number in range(10 * gc.get_threshold()[0])]
    assert gone() is not None, len(kept)
    bring.set()
    assert await waiting == ["data"]
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("fails", [False, True])
async def test_what_the_work_leaves_goes_in_its_own_thread(tmp_path: Path, *, fails: bool) -> None:
    raw = hdf5_bytes(tmp_path / "x.h5")
    left: list[weakref.ref[Knot]] = []
    threads: list[int] = []

    def work() -> int:
        knot = Knot(h5py.File(io.BytesIO(raw), "r"))
        weakref.finalize(knot, lambda: threads.append(threading.get_ident()))
        left.append(weakref.ref(knot))
        del knot
        if fails:
            raise OSError("so it goes")
        return threading.get_ident()

    if fails:
        with pytest.raises(OSError, match="so it goes"):
            await in_hdf5_thread(work)
    else:
        assert [await in_hdf5_thread(work)] == threads
    assert left[0]() is None
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()
    assert gc.isenabled()
