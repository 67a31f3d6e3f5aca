"""Users and their API keys in MongoDB."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from services.gateway.accounts.model import USE_INTERVAL_S, ApiKey, KeySlot, User
from services.gateway.mongodb.errors import translated


class MongoUserStore:
    """The collections `users` and `api_keys`; only the hashes of keys are stored.

    Implements `services.gateway.accounts.ports.UserStore`. Each function in `on_change` is called after a change that
    may revoke a key or change a tier.
    """

    def __init__(self, users: Any, keys: Any) -> None:
        self._users = users
        self._keys = keys
        self.on_change: list[Callable[[], None]] = []

    async def ensure_indexes(self) -> None:
        """Create the indexes that the queries below use."""
        with translated():
            await self._keys.create_index([("hash", ASCENDING)], unique=True)
            await self._keys.create_index([("user_id", ASCENDING)])

    async def add_user(self, user: User) -> bool:
        """Store a new user. Return False if the id is taken."""
        document = {**_without(asdict(user), "user_id"), "_id": user.user_id, "key_count": 0, "key_slots": []}
        return await _inserted(self._users, document)

    async def user(self, user_id: str) -> User | None:
        """Return the user, or None."""
        with translated():
            found = await self._users.find_one({"_id": user_id})
        if found is None:
            return None
        return User(user_id=found["_id"], tier=found["tier"], name=found["name"], created_at=found["created_at"])

    async def set_tier(self, user_id: str, tier: str) -> bool:
        """Move a user to another tier. Return False if the user does not exist."""
        with translated(), self._notifying():
            updated = await self._users.update_one({"_id": user_id}, {"$set": {"tier": tier}})
        return bool(updated.matched_count)

    async def take_key_slot(self, user_id: str, slot: KeySlot, *, limit: int) -> bool:
        """Take one of a user's `limit` key slots. Return False if all are taken."""
        # Not $ne, with which some servers compare the list as a whole.
        query = {"_id": user_id, "key_count": {"$lt": limit}, "key_slots": {"$nin": [str(slot)]}}
        with translated():
            updated = await self._users.update_one(
                query, {"$inc": {"key_count": 1}, "$addToSet": {"key_slots": str(slot)}}
            )
        return bool(updated.matched_count)

    async def release_key_slot(self, user_id: str, slot: KeySlot) -> None:
        """Release a key slot. Repeating this changes nothing."""
        with translated():
            await self._users.update_one(
                {"_id": user_id, "key_slots": str(slot)}, {"$inc": {"key_count": -1}, "$pull": {"key_slots": str(slot)}}
            )

    async def key_slots(self, user_id: str) -> Sequence[KeySlot] | None:
        """Return the slots that are taken, or None if they are not counted yet: the user is older than the limit."""
        with translated():
            found = await self._users.find_one({"_id": user_id})
        if found is None or "key_slots" not in found:
            return None
        return [KeySlot.parse(text) for text in found["key_slots"]]

    async def count_key_slots(self, user_id: str, slots: Sequence[KeySlot]) -> None:
        """Start counting a user's slots with these, unless counting has started already."""
        fields = {"key_count": len(slots), "key_slots": [str(slot) for slot in slots]}
        with translated():
            await self._users.update_one({"_id": user_id, "key_count": {"$exists": False}}, {"$set": fields})

    async def add_key(self, key: ApiKey) -> bool:
        """Store a new key. Return False if its id is taken."""
        document = {**_without(asdict(key), "key_id"), "_id": key.key_id}
        if key.last_used_at is None:
            del document["last_used_at"]
        return await _inserted(self._keys, document)

    async def key(self, key_id: str) -> ApiKey | None:
        """Return the key with this id, usable or not, or None."""
        with translated():
            return _key_of(await self._keys.find_one({"_id": key_id}))

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        """Return the key with this hash, usable or not, or None."""
        with translated():
            return _key_of(await self._keys.find_one({"hash": key_hash}))

    async def keys_of(self, user_id: str) -> Sequence[ApiKey]:
        """Return a user's keys, usable or not, newest first."""
        with translated():
            cursor = self._keys.find({"user_id": user_id}).sort([("created_at", DESCENDING), ("_id", ASCENDING)])
            return [key async for document in cursor if (key := _key_of(document)) is not None]

    async def revoke_key(self, key_id: str) -> None:
        """Mark a key as inactive."""
        with translated(), self._notifying():
            await self._keys.update_one({"_id": key_id}, {"$set": {"active": False}})

    async def delete_key(self, key_id: str) -> None:
        """Delete a key."""
        with translated(), self._notifying():
            await self._keys.delete_one({"_id": key_id})

    async def record_key_use(self, key_id: str, used_at: int) -> None:
        """Store the time of a key's last use, unless another process has stored one less than a minute before it."""
        # Two updates, because some servers match too much with $or in the query of an update.
        for unless_recent in ({"$exists": False}, {"$lte": used_at - USE_INTERVAL_S}):
            query = {"_id": key_id, "last_used_at": unless_recent}
            with translated():
                updated = await self._keys.update_one(query, {"$set": {"last_used_at": used_at}})
            if updated.matched_count:
                return

    @contextmanager
    def _notifying(self) -> Iterator[None]:
        """Call the functions in `on_change` after a change, even a failed one: it may have been made."""
        try:
            yield
        finally:
            for notify in self.on_change:
                notify()


async def _inserted(collection: Any, document: Mapping[str, Any]) -> bool:
    try:
        with translated():
            await collection.insert_one(document)
    except DuplicateKeyError:
        return False
    return True


def _key_of(document: Mapping[str, Any] | None) -> ApiKey | None:
    if document is None:
        return None
    return ApiKey(
        key_id=document["_id"],
        user_id=document["user_id"],
        name=document["name"],
        hash=document["hash"],
        prefix=document["prefix"],
        created_at=document["created_at"],
        expires_at=document["expires_at"],
        # The embedded server returns a boolean that an update wrote as a number.
        active=bool(document["active"]),
        last_used_at=document.get("last_used_at"),
    )


def _without(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}
