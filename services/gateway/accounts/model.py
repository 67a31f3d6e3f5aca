"""Users, API keys, and the slots that limit how many usable keys a user has."""

import functools
import hmac
import re
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

API_KEY_PREFIX = "sk_live_"
API_KEY_BYTES = 32
USE_INTERVAL_S = 60
# Longer than any write to the database may take.
SLOT_GRACE_S = 120
_API_KEY = re.compile(rf"{API_KEY_PREFIX}[0-9a-f]{{{2 * API_KEY_BYTES}}}")


@dataclass(frozen=True)
class User:
    """An owner of jobs and API keys."""

    user_id: str
    tier: str
    name: str
    created_at: int


@dataclass(frozen=True)
class ApiKey:
    """The stored part of an API key: it identifies the key but cannot be used as one. Times are unix seconds."""

    key_id: str
    user_id: str
    name: str
    hash: str
    prefix: str
    created_at: int
    expires_at: int
    active: bool = True
    last_used_at: int | None = None

    def is_expired(self, now_s: float) -> bool:
        """Return whether the key has reached its expiry time."""
        return now_s >= self.expires_at

    def is_usable(self, now_s: float) -> bool:
        """Return whether the key is active and not expired."""
        return self.active and not self.is_expired(now_s)

    def is_use_due(self, now_s: float) -> bool:
        """Return whether a use now should be recorded. Recording is a write, so it happens at most once a minute."""
        return self.last_used_at is None or now_s - self.last_used_at >= USE_INTERVAL_S


@dataclass(frozen=True)
class KeySlot:
    """One of the slots that limit a user's usable keys. A slot is taken before its key is stored."""

    key_id: str
    created_at: int
    expires_at: int

    @classmethod
    def of(cls, key: ApiKey) -> "KeySlot":
        """Return the slot of a key."""
        return cls(key.key_id, key.created_at, key.expires_at)

    @classmethod
    def parse(cls, text: str) -> "KeySlot":
        """Parse the text that `str` returns."""
        key_id, created_at, expires_at = text.split(":")
        return cls(key_id, int(created_at), int(expires_at))

    def __str__(self) -> str:
        return f"{self.key_id}:{self.created_at}:{self.expires_at}"

    def is_vacant(self, key: ApiKey | None, now_s: float) -> bool:
        """Return whether the slot can be released. `key` is the key stored under the slot's id, if any.

        A missing key is about to be stored, unless the slot is older than `SLOT_GRACE_S`: then its request has died.
        """
        if key is None or self != KeySlot.of(key):
            return now_s >= self.created_at + SLOT_GRACE_S
        return not key.is_usable(now_s)


def format_api_key(secret: bytes) -> str:
    """Return the API key that holds 256 random bits."""
    assert len(secret) == API_KEY_BYTES
    return API_KEY_PREFIX + secret.hex()


def is_api_key(text: str) -> bool:
    """Return whether a text has the format of an API key."""
    return _API_KEY.fullmatch(text) is not None


def hash_api_key(api_key: str, pepper: str) -> str:
    """Return the HMAC-SHA256 of a key under the pepper, in hex.

    Keys are looked up by this hash, so the time of a look-up does not depend on the key, and the stored hash is useless
    without the pepper.
    """
    return keyed_hash(api_key, pepper)


def keyed_hash(text: str, pepper: str) -> str:
    """Return the HMAC-SHA256 of a text under the pepper, in hex. Texts of different kinds have different prefixes."""
    keyed = _keyed(pepper).copy()
    keyed.update(text.encode())
    return keyed.hexdigest()


@functools.cache
def _keyed(pepper: str) -> hmac.HMAC:
    """Return the HMAC state that all keys share; a process has one pepper."""
    return hmac.new(pepper.encode(), digestmod="sha256")


def token_user_id(issuer: str, subject: str) -> str:
    """Return the user id of a token's subject. It is stable, and unique for the pair of issuer and subject."""
    return str(uuid5(uuid5(NAMESPACE_URL, issuer), subject))
