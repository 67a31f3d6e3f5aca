"""A user's large answers at a time: further ones wait, other users don't, and none waits for ever."""

import asyncio

import pytest

from services.gateway.api.errors import ApiError
from services.gateway.api.user_turns import UserTurns


async def test_further_answers_wait_for_their_turn_and_other_users_do_not():
    turns, served, go_on = UserTurns(2, wait_s=60), [], asyncio.Event()

    async def answer(user_id, number):
        async with turns.taken(user_id):
            served.append((user_id, number))
            await go_on.wait()

    tasks = [asyncio.create_task(answer("a", number)) for number in range(5)]
    tasks.append(asyncio.create_task(answer("b", 0)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert served == [("a", 0), ("a", 1), ("b", 0)]
    go_on.set()
    await asyncio.gather(*tasks)
    assert served[3:] == [("a", 2), ("a", 3), ("a", 4)]


async def test_who_waits_too_long_is_refused():
    turns = UserTurns(1, wait_s=0)
    async with turns.taken("a"):
        with pytest.raises(ApiError) as refused:
            await turns.taken("a").__aenter__()
    assert (refused.value.answer.status, refused.value.answer.code) == (429, "too_many_requests")


async def test_an_answer_that_fails_gives_its_turn_back():
    turns = UserTurns(1, wait_s=60)
    for _ in range(2):
        with pytest.raises(ValueError, match="of the answer"):
            async with turns.taken("a"):
                raise ValueError("of the answer")
