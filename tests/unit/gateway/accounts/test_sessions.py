"""Sessions are opened, found, used and closed; what is cached, and for how long."""

from dataclasses import dataclass

import pytest

from services.gateway.accounts.model import User
from services.gateway.accounts.session import SessionLives, is_token, new_token
from services.gateway.accounts.sessions import SESSIONS_PER_USER, Sessions, SignedIn, make_link
from tests.unit.gateway.accounts.session_store import SessionStore

PEPPER = "a pepper of some length"
ADA = User("u1", "researcher", "Ada", 0)
LIVES = SessionLives(idle_s=1000, absolute_s=5000)


@dataclass
class Clock:
    s: float = 1_000_000

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def store() -> SessionStore:
    return SessionStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def gateway(store: SessionStore, clock: Clock, *, cache_s: float = 3, lives: SessionLives = LIVES) -> Sessions:
    return Sessions(store, store, pepper=PEPPER, lives=lives, now_s=clock, cache_s=cache_s, clock=clock)


@pytest.fixture
def sessions(store: SessionStore, clock: Clock) -> Sessions:
    return gateway(store, clock)


async def opened(sessions: Sessions) -> SignedIn:
    found = await sessions.open(ADA, "link")
    assert found is not None
    return found


async def test_a_session_is_found_by_its_token_alone(sessions: Sessions, store: SessionStore) -> None:
    one, two = await opened(sessions), await opened(sessions)
    assert one.token != two.token
    assert one.csrf_token != two.csrf_token
    found = await sessions.find(one.token, is_use=True)
    assert found == one
    assert found.user == ADA
    for secret in (one.token, one.csrf_token):
        assert secret not in repr(store)
        assert secret not in repr(one)


async def test_forged_tokens_need_no_look_up(sessions: Sessions, store: SessionStore) -> None:
    good = (await opened(sessions)).token
    before = store.look_ups
    other = new_token("another pepper of some length")
    for forged in ("", "x", good[:-1], good + "x", good.upper(), other, f"{other.partition('.')[0]}.{good[-32:]}"):
        assert not is_token(forged, PEPPER)
        assert await sessions.find(forged, is_use=True) is None
        await sessions.close(forged)
    assert store.look_ups == before
    assert await sessions.find(good, is_use=True) is not None


async def test_a_token_without_a_session_is_looked_up_once_while_it_is_cached(
    sessions: Sessions, store: SessionStore, clock: Clock
) -> None:
    ended = new_token(PEPPER)
    for _ in range(5):
        assert await sessions.find(ended, is_use=True) is None
    assert store.look_ups == 1
    clock.s += 4
    assert await sessions.find(ended, is_use=True) is None
    assert store.look_ups == 2


async def test_a_session_closed_here_ends_at_once_and_elsewhere_within_the_caches_life(
    sessions: Sessions, store: SessionStore, clock: Clock
) -> None:
    another, token = gateway(store, clock), (await opened(sessions)).token
    assert await another.find(token, is_use=False) is not None
    await sessions.close(token)
    assert await sessions.find(token, is_use=False) is None
    clock.s += 3
    assert await another.find(token, is_use=False) is None


async def test_a_session_closed_while_it_is_read_stays_closed(sessions: Sessions, store: SessionStore) -> None:
    token = (await opened(sessions)).token

    async def close() -> None:
        store.during_look_up = None
        await sessions.close(token)

    store.during_look_up = close
    assert await sessions.find(token, is_use=True) is None
    assert await sessions.find(token, is_use=True) is None


async def test_a_use_prolongs_a_session_up_to_its_absolute_life(
    sessions: Sessions, store: SessionStore, clock: Clock
) -> None:
    first = await opened(sessions)
    assert first.expires_at == clock.s + 1000
    for _ in range(6):
        clock.s += 800
        found = await sessions.find(first.token, is_use=True)
        assert found is not None
    assert found.expires_at == first.session.created_at + 5000
    assert store.ends[first.session.session_id] == found.expires_at
    clock.s = first.session.created_at + 4999.9
    assert await sessions.find(first.token, is_use=True) is not None
    clock.s = first.session.created_at + 5000
    assert await sessions.find(first.token, is_use=True) is None


async def test_uses_are_stored_now_and_then_and_at_every_gateway(
    sessions: Sessions, store: SessionStore, clock: Clock
) -> None:
    another, token = gateway(store, clock, cache_s=0), (await opened(sessions)).token
    for _ in range(300):
        clock.s += 1
        assert await sessions.find(token, is_use=True) is not None
    assert store.uses == 5
    assert (await another.find(token, is_use=False)) == await sessions.find(token, is_use=False)
    short = gateway(store, clock, lives=SessionLives(idle_s=20, absolute_s=5000))
    token = (await opened(short)).token
    for _ in range(30):
        clock.s += 1
        assert await short.find(token, is_use=True) is not None


async def test_a_look_is_no_use(sessions: Sessions, store: SessionStore, clock: Clock) -> None:
    token = (await opened(sessions)).token
    for _ in range(9):
        clock.s += 100
        assert await sessions.find(token, is_use=False) is not None
    clock.s += 100
    assert await sessions.find(token, is_use=True) is None
    assert store.uses == 0


async def test_a_user_has_a_bounded_number_of_sessions(sessions: Sessions, store: SessionStore, clock: Clock) -> None:
    tokens = [(await opened(sessions)).token for _ in range(SESSIONS_PER_USER + 3)]
    assert len(store.sessions) == SESSIONS_PER_USER
    clock.s += 4
    found = [await sessions.find(token, is_use=False) is not None for token in tokens]
    assert found == [False] * 3 + [True] * SESSIONS_PER_USER


async def test_a_link_works_once_and_only_for_its_user_and_time(
    sessions: Sessions, store: SessionStore, clock: Clock
) -> None:
    async def link(user_id: str = "u1") -> str:
        return await make_link(store, user_id=user_id, pepper=PEPPER, now_s=clock(), lasts_s=60)

    token = await link()
    assert token not in repr(store)
    assert await sessions.use_link(token) == ADA
    assert await sessions.use_link(token) is None
    late, removed = await link(), await link("u9")
    assert await sessions.use_link(removed) is None
    clock.s += 60
    assert await sessions.use_link(late) is None
