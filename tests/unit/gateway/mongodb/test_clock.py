"""All gateways use the database's clock, not the clocks of their machines."""

import asyncio

import pytest

from services.gateway.mongodb import clock as clock_module
from services.gateway.mongodb.clock import DatabaseClock
from shared.errors import TransientError

NOW_MS = 1_712_444_400_000


class Database:
    """A database that returns its time, with a delay of `trip_s` each way; can be unavailable."""

    def __init__(self):
        self.ms = NOW_MS
        self.true_s = 0.0
        self.trip_s = 0.0
        self.is_away = False
        self.asked = 0

    async def now_ms(self):
        self.asked += 1
        if self.is_away:
            raise TransientError("The job store is away.")
        self.advance(self.trip_s)
        answer = round(self.ms)
        self.advance(self.trip_s)
        return answer

    def advance(self, seconds):
        self.ms += 1000 * seconds
        self.true_s += seconds


@pytest.fixture
def database():
    return Database()


async def clock_of(database, started_s=0.0):
    """Return the clock of a gateway whose machine was started at another time."""
    clock = DatabaseClock(database.now_ms, monotonic_s=lambda: started_s + database.true_s)
    await clock.set()
    return clock


async def test_two_machines_agree_without_further_requests(database):
    one, other = await clock_of(database), await clock_of(database, started_s=86_400.5)
    assert one() == other() == NOW_MS
    database.advance(12.345)
    assert one() == other() == NOW_MS + 12_345
    assert one.now_s() == (NOW_MS + 12_345) / 1000
    assert database.asked == 2


async def test_the_delay_of_the_answer_is_included(database):
    database.trip_s = 0.2
    clock = await clock_of(database)
    assert clock() == round(database.ms)


async def test_a_slow_answer_does_not_move_the_clock(database):
    clock = await clock_of(database)
    database.trip_s = 3.0
    database.ms += 5_000
    await clock.set()
    assert clock() == NOW_MS + 6_000


async def test_the_clock_follows_when_the_database_clock_is_set(database):
    clock = await clock_of(database)
    database.ms -= 60_000
    await clock.set()
    assert clock() == NOW_MS - 60_000


async def test_the_clock_continues_and_asks_again_while_the_database_is_unavailable(database, monkeypatch):
    monkeypatch.setattr(clock_module, "READ_INTERVAL_S", 0.001)
    clock, stop = await clock_of(database), asyncio.Event()
    database.is_away = True
    running = asyncio.create_task(clock.run(stop))
    async with asyncio.timeout(10):
        while database.asked < 3:  # noqa: ASYNC110 -- another task changes this counter
            await asyncio.sleep(0.001)
    database.advance(7)
    assert clock() == NOW_MS + 7_000
    database.is_away = False
    database.ms += 500
    async with asyncio.timeout(10):
        while clock() != NOW_MS + 7_500:  # noqa: ASYNC110 -- another task sets this clock
            await asyncio.sleep(0.001)
    stop.set()
    await asyncio.wait_for(running, 10)


def test_a_clock_that_was_never_set_has_no_time(database):
    with pytest.raises(RuntimeError, match="has not been read"):
        DatabaseClock(database.now_ms)()


async def test_the_clock_sends_no_request_when_the_process_stops(database):
    clock, stop = await clock_of(database), asyncio.Event()
    stop.set()
    await asyncio.wait_for(clock.run(stop), 10)
    assert database.asked == 1
