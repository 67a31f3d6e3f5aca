"""Sessions and sign-in links as they are stored, under races."""

import asyncio
from dataclasses import replace

from services.gateway.accounts.session import Session
from services.gateway.mongodb.store import Store

NOW = 1_712_444_400


def a_session(name: str, *, user_id: str = "u1", created_at: int = NOW, key_hash: str | None = None) -> Session:
    return Session(name, user_id, "api_key", created_at, created_at, key_hash)


async def test_what_was_stored_is_read_back(store: Store) -> None:
    with_key, without = a_session("a", key_hash="h"), a_session("b")
    await store.sessions.add_session(with_key, NOW + 60)
    await store.sessions.add_session(without, NOW + 60)
    assert await store.sessions.session("a") == with_key
    assert await store.sessions.session("b") == without
    assert await store.sessions.session("c") is None


async def test_a_use_is_stored_but_opens_no_deleted_session_again(store: Store) -> None:
    session = a_session("a")
    used = replace(session, used_at=NOW + 100)
    await store.sessions.add_session(session, NOW + 60)
    await store.sessions.record_session_use(used, NOW + 160)
    assert await store.sessions.session("a") == used
    assert await store.sessions.delete_ended(NOW + 159) == 0
    for _ in range(2):
        await store.sessions.delete_session("a")
    await store.sessions.record_session_use(used, NOW + 160)
    assert await store.sessions.session("a") is None


async def test_ended_sessions_and_links_are_deleted(store: Store) -> None:
    for number in range(3):
        await store.sessions.add_session(a_session(f"s{number}"), NOW + number)
        await store.sessions.add_link(f"l{number}", "u1", NOW + number)
    assert await store.sessions.delete_ended(NOW + 1) == 4
    assert await store.sessions.session("s1") is None
    assert await store.sessions.session("s2") is not None
    assert await store.sessions.take_link("l2", NOW) == "u1"


async def test_a_users_oldest_sessions_are_deleted(store: Store) -> None:
    for number in range(5):
        await store.sessions.add_session(a_session(f"s{number}", created_at=NOW + number), NOW + 60)
    await store.sessions.add_session(a_session("other", user_id="u2", created_at=NOW - 100), NOW + 60)
    for _ in range(2):
        await store.sessions.delete_oldest_sessions("u1", 3)
        left = [name for name in ("s0", "s1", "s2", "s3", "s4", "other") if await store.sessions.session(name)]
        assert left == ["s2", "s3", "s4", "other"]


async def test_of_many_uses_of_a_link_one_counts(store: Store) -> None:
    await store.sessions.add_link("l", "u1", NOW + 60)
    taken = await asyncio.gather(*(store.sessions.take_link("l", NOW) for _ in range(50)))
    assert sorted(taken, key=str) == [None] * 49 + ["u1"]


async def test_an_ended_link_gives_nothing(store: Store) -> None:
    await store.sessions.add_link("l", "u1", NOW)
    assert await store.sessions.take_link("l", NOW) is None
    assert await store.sessions.take_link("none", NOW) is None
