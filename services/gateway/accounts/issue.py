"""New users and new API keys."""

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.gateway.domain import (
    API_KEY_BYTES,
    API_KEY_PREFIX,
    ApiKey,
    KeySlot,
    User,
    format_api_key,
    hash_api_key,
)

DAY_S = 86_400
SHOWN_DIGITS = 4
TRIES = 5
MAX_TTL_DAYS = 365
DEFAULT_TTL_DAYS = 90
# Revoked and expired keys that a user still finds in the list.
KEPT_DEAD_KEYS = 50


class KeyLimitError(Exception):
    """The user has as many keys as one may have."""


class NewUsers(Protocol):
    """What is needed of the user store to add users."""

    async def add_user(self, user: User) -> bool:
        """Store a new user; False where its id is taken."""


class NewKeys(Protocol):
    """What is needed of the user store to add keys."""

    async def take_key_slot(self, user_id: str, slot: KeySlot, *, limit: int) -> bool:
        """Take one of a user's `limit` places for keys; False where all are taken."""

    async def give_key_slot(self, user_id: str, slot: KeySlot) -> None:
        """Give a place back."""

    async def key_slots(self, user_id: str) -> Sequence[KeySlot] | None:
        """The places that are taken; None where nobody counts them yet."""

    async def count_key_slots(self, user_id: str, slots: Sequence[KeySlot]) -> None:
        """Begin to count."""

    async def keys_of(self, user_id: str) -> Sequence[ApiKey]:
        """A user's keys, valid or not, the newest first."""

    async def add_key(self, key: ApiKey) -> bool:
        """Store a new key; False where its id is taken."""

    async def delete_key(self, key_id: str) -> None:
        """Forget a key."""


@dataclass(frozen=True)
class IssuedKey:
    """A new key. `api_key` is the secret itself: it is shown once and stored nowhere."""

    api_key: str = field(repr=False)
    stored: ApiKey


async def create_user(users: NewUsers, *, tier: str, name: str, now_s: float) -> User:
    """Store a new user.

    Raises:
        TransientError: MongoDB is away.
    """
    user = User(user_id=str(uuid.uuid4()), tier=tier, name=name, created_at=int(now_s))
    await users.add_user(user)
    return user


async def issue_key(
    keys: NewKeys, *, user_id: str, name: str, ttl_days: int, pepper: str, now_s: float, limit: int
) -> IssuedKey:
    """Make and store a new key.

    The place is taken before the key is stored: of many requests at once, no more get a key than there are places.

    Raises:
        KeyLimitError: the user has `limit` keys that work.
        TransientError: MongoDB is away.
    """
    for _ in range(TRIES):
        issued = _new_key(user_id, name, ttl_days, pepper, now_s)
        slot = KeySlot.of(issued.stored)
        if not await keys.take_key_slot(user_id, slot, limit=limit):
            await _tidy(keys, user_id, now_s)
            if not await keys.take_key_slot(user_id, slot, limit=limit):
                raise KeyLimitError
        if await keys.add_key(issued.stored):
            return issued
        await keys.give_key_slot(user_id, slot)
    raise RuntimeError(f"No free key id in {TRIES} tries.")


def _new_key(user_id: str, name: str, ttl_days: int, pepper: str, now_s: float) -> IssuedKey:
    api_key = format_api_key(secrets.token_bytes(API_KEY_BYTES))
    stored = ApiKey(
        key_id=secrets.token_hex(4),
        user_id=user_id,
        name=name,
        hash=hash_api_key(api_key, pepper),
        prefix=api_key[: len(API_KEY_PREFIX) + SHOWN_DIGITS],
        created_at=int(now_s),
        expires_at=int(now_s) + ttl_days * DAY_S,
    )
    return IssuedKey(api_key, stored)


async def _tidy(keys: NewKeys, user_id: str, now_s: float) -> None:
    """Give back the places of keys that work no more."""
    stored = {key.key_id: key for key in await keys.keys_of(user_id)}
    slots = await keys.key_slots(user_id)
    if slots is None:
        await keys.count_key_slots(user_id, [KeySlot.of(key) for key in stored.values() if key.is_alive(now_s)])
        return
    for slot in slots:
        if slot.is_vacant(stored.get(slot.key_id), now_s):
            await keys.give_key_slot(user_id, slot)


async def forget_dead_keys(keys: NewKeys, user_id: str, now_s: float) -> None:
    """Delete a user's oldest revoked and expired keys, so that making and revoking keys does not fill the database.

    Raises:
        TransientError: MongoDB is away.
    """
    dead = [key for key in await keys.keys_of(user_id) if not key.is_alive(now_s)]
    for key in dead[KEPT_DEAD_KEYS:]:
        await keys.delete_key(key.key_id)
