"""Work on a pool of threads."""

import pytest

from services.dedoppler.threads import together


def test_work_side_by_side_keeps_its_order_and_raises_the_first_failure(pool):
    assert together(pool, lambda a, b: a - b, [(k, 1) for k in range(20)]) == list(range(-1, 19))
    assert together(pool, lambda: 1, []) == []
    with pytest.raises(ZeroDivisionError):
        together(pool, lambda a: 1 // a, [(1,), (0,), (2,)])
