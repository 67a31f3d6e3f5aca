"""New users and new API keys."""

import secrets
import uuid
from dataclasses import dataclass
from typing import Protocol

from services.gateway.domain import API_KEY_BYTES, API_KEY_PREFIX, ApiKey, User, format_api_key, hash_api_key

DAY_S = 86_400
SHOWN_DIGITS = 4
TRIES = 5


class Accounts(Protocol):
    """What is needed of the user store."""

    async def add_user(self, user: User) -> None:
        """Store a new user."""

    async def add_key(self, key: ApiKey) -> bool:
        """Store a new key; False where its id is taken."""


@dataclass(frozen=True)
class IssuedKey:
    """A new key. `api_key` is the secret itself: it is shown once and stored nowhere."""

    api_key: str
    stored: ApiKey


async def create_user(accounts: Accounts, *, tier: str, name: str, now_s: float) -> User:
    """Store a new user."""
    user = User(user_id=str(uuid.uuid4()), tier=tier, name=name, created_at=int(now_s))
    await accounts.add_user(user)
    return user


async def issue_key(
    accounts: Accounts, *, user_id: str, name: str, ttl_days: int, pepper: str, now_s: float
) -> IssuedKey:
    """Make and store a new key."""
    for _ in range(TRIES):
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
        if await accounts.add_key(stored):
            return IssuedKey(api_key, stored)
    raise RuntimeError(f"No free key id in {TRIES} tries.")
