"""A request that takes too long is cancelled, and nothing else is."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Middleware

from services.gateway.api.request_timeout import request_timeout_middleware
from shared.errors import TransientError

LIMIT_S = 0.05
REQUEST = make_mocked_request("GET", "/")


def limit_of(limit_s: float) -> Middleware:
    return request_timeout_middleware(limit_s, unlimited=frozenset())


async def ask(limit: Middleware, handle: Callable[[], Awaitable[Any]]) -> web.StreamResponse:
    async def handler(_request: web.Request) -> web.StreamResponse:
        await handle()
        return web.Response()

    return await limit(REQUEST, handler)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_late_request_is_cancelled_and_the_next_one_on_its_connection_is_answered() -> None:
    limit, task = limit_of(LIMIT_S), asyncio.current_task()
    assert task is not None
    for _ in range(2):
        with pytest.raises(TransientError, match=r"0\.05 s"):
            await ask(limit, for_ever)
        assert task.cancelling() == 0
        assert (await ask(limit, lambda: asyncio.sleep(0))).status == 200


async def test_each_request_has_its_own_limit() -> None:
    limit, cancelled = limit_of(8 * LIMIT_S), asyncio.Event()

    async def late() -> None:
        with pytest.raises(TransientError):
            await ask(limit, for_ever)
        cancelled.set()

    async def began_later() -> web.StreamResponse:
        await asyncio.sleep(4 * LIMIT_S)
        return await ask(limit, cancelled.wait)

    _, second, _ = await asyncio.gather(late(), began_later(), ask(limit, lambda: asyncio.sleep(0)))
    assert second.status == 200
    await late()


async def test_a_client_that_disconnects_cancels_the_request() -> None:
    limit = limit_of(3600)
    asking = asyncio.create_task(ask(limit, for_ever))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_request_that_is_cancelled_while_it_times_out_stays_cancelled() -> None:
    limit = limit_of(LIMIT_S)

    async def stubborn() -> None:
        try:
            await for_ever()
        finally:
            # The limit is reached. Now the connection's task is cancelled too, before it has left the request.
            asking.cancel()

    asking = asyncio.create_task(ask(limit, stubborn))
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_handler_that_fails_while_it_is_cancelled_raises_its_own_error() -> None:
    limit, task = limit_of(LIMIT_S), asyncio.current_task()

    async def fail() -> None:
        try:
            await for_ever()
        except asyncio.CancelledError as error:
            raise ValueError("a bug") from error

    with pytest.raises(ValueError, match="a bug"):
        await ask(limit, fail)
    assert task is not None
    assert task.cancelling() == 0


async def test_a_timeout_raised_by_the_handler_is_not_taken_for_the_limit() -> None:
    async def late() -> None:
        raise TimeoutError("a bug")

    with pytest.raises(TimeoutError, match="a bug"):
        await ask(limit_of(3600), late)


async def nested(outer: Middleware, inner: Middleware) -> str:
    """Return what the outer work returns, which survives the inner limit."""
    result = "answered"

    async def outer_work() -> None:
        nonlocal result
        try:
            await ask(inner, for_ever)
        except TransientError:
            result = "inner timed out"

    await ask(outer, outer_work)
    return result


async def test_an_inner_limit_cancels_only_its_own_work() -> None:
    task = asyncio.current_task()
    assert task is not None
    for _ in range(2):
        assert await nested(limit_of(3600), limit_of(LIMIT_S)) == "inner timed out"
        assert task.cancelling() == 0


async def test_an_outer_limit_cancels_both() -> None:
    task = asyncio.current_task()
    assert task is not None
    for _ in range(2):
        with pytest.raises(TransientError, match=r"0\.05 s"):
            await nested(limit_of(LIMIT_S), limit_of(3600))
        assert task.cancelling() == 0


async def test_two_limits_that_end_at_once_both_cancel() -> None:
    outer, inner, task = limit_of(LIMIT_S), limit_of(LIMIT_S), asyncio.current_task()
    assert task is not None

    async def outer_work() -> None:
        # Block until both timers are due, so that the loop handles them together.
        asyncio.get_running_loop().call_soon(time.sleep, 2 * LIMIT_S)
        await ask(inner, for_ever)

    with pytest.raises(TransientError, match=r"0\.05 s"):
        await ask(outer, outer_work)
    assert task.cancelling() == 0


async def test_a_stream_has_no_limit() -> None:
    limit = request_timeout_middleware(LIMIT_S, unlimited=frozenset({"/stream"}))
    request = make_mocked_request("GET", "/stream")
    request.match_info.route.resource.canonical = "/stream"

    async def slow(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3 * LIMIT_S)
        return web.Response()

    assert (await limit(request, slow)).status == 200
