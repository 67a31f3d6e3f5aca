"""How export is wired."""

import asyncio
import threading

from services.export.app import THREADS, use_few_threads


async def test_pictures_are_drawn_in_few_threads():
    """Each thread that draws keeps memory for good."""
    use_few_threads()
    seen, meet = set(), threading.Barrier(THREADS, timeout=10)

    def note():
        meet.wait()
        seen.add(threading.get_ident())

    # The barrier has all of them at work at once; without a bound, each of these would get a thread of its own.
    await asyncio.gather(*(asyncio.to_thread(note) for _ in range(5 * THREADS)))
    assert len(seen) == THREADS
