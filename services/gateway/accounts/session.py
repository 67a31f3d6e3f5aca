"""Sessions of browsers, and links that sign in once: the rules.

A session's token is a long random text with a tag that only this service can make. The browser keeps it in a cookie;
the store keeps its hash, so that nobody can use what is stored.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal

from services.gateway.accounts.model import keyed_hash

TOKEN_BYTES = 32
TAG_DIGITS = 32
# A use is stored at most once a minute, and often enough for short lives.
USE_INTERVAL_S = 60
USES_PER_LIFE = 10
_TOKEN = re.compile(rf"([A-Za-z0-9_-]{{43}})\.([0-9a-f]{{{TAG_DIGITS}}})")

SignedInWith = Literal["api_key", "link", "oidc"]


@dataclass(frozen=True)
class Session:
    """The stored part of a session. `session_id` is the hash of its token; times are unix seconds.

    A session that an API key has opened has that key's hash: it ends with the key.
    """

    session_id: str
    user_id: str
    signed_in_with: SignedInWith
    created_at: int
    used_at: int
    key_hash: str | None = None


@dataclass(frozen=True)
class SessionLives:
    """How long sessions last: `idle_s` without a use, and `absolute_s` in any case."""

    idle_s: float
    absolute_s: float

    def ends_at(self, session: Session) -> int:
        """Return when a session ends if it is not used again, unix seconds."""
        return int(min(session.used_at + self.idle_s, session.created_at + self.absolute_s))

    def is_use_due(self, session: Session, now_s: float) -> bool:
        """Return whether a use now should be stored. Storing it is a write, so not every use is."""
        return now_s - session.used_at >= min(USE_INTERVAL_S, self.idle_s / USES_PER_LIFE)


def new_token(pepper: str) -> str:
    """Return the token of a new session: 256 random bits and their tag."""
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    return f"{secret}.{_tag(secret, pepper)}"


def is_token(text: str, pepper: str) -> bool:
    """Return whether a text is a token that this service has made: others need no look-up."""
    found = _TOKEN.fullmatch(text)
    return found is not None and hmac.compare_digest(found[2], _tag(found[1], pepper))


def hash_token(token: str, pepper: str) -> str:
    """Return the hash by which the session of a token is looked up."""
    return keyed_hash(f"session:{token}", pepper)


def csrf_token(token: str, pepper: str) -> str:
    """Return what a page has to send with changes. Only pages of this service can read it."""
    return keyed_hash(f"csrf:{token}", pepper)


def new_link_token() -> str:
    """Return the token of a new link: 256 random bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_link_token(token: str, pepper: str) -> str:
    """Return the hash by which a link is looked up."""
    return keyed_hash(f"link:{token}", pepper)


def _tag(secret: str, pepper: str) -> str:
    return keyed_hash(f"tag:{secret}", pepper)[:TAG_DIGITS]
