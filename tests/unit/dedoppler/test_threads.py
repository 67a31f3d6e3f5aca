"""Work on a pool of threads."""

import threading

import pytest

from services.dedoppler.threads import ThisThread, together


def test_work_side_by_side_keeps_its_order_and_raises_the_first_failure(pool):
    assert together(pool, lambda a, b: a - b, [(k, 1) for k in range(20)]) == list(range(-1, 19))
    assert together(pool, lambda: 1, []) == []
    with pytest.raises(ZeroDivisionError):
        together(pool, lambda a: 1 // a, [(1,), (0,), (2,)])


def test_in_this_thread_work_is_done_at_once_and_failures_are_raised():
    place = threading.get_ident()
    assert together(ThisThread(), lambda: threading.get_ident(), [(), ()]) == [place, place]
    with pytest.raises(ZeroDivisionError):
        ThisThread().submit(lambda a: 1 // a, 0)
