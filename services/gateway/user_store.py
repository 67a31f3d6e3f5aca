"""Users and their API keys in MongoDB."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.gateway.domain import ApiKey, User
from services.gateway.mongodb_errors import translated


class UserStore:
    """Users and their API keys, of which only the hash is kept."""

    def __init__(self, users: Any, keys: Any) -> None:
        self._users = users
        self._keys = keys

    async def ensure_indexes(self) -> None:
        """Create the indexes that the queries below use."""
        with translated():
            await self._keys.create_index([("hash", ASCENDING)], unique=True)
            await self._keys.create_index([("user_id", ASCENDING)])

    async def add_user(self, user: User) -> None:
        """Store a new user."""
        with translated():
            await self._users.insert_one({**_without(asdict(user), "user_id"), "_id": user.user_id})

    async def user(self, user_id: str) -> User | None:
        """The user, or None."""
        with translated():
            found = await self._users.find_one({"_id": user_id})
        if found is None:
            return None
        return User(user_id=found["_id"], tier=found["tier"], name=found["name"], created_at=found["created_at"])

    async def add_key(self, key: ApiKey) -> bool:
        """Store a new key; False where its id is taken."""
        try:
            with translated():
                await self._keys.insert_one({**_without(asdict(key), "key_id"), "_id": key.key_id})
        except DuplicateKeyError:
            return False
        return True

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        """The key with this hash, valid or not, or None."""
        with translated():
            found = await self._keys.find_one({"hash": key_hash})
        return ApiKey(key_id=found["_id"], **_without(found, "_id")) if found is not None else None


def _without(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}
