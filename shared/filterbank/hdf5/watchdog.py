"""An end to HDF5's work where HDF5 finds none.

A damaged file may send the library into a loop. It holds the interpreter's lock there, so nothing in Python can stop
it, nor does the process answer anybody. So a timer of the interpreter's own ends the process, with a traceback on
standard error. Whoever supervises it starts it anew, and a message that ends a process again and again is given up.
"""

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager

# Of HDF5's own work between two reads. Unpacking the largest chunk that is read takes some seconds.
LIMIT_S = 120.0
STANDARD_ERROR = 2


def _start() -> None:
    faulthandler.dump_traceback_later(LIMIT_S, exit=True, file=STANDARD_ERROR)


@contextmanager
def limited() -> Iterator[None]:
    """End the process where the work within does not end. There is one timer: one piece of work at a time."""
    _start()
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def paused() -> Iterator[None]:
    """Within `limited`: time that does not count, as for storage, which has limits of its own."""
    faulthandler.cancel_dump_traceback_later()
    try:
        yield
    finally:
        _start()
