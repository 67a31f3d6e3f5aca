"""The one thread in which HDF5 is called.

HDF5 has one lock for the whole process. A thread of its own keeps those who wait for it out of the pool whose threads
the sources need for their reads.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from shared.filterbank import watchdog

_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hdf5")

Result = TypeVar("Result")


async def in_hdf5_thread(work: Callable[[], Result]) -> Result:
    """The result of `work`, run there; the process ends where HDF5 does not."""

    def run() -> Result:
        with watchdog.limited():
            return work()

    return await asyncio.get_running_loop().run_in_executor(_THREAD, run)
