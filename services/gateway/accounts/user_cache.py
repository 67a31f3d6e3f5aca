"""A cache of keys and users for authentication, so that not every request reads both from MongoDB.

Entries are used for `lifetime_s`. A key revoked, or a tier changed, through this process takes effect at once. Through
another gateway, or through `python -m services.gateway.users`, it takes effect here when the entry expires. A key's own
expiry is checked against the clock at each use, cached or not. Missing keys and users are not cached: a key that
another gateway has just created works here at once.
"""

import time
from collections.abc import Callable

from cachetools import TTLCache

from services.gateway.accounts.model import ApiKey, User
from services.gateway.accounts.ports import UserStore

# Keys, and as many users; some hundred bytes each. The least recently used entry is dropped first.
MAX_ENTRIES = 10_000


class UserCache:
    """The user store with a short-lived cache; used only for authentication."""

    def __init__(
        self,
        users: UserStore,
        *,
        lifetime_s: float,
        max_entries: int = MAX_ENTRIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = users
        self._keys: TTLCache[str, ApiKey] = TTLCache(max_entries, lifetime_s, clock)
        self._users: TTLCache[str, User] = TTLCache(max_entries, lifetime_s, clock)
        self._changes = 0
        users.on_change.append(self.clear)

    def clear(self) -> None:
        """Drop every entry after a change in the store. Changes are rare, so the whole cache goes."""
        self._changes += 1
        self._keys.clear()
        self._users.clear()

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        """Return the key with this hash, usable or not, or None.

        Raises
        ------
        TransientError
            The key is not cached and MongoDB is unavailable.
        """
        try:
            return self._keys[key_hash]
        except KeyError:
            changes = self._changes
        key = await self._store.key_by_hash(key_hash)
        # A key that was read before its revocation, and arrives after it, must not be cached.
        if key is not None and changes == self._changes:
            self._keys[key_hash] = key
        return key

    async def user(self, user_id: str) -> User | None:
        """Return the user, or None.

        Raises
        ------
        TransientError
            The user is not cached and MongoDB is unavailable.
        """
        try:
            return self._users[user_id]
        except KeyError:
            changes = self._changes
        user = await self._store.user(user_id)
        if user is not None and changes == self._changes:
            self._users[user_id] = user
        return user

    async def add_user(self, user: User) -> bool:
        """Store a new user. Return False if the id is taken."""
        return await self._store.add_user(user)
