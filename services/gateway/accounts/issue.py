"""Create users and API keys."""

import secrets
import uuid
from dataclasses import dataclass, field

from services.gateway.accounts.errors import KeyLimitError
from services.gateway.accounts.model import (
    API_KEY_BYTES,
    API_KEY_PREFIX,
    ApiKey,
    KeySlot,
    User,
    format_api_key,
    hash_api_key,
)
from services.gateway.accounts.ports import UserStore

DAY_S = 86_400
SHOWN_DIGITS = 4
TRIES = 5
MAX_TTL_DAYS = 365
DEFAULT_TTL_DAYS = 90
# Revoked and expired keys that stay in the user's list.
UNUSABLE_KEYS_KEPT = 50


@dataclass(frozen=True)
class IssuedKey:
    """A new key. `api_key` is the secret itself: it is shown once and never stored."""

    api_key: str = field(repr=False)
    stored: ApiKey


async def create_user(users: UserStore, *, tier: str, name: str, now_s: float) -> User:
    """Store a new user.

    Raises
    ------
    TransientError
        MongoDB is unavailable.
    """
    user = User(user_id=str(uuid.uuid4()), tier=tier, name=name, created_at=int(now_s))
    await users.add_user(user)
    return user


async def issue_key(
    users: UserStore, *, user_id: str, name: str, ttl_days: int, pepper: str, now_s: float, limit: int
) -> IssuedKey:
    """Create and store a new key.

    The slot is taken before the key is stored, so concurrent requests never get more keys than there are slots.

    Raises
    ------
    KeyLimitError
        The user has `limit` usable keys.
    TransientError
        MongoDB is unavailable.
    """
    for _ in range(TRIES):
        issued = _new_key(user_id, name, ttl_days, pepper, now_s)
        slot = KeySlot.of(issued.stored)
        if not await users.take_key_slot(user_id, slot, limit=limit):
            await _release_vacant_slots(users, user_id, now_s)
            if not await users.take_key_slot(user_id, slot, limit=limit):
                raise KeyLimitError(limit)
        if await users.add_key(issued.stored):
            return issued
        await users.release_key_slot(user_id, slot)
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


async def _release_vacant_slots(users: UserStore, user_id: str, now_s: float) -> None:
    """Release the slots of revoked and expired keys."""
    stored = {key.key_id: key for key in await users.keys_of(user_id)}
    slots = await users.key_slots(user_id)
    if slots is None:
        await users.count_key_slots(user_id, [KeySlot.of(key) for key in stored.values() if key.is_usable(now_s)])
        return
    for slot in slots:
        if slot.is_vacant(stored.get(slot.key_id), now_s):
            await users.release_key_slot(user_id, slot)


async def delete_unusable_keys(users: UserStore, user_id: str, now_s: float) -> None:
    """Delete a user's oldest revoked and expired keys, so that creating and revoking keys cannot fill the database.

    Raises
    ------
    TransientError
        MongoDB is unavailable.
    """
    unusable = [key for key in await users.keys_of(user_id) if not key.is_usable(now_s)]
    for key in unusable[UNUSABLE_KEYS_KEPT:]:
        await users.delete_key(key.key_id)
