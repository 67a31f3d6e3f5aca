"""What authentication caches of keys and users, for how long, and what invalidates it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.gateway.accounts.model import ApiKey, User, format_api_key, hash_api_key
from services.gateway.accounts.user_cache import UserCache
from services.gateway.api.auth import ApiKeyAuthentication
from services.gateway.api.errors import ApiError

LIFETIME_S = 3.0
PEPPER = "a pepper of some length"
API_KEY = format_api_key(b"1" * 32)
HASH = hash_api_key(API_KEY, PEPPER)
EXPIRES_AT = 1_000_010


class Directory:
    """A user store that counts its reads. Each gateway has its own, with the same keys and users."""

    def __init__(self, keys: dict[str, ApiKey], users: dict[str, User]) -> None:
        self.keys, self.users = keys, users
        self.on_change: list[Callable[[], None]] = []
        self.asked: list[str] = []
        self.answering = asyncio.Event()
        self.answering.set()

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        self.asked.append("key")
        found = self.keys.get(key_hash)
        # A test decides how long the answer takes.
        await self.answering.wait()
        return found

    async def user(self, user_id: str) -> User | None:
        self.asked.append("user")
        found = self.users.get(user_id)
        await self.answering.wait()
        return found

    async def add_user(self, user: User) -> bool:
        return self.users.setdefault(user.user_id, user) is user

    def revoke(self) -> None:
        self.keys[HASH] = replace(self.keys[HASH], active=False)
        self._tell()

    def set_tier(self, tier: str) -> None:
        self.users["u1"] = replace(self.users["u1"], tier=tier)
        self._tell()

    def _tell(self) -> None:
        for tell in self.on_change:
            tell()


class Clock:
    def __init__(self) -> None:
        self.s = 1_000_000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory() -> Directory:
    key = ApiKey("k1", "u1", "n", HASH, "p", 0, EXPIRES_AT)
    return Directory({HASH: key}, {"u1": User("u1", "free", "n", 0)})


@pytest.fixture
def cache(directory: Directory, clock: Clock) -> UserCache:
    return UserCache(directory, lifetime_s=LIFETIME_S, clock=clock)


async def tier_or_code(cache: UserCache, clock: Clock) -> str:
    """Return the tier of the user that the key authenticates, or the code of the refusal."""
    request = make_mocked_request("GET", "/jobs", headers={"x-api-key": API_KEY})
    assert isinstance(request, web.Request)
    try:
        return (await ApiKeyAuthentication(cache, pepper=PEPPER, now_s=clock)(request)).tier
    except ApiError as error:
        return error.answer.code if error.answer.status == 403 else f"{error.answer.status}"


async def test_key_and_user_are_read_once_and_again_after_their_lifetime(
    cache: UserCache, directory: Directory, clock: Clock
) -> None:
    for _ in range(5):
        assert await tier_or_code(cache, clock) == "free"
        clock.s += 0.59
    assert directory.asked == ["key", "user"]
    # Use does not extend it.
    clock.s += 0.1
    assert await tier_or_code(cache, clock) == "free"
    assert directory.asked == ["key", "user"] * 2


async def test_a_lifetime_of_0_disables_the_cache(directory: Directory, clock: Clock) -> None:
    cache = UserCache(directory, lifetime_s=0, clock=clock)
    for _ in range(3):
        assert await tier_or_code(cache, clock) == "free"
    assert directory.asked == ["key", "user"] * 3


async def test_a_revoked_key_is_refused_at_once(cache: UserCache, directory: Directory, clock: Clock) -> None:
    assert await tier_or_code(cache, clock) == "free"
    directory.revoke()
    assert await tier_or_code(cache, clock) == "revoked_api_key"


async def test_a_changed_tier_takes_effect_at_once(cache: UserCache, directory: Directory, clock: Clock) -> None:
    assert await tier_or_code(cache, clock) == "free"
    directory.set_tier("enterprise")
    assert await tier_or_code(cache, clock) == "enterprise"


async def test_a_cached_key_expires_to_the_second(cache: UserCache, directory: Directory, clock: Clock) -> None:
    clock.s = EXPIRES_AT - 1.0
    assert await tier_or_code(cache, clock) == "free"
    clock.s = EXPIRES_AT - 0.001
    assert await tier_or_code(cache, clock) == "free"
    clock.s = EXPIRES_AT
    assert await tier_or_code(cache, clock) == "expired_api_key"
    assert directory.asked == ["key", "user"]


async def test_another_gateway_sees_a_change_within_the_lifetime(
    cache: UserCache, directory: Directory, clock: Clock
) -> None:
    elsewhere = Directory(directory.keys, directory.users)
    other = UserCache(elsewhere, lifetime_s=LIFETIME_S, clock=clock)
    assert [await tier_or_code(cache, clock), await tier_or_code(other, clock)] == ["free", "free"]
    clock.s += 1
    directory.set_tier("researcher")
    directory.revoke()
    assert [await tier_or_code(cache, clock), await tier_or_code(other, clock)] == ["revoked_api_key", "free"]
    clock.s += LIFETIME_S - 1
    assert await tier_or_code(other, clock) == "revoked_api_key"


async def test_an_answer_read_before_a_change_and_received_after_it_is_not_cached(
    cache: UserCache, directory: Directory, clock: Clock
) -> None:
    directory.answering.clear()
    asking = asyncio.create_task(cache.key_by_hash(HASH))
    await asyncio.sleep(0)
    directory.revoke()
    directory.answering.set()
    found = await asking
    assert found is not None
    assert found.active
    assert await tier_or_code(cache, clock) == "revoked_api_key"


async def test_unknown_keys_are_looked_up_each_time(cache: UserCache, directory: Directory, clock: Clock) -> None:
    key = directory.keys.pop(HASH)
    assert await tier_or_code(cache, clock) == "invalid_api_key"
    # Another gateway has just created it.
    directory.keys[HASH] = key
    assert await tier_or_code(cache, clock) == "free"
    assert await cache.user("u2") is None
    assert await cache.add_user(User("u2", "free", "n", 0))
    assert await cache.user("u2") == User("u2", "free", "n", 0)


async def test_the_size_of_the_cache_is_limited(directory: Directory, clock: Clock) -> None:
    cache = UserCache(directory, lifetime_s=LIFETIME_S, max_entries=3, clock=clock)
    directory.users |= {f"v{number}": User(f"v{number}", "free", "n", 0) for number in range(100)}
    for number in range(100):
        await cache.user(f"v{number}")
    directory.asked.clear()
    for number in reversed(range(100)):
        await cache.user(f"v{number}")
    assert len(directory.asked) == 97
