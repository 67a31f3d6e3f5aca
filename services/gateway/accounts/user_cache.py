"""Keys and users as authentication remembers them, so that not every request reads both from MongoDB.

What was read is believed for `lifetime_s`. A key that is revoked, or a tier that is changed, through this process
counts at once; through another gateway (or `python -m services.gateway.users`) it counts here when what is remembered
has run out. When a key expires is checked against the clock at each use, remembered or not. What is not there is not
remembered: a key that another gateway has just made works here at once.
"""

import time
from collections.abc import Callable
from typing import Protocol

from cachetools import TTLCache

from services.gateway.domain import ApiKey, User

# Of each kind; some hundred bytes apiece. Beyond that, what was asked for longest ago goes.
MAX_REMEMBERED = 10_000


class Directory(Protocol):
    """What is needed of the user store."""

    on_change: list[Callable[[], None]]

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        """The key with this hash, valid or not, or None."""

    async def user(self, user_id: str) -> User | None:
        """The user, or None."""

    async def add_user(self, user: User) -> bool:
        """Store a new user; False where its id is taken."""


class UserCache:
    """The user store, with a short memory; only for telling who is asking."""

    def __init__(
        self,
        directory: Directory,
        *,
        lifetime_s: float,
        max_remembered: int = MAX_REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._keys: TTLCache[str, ApiKey] = TTLCache(max_remembered, lifetime_s, clock)
        self._users: TTLCache[str, User] = TTLCache(max_remembered, lifetime_s, clock)
        self._changes = 0
        directory.on_change.append(self.forget)

    def forget(self) -> None:
        """Believe nothing that was read before: something was changed. That is rare, so all goes, not just that."""
        self._changes += 1
        self._keys.clear()
        self._users.clear()

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        """The key with this hash, valid or not, or None.

        Raises:
            TransientError: it is not remembered, and MongoDB is away.
        """
        try:
            return self._keys[key_hash]
        except KeyError:
            changes = self._changes
        key = await self._directory.key_by_hash(key_hash)
        # A key that was read before it was revoked, and arrives after that, must not be remembered.
        if key is not None and changes == self._changes:
            self._keys[key_hash] = key
        return key

    async def user(self, user_id: str) -> User | None:
        """The user, or None.

        Raises:
            TransientError: it is not remembered, and MongoDB is away.
        """
        try:
            return self._users[user_id]
        except KeyError:
            changes = self._changes
        user = await self._directory.user(user_id)
        if user is not None and changes == self._changes:
            self._users[user_id] = user
        return user

    async def add_user(self, user: User) -> bool:
        """Store a new user; False where its id is taken."""
        return await self._directory.add_user(user)
