"""The times at which keys were last used: recorded in memory, then stored."""

import asyncio

import pytest

from services.gateway.accounts.key_use import KeyUses
from services.gateway.accounts.model import ApiKey
from shared.errors import TransientError

NOW_S = 1_000_000


class Records:
    def __init__(self) -> None:
        self.written: list[tuple[str, int]] = []
        self.is_away = False

    async def record_key_use(self, key_id: str, used_at: int) -> None:
        if self.is_away:
            raise TransientError("MongoDB is away.")
        self.written.append((key_id, used_at))


def used(last_used_at: int | None) -> ApiKey:
    return ApiKey("k1", "u1", "n", "h", "p", 0, 2_000_000, last_used_at=last_used_at)


async def test_a_use_is_stored_once_a_minute() -> None:
    records = Records()
    uses = KeyUses(records, now_s=lambda: NOW_S)
    uses.note(used(NOW_S - 59))
    await uses.flush()
    assert records.written == []
    for _ in range(100):
        uses.note(used(None))
        uses.note(used(NOW_S - 60))
    await uses.flush()
    await uses.flush()
    assert records.written == [("k1", NOW_S)]


async def test_a_use_that_can_not_be_stored_is_retried() -> None:
    records = Records()
    uses = KeyUses(records, now_s=lambda: NOW_S)
    uses.note(used(None))
    records.is_away = True
    with pytest.raises(TransientError):
        await uses.flush()
    stop = asyncio.Event()
    stop.set()
    await uses.run(stop)
    records.is_away = False
    running = asyncio.create_task(uses.run(stop := asyncio.Event()))
    await asyncio.sleep(0)
    stop.set()
    await running
    assert records.written == [("k1", NOW_S)]
