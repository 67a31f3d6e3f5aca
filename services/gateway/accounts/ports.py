"""What accounts need from storage. Every method raises `TransientError` while the store is unavailable."""

from collections.abc import Callable, Sequence
from typing import Protocol

from services.gateway.accounts.model import ApiKey, KeySlot, User
from services.gateway.accounts.session import Session


class UserDirectory(Protocol):
    """The part of the user store that authentication needs; `UserCache` provides it too."""

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        """Return the key with this hash, usable or not, or None."""

    async def user(self, user_id: str) -> User | None:
        """Return the user, or None."""

    async def add_user(self, user: User) -> bool:
        """Store a new user. Return False if the id is taken."""


class UserStore(UserDirectory, Protocol):
    """Users and their API keys.

    Each function in `on_change` is called after a change that may revoke a key or change a tier.
    """

    on_change: list[Callable[[], None]]

    async def set_tier(self, user_id: str, tier: str) -> bool:
        """Move a user to another tier. Return False if the user does not exist."""

    async def key(self, key_id: str) -> ApiKey | None:
        """Return the key with this id, usable or not, or None."""

    async def keys_of(self, user_id: str) -> Sequence[ApiKey]:
        """Return a user's keys, usable or not, newest first."""

    async def add_key(self, key: ApiKey) -> bool:
        """Store a new key. Return False if its id is taken."""

    async def revoke_key(self, key_id: str) -> None:
        """Mark a key as inactive."""

    async def delete_key(self, key_id: str) -> None:
        """Delete a key."""

    async def record_key_use(self, key_id: str, used_at: int) -> None:
        """Store the time of a key's last use."""

    async def take_key_slot(self, user_id: str, slot: KeySlot, *, limit: int) -> bool:
        """Take one of a user's `limit` key slots. Return False if all are taken."""

    async def release_key_slot(self, user_id: str, slot: KeySlot) -> None:
        """Release a key slot. Repeating this changes nothing."""

    async def key_slots(self, user_id: str) -> Sequence[KeySlot] | None:
        """Return the slots that are taken, or None if the user's slots are not counted yet."""

    async def count_key_slots(self, user_id: str, slots: Sequence[KeySlot]) -> None:
        """Start counting a user's slots with these, unless counting has started already."""


class SessionStore(Protocol):
    """Sessions, by the hashes of their tokens, and links that sign in once, by the hashes of theirs.

    Times are unix seconds. A session or link may stay stored for some time after its end.
    """

    async def add_session(self, session: Session, ends_at: int) -> None:
        """Store a new session."""

    async def session(self, session_id: str) -> Session | None:
        """Return a session, or None."""

    async def record_session_use(self, session: Session, ends_at: int) -> None:
        """Store the last use of a session, unless it was deleted."""

    async def delete_session(self, session_id: str) -> None:
        """Delete a session. Repeating this changes nothing."""

    async def delete_oldest_sessions(self, user_id: str, kept: int) -> None:
        """Delete a user's sessions except for the `kept` that were opened last."""

    async def add_link(self, link_hash: str, user_id: str, ends_at: int) -> None:
        """Store a new link."""

    async def take_link(self, link_hash: str, now: int) -> str | None:
        """Delete a link and return its user's id; None if there is none, or it has ended. Only one caller gets it."""

    async def delete_ended(self, now: int) -> int:
        """Delete sessions and links that have ended. Return how many."""
