"""The memory that consecutive searches share."""

import numpy as np

from services.dedoppler.noise.scratch import Scratch


def test_memory_given_back_is_lent_again():
    scratch = Scratch()
    first = scratch.take(12)
    assert first.dtype == np.float32
    scratch.give_back(first.reshape(3, 4))
    again = scratch.take(8)
    assert len(again) == 8
    assert np.shares_memory(first, again)


def test_one_array_is_lent_to_one_caller_at_a_time():
    scratch = Scratch()
    scratch.give_back(scratch.take(12))
    one, other = scratch.take(12), scratch.take(12)
    assert not np.shares_memory(one, other)


def test_too_small_an_array_is_replaced():
    scratch = Scratch()
    small = scratch.take(4)
    scratch.give_back(small)
    large = scratch.take(100)
    assert len(large) == 100
    assert not np.shares_memory(small, large)


def test_only_the_last_array_is_kept():
    scratch = Scratch()
    first, last = scratch.take(10), scratch.take(10)
    scratch.give_back(first)
    scratch.give_back(last)
    assert np.shares_memory(scratch.take(10), last)
    assert not np.shares_memory(scratch.take(10), first)
