"""Numbers of starts are read from and written to the metadata of an offset."""

from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from shared.bus.attempts import AttemptLog
from shared.bus.window import Window

AT = TopicPartition("topic", 0)


class Admin:
    """Answers with one committed offset."""

    def __init__(self, offset, metadata):
        self.found = SimpleNamespace(offset=offset, metadata=metadata)

    async def list_consumer_group_offsets(self, _group, partitions):
        return dict.fromkeys(partitions, self.found)


def log_of(offset, metadata):
    log = AttemptLog("127.0.0.1:1", "group")
    log._admin = Admin(offset, metadata)
    return log


def window_of(*offsets, first=5):
    window = Window()
    window.add([SimpleNamespace(offset=at, key=str(at)) for at in range(first, first + 4)])
    while window.take(4):
        pass
    for offset in offsets:
        window.finish(offset)
    return window


@pytest.mark.parametrize(
    ("metadata", "starts"),
    [
        ("", [0, 0, 0]),
        ("of another program", [0, 0, 0]),
        ("starts=2", [2, 0, 0]),
        ("starts_at=5:1,7:3", [1, 0, 3]),
        ("starts_at=2:9,6:1", [0, 1, 0]),
    ],
)
async def test_starts_by_other_processes_are_read(metadata, starts):
    log = log_of(5, metadata)
    assert [await log.count(AT, offset) for offset in (5, 6, 7)] == starts
    assert log.has_dangerous(AT, window_of()) == any(starts)


async def test_until_they_are_read_any_message_may_be_dangerous():
    log = log_of(5, "")
    assert log.has_dangerous(AT, window_of())
    await log.count(AT, 5)
    assert not log.has_dangerous(AT, window_of())


async def test_starts_are_written_until_their_message_is_done():
    log = log_of(5, "starts_at=5:1,8:2")
    await log.count(AT, 5)
    for offset in (5, 6):
        log.add_own(AT, offset, 1)
    assert log.metadata(AT, window_of()) == "starts_at=5:2,6:1,8:2"
    assert log.metadata(AT, window_of(6)) == "starts_at=5:2,8:2"
    assert log.metadata(AT, window_of(5, 6)) == "starts_at=8:2"
    assert log.has_dangerous(AT, window_of(5, 6, 7))
    assert log.metadata(AT, window_of(5, 6, 7, 8)) == ""
    assert not log.has_dangerous(AT, window_of(5, 6, 7, 8))


async def test_one_message_s_starts_are_written_as_earlier_versions_read_them():
    log = log_of(5, "starts=1")
    await log.count(AT, 5)
    log.add_own(AT, 5, 1)
    assert log.metadata(AT, window_of()) == "starts=2"
    log.add_own(AT, 5, -1)
    assert log.metadata(AT, window_of()) == "starts=1"
    log.clear(AT, 5)
    assert log.metadata(AT, window_of()) == ""


async def test_a_process_does_not_count_its_own_starts():
    log = log_of(5, "")
    await log.count(AT, 5)
    for offset in (5, 6):
        log.add_own(AT, offset, 1)
    # It hung, another member took over, and that one's start is on record as well.
    log._admin.found.metadata = "starts_at=5:1,6:2"
    log.forget([AT])
    assert [await log.count(AT, offset) for offset in (5, 6)] == [0, 1]
