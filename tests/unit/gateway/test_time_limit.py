"""A request that takes too long is given up; nothing else is."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.gateway.time_limit import TimeLimit
from shared.errors import TransientError

LIMIT_S = 0.05


async def ask(limit: TimeLimit, handle: Callable[[], Awaitable[Any]]) -> web.StreamResponse:
    async def handler(_request: web.Request) -> web.StreamResponse:
        await handle()
        return web.Response()

    return await limit.keep(make_mocked_request("GET", "/"), handler)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_late_request_is_given_up_and_the_next_one_of_its_connection_is_answered() -> None:
    limit, task = TimeLimit(LIMIT_S), asyncio.current_task()
    assert task is not None
    for _ in range(2):
        with pytest.raises(TransientError, match=r"0\.05 s"):
            await ask(limit, for_ever)
        assert task.cancelling() == 0
        assert (await ask(limit, lambda: asyncio.sleep(0))).status == 200


async def test_each_request_has_a_limit_of_its_own() -> None:
    limit, given_up = TimeLimit(8 * LIMIT_S), asyncio.Event()

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
    limit = TimeLimit(3600)
    asking = asyncio.create_task(ask(limit, for_ever))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_request_that_is_cancelled_when_it_is_given_up_stays_cancelled() -> None:
    limit = TimeLimit(LIMIT_S)

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
    limit, task = TimeLimit(LIMIT_S), asyncio.current_task()

    async def fail() -> None:
        try:
            await for_ever()
        except asyncio.CancelledError as error:
            raise ValueError("a bug") from error

    with pytest.raises(ValueError, match="a bug"):
        await ask(limit, fail)
    assert task is not None
    assert task.cancelling() == 0
