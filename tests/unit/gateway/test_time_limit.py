"""What takes too long is given up; nothing else is."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from services.gateway.api.time_limit import TimeLimit
from shared.errors import TransientError

LIMIT_S = 0.05


def time_limit(limit_s: float) -> TimeLimit:
    return TimeLimit(limit_s, f"It took longer than {limit_s:g} s.")


async def ask(limit: TimeLimit, handle: Callable[[], Awaitable[Any]]) -> web.StreamResponse:
    async def handler() -> web.StreamResponse:
        await handle()
        return web.Response()

    return await limit.keep(handler())


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_late_request_is_given_up_and_the_next_one_of_its_connection_is_answered() -> None:
    limit, task = time_limit(LIMIT_S), asyncio.current_task()
    assert task is not None
    for _ in range(2):
        with pytest.raises(TransientError, match=r"0\.05 s"):
            await ask(limit, for_ever)
        assert task.cancelling() == 0
        assert (await ask(limit, lambda: asyncio.sleep(0))).status == 200


async def test_each_request_has_a_limit_of_its_own() -> None:
    limit, given_up = time_limit(8 * LIMIT_S), asyncio.Event()

    async def late() -> None:
        with pytest.raises(TransientError):
            await ask(limit, for_ever)
        given_up.set()

    async def began_later() -> web.StreamResponse:
        await asyncio.sleep(4 * LIMIT_S)
        return await ask(limit, given_up.wait)

    _, second, _ = await asyncio.gather(late(), began_later(), ask(limit, lambda: asyncio.sleep(0)))
    assert second.status == 200
    # The timer went on to what began later.
    await late()


async def test_who_stops_waiting_is_not_told_of_a_limit() -> None:
    limit = time_limit(3600)
    asking = asyncio.create_task(ask(limit, for_ever))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_request_that_is_cancelled_when_it_is_given_up_stays_cancelled() -> None:
    limit = time_limit(LIMIT_S)

    async def stubborn() -> None:
        try:
            await for_ever()
        finally:
            # The limit was here. Now the connection's task is ended too, before it is out of the request.
            asking.cancel()

    asking = asyncio.create_task(ask(limit, stubborn))
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_handler_that_fails_on_its_way_out_is_told_as_it_failed() -> None:
    limit, task = time_limit(LIMIT_S), asyncio.current_task()

    async def fail() -> None:
        try:
            await for_ever()
        except asyncio.CancelledError as error:
            raise ValueError("a bug") from error

    with pytest.raises(ValueError, match="a bug"):
        await ask(limit, fail)
    assert task is not None
    assert task.cancelling() == 0


async def nested(outer: TimeLimit, inner: TimeLimit) -> str:
    """What the outer work, which may take the inner's failure, comes to."""

    async def outer_work() -> str:
        try:
            await ask(inner, for_ever)
        except TransientError:
            return "inner given up"
        return "answered"

    return await outer.keep(outer_work())


async def test_a_limit_within_another_gives_up_its_own_work_alone() -> None:
    task = asyncio.current_task()
    assert task is not None
    for _ in range(2):
        assert await nested(time_limit(3600), time_limit(LIMIT_S)) == "inner given up"
        assert task.cancelling() == 0


async def test_a_limit_around_another_gives_up_both() -> None:
    task = asyncio.current_task()
    assert task is not None
    for _ in range(2):
        with pytest.raises(TransientError, match=r"0\.05 s"):
            await nested(time_limit(LIMIT_S), time_limit(3600))
        assert task.cancelling() == 0


async def test_two_limits_that_end_at_once_both_give_up() -> None:
    outer, inner, task = time_limit(LIMIT_S), time_limit(LIMIT_S), asyncio.current_task()
    assert task is not None

    async def outer_work() -> None:
        # The loop looks at its timers when both are due.
        asyncio.get_running_loop().call_soon(time.sleep, 2 * LIMIT_S)
        await ask(inner, for_ever)

    with pytest.raises(TransientError, match=r"0\.05 s"):
        await outer.keep(outer_work())
    assert task.cancelling() == 0
