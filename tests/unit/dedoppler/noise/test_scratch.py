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


def test_a_block_is_lent_from_the_same_memory():
    scratch = Scratch()
    block = scratch.block((3, 4))
    assert (block.shape, block.dtype, block.flags.c_contiguous) == ((3, 4), np.float32, True)
    scratch.give_back(block)
    assert np.shares_memory(scratch.block((2, 5)), block)


def test_an_array_with_its_own_memory_is_not_kept():
    scratch = Scratch()
    own = np.zeros((3, 4), np.float32)
    scratch.give_back(own)
    assert not np.shares_memory(scratch.take(12), own)
