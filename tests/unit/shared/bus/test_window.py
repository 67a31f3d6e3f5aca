"""Which message of a partition may begin, and how far its offset may move."""

import random
from types import SimpleNamespace

import pytest

from shared.bus.window import MOST_WAITING, Window


def records(*keys, first=0):
    return [SimpleNamespace(offset=first + at, key=key) for at, key in enumerate(keys)]


def taken(window, at_once):
    found = []
    while record := window.take(at_once):
        found.append(record.offset)
    return found


def test_one_at_a_time_keeps_the_order():
    window = Window()
    window.add(records("a", "b", "a"))
    for offset in range(3):
        assert taken(window, 1) == [offset]
        window.finish(offset)
    assert window.offset == 3


def test_messages_of_one_key_or_without_a_key_wait_for_each_other():
    window = Window()
    window.add(records("a", "a", None, None, "b"))
    assert taken(window, 9) == [0, 2, 4]
    window.finish(0)
    assert taken(window, 9) == [1]
    window.finish(2)
    assert taken(window, 9) == [3]


def test_the_offset_does_not_pass_what_is_not_done():
    window = Window()
    window.add(records("a", "b", "c", first=7))
    assert taken(window, 3) == [7, 8, 9]
    window.finish(8)
    assert (window.offset, window.is_done(8), window.is_done(9)) == (7, True, False)
    window.finish(7)
    assert window.offset == 9
    window.finish(9)
    assert window.offset == 10


def test_a_gap_in_the_offsets_is_passed():
    """Kafka leaves out offsets where it compacts or ends transactions."""
    window = Window()
    window.add([*records("a"), *records("b", first=5)])
    assert taken(window, 1) == [0]
    window.finish(0)
    assert window.offset == 5


def test_no_more_is_fetched_while_nothing_can_begin():
    window = Window()
    window.add(records("a", "b"))
    taken(window, 2)
    assert (window.wants_more(2), window.wants_more(3)) == (False, True)
    window.add(records(*["a"] * MOST_WAITING, first=2))
    assert not window.wants_more(3)


def test_a_lost_partition_begins_nothing():
    window = Window()
    window.add(records("a", "b"))
    window.is_lost = True
    assert (window.take(2), window.wants_more(2)) == (None, False)


@pytest.mark.parametrize("seed", range(20))
def test_in_any_order_each_message_is_handled_once_and_the_offset_is_that_of_the_first_open_one(seed):
    rng = random.Random(seed)
    every, window = records(*(rng.choice("abcdef") for _ in range(60))), Window()
    waiting, begun, done = list(every), [], set()
    while len(done) < len(every):
        step = rng.random()
        if waiting and step < 0.3:
            window.add([waiting.pop(0)])
        elif step < 0.6 and (record := window.take(4)):
            begun.append(record)
        elif in_hand := window.in_hand:
            window.finish(offset := rng.choice(in_hand))
            done.add(offset)
        assert len(window.in_hand) <= 4
        fetched = every[: len(every) - len(waiting)]
        still_open = [record.offset for record in fetched if record.offset not in done]
        assert window.offset == (still_open[0] if still_open else len(fetched))
    for key in "abcdef":
        own = [record.offset for record in begun if record.key == key]
        assert own == sorted(own)
    assert sorted(record.offset for record in begun) == list(range(60))
