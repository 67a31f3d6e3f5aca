"""The one thread in which HDF5 is called.

HDF5 has one lock for the whole process. A thread of its own keeps those who wait for it out of the pool whose threads
the sources need for their reads.

The thread holds that lock while it waits for the event loop to bring bytes, and each of h5py's objects takes the lock
when it goes. So none may go in the event loop's thread meanwhile, where the garbage collector would have it go.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from shared.filterbank.hdf5 import watchdog

_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hdf5")

Result = TypeVar("Result")


@contextmanager
def _garbage_stays_here() -> Iterator[None]:
    """No thread collects garbage meanwhile; what has come up by the end is collected in this one."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect(0)  # All that is new is still in the youngest generation.
        if was_enabled:
            gc.enable()


async def in_hdf5_thread(work: Callable[[], Result]) -> Result:
    """The result of `work`, run there; the process ends where HDF5 does not."""

    def run() -> Result:
        with watchdog.limited(), _garbage_stays_here():
            return work()

    return await asyncio.get_running_loop().run_in_executor(_THREAD, run)
