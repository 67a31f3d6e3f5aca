"""Open, find and close sessions, and make and use links that sign in once.

Found sessions are cached like users: a session that another gateway has closed ends here within the cache's life. A
token that has no session never gets one, so that is cached too.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cachetools import TTLCache

from services.gateway.accounts.model import User
from services.gateway.accounts.ports import SessionStore, UserDirectory
from services.gateway.accounts.session import (
    Session,
    SessionLives,
    SignedInWith,
    csrf_token,
    hash_link_token,
    hash_token,
    is_token,
    new_link_token,
    new_token,
)

# A user with more sessions loses the one that was opened first.
SESSIONS_PER_USER = 50
# Sessions, some hundred bytes each. The least recently used entry is dropped first.
MAX_CACHED = 10_000


@dataclass(frozen=True)
class SignedIn:
    """A user's open session, with the secrets of its browser."""

    session: Session
    user: User
    expires_at: int
    token: str = field(repr=False)
    csrf_token: str = field(repr=False)


class Sessions:
    """The sessions of all users."""

    def __init__(
        self,
        store: SessionStore,
        directory: UserDirectory,
        *,
        pepper: str,
        lives: SessionLives,
        now_s: Callable[[], float],
        cache_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._directory = directory
        self._pepper = pepper
        self._lives = lives
        self._now_s = now_s
        self._cache: TTLCache[str, Session | None] = TTLCache(MAX_CACHED, cache_s, clock)

    async def open(self, user: User, signed_in_with: SignedInWith, *, key_hash: str | None = None) -> SignedIn | None:
        """Open a session with a new token. Return None if the API key that opens it has ended.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        token, now = new_token(self._pepper), int(self._now_s())
        session = Session(hash_token(token, self._pepper), user.user_id, signed_in_with, now, now, key_hash)
        await self._store.add_session(session, self._lives.ends_at(session))
        await self._store.delete_oldest_sessions(user.user_id, SESSIONS_PER_USER)
        return await self._signed_in(token, session)

    async def find(self, token: str, *, is_use: bool) -> SignedIn | None:
        """Return the open session of a token, or None. A use makes it last longer.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        if not is_token(token, self._pepper):
            return None
        session = await self._session(hash_token(token, self._pepper))
        if session is None or self._now_s() >= self._lives.ends_at(session):
            return None
        if is_use and self._lives.is_use_due(session, self._now_s()):
            session = await self._used(session)
        return await self._signed_in(token, session)

    async def close(self, token: str) -> None:
        """End a session. Repeating this changes nothing.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        if is_token(token, self._pepper):
            session_id = hash_token(token, self._pepper)
            await self._store.delete_session(session_id)
            self._cache[session_id] = None

    async def use_link(self, link_token: str) -> User | None:
        """Return the user of a link that was not used before, and use it up; None if there is no such link.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        user_id = await self._store.take_link(hash_link_token(link_token, self._pepper), int(self._now_s()))
        return await self._directory.user(user_id) if user_id is not None else None

    async def _session(self, session_id: str) -> Session | None:
        try:
            return self._cache[session_id]
        except KeyError:
            session = await self._store.session(session_id)
        # A session that was closed while it was read stays closed.
        return self._cache.setdefault(session_id, session)

    async def _used(self, session: Session) -> Session:
        used = replace(session, used_at=int(self._now_s()))
        await self._store.record_session_use(used, self._lives.ends_at(used))
        if self._cache.get(session.session_id) is not None:
            self._cache[session.session_id] = used
        return used

    async def _signed_in(self, token: str, session: Session) -> SignedIn | None:
        expires_at = self._lives.ends_at(session)
        if session.key_hash is not None:
            key = await self._directory.key_by_hash(session.key_hash)
            if key is None or not key.is_usable(self._now_s()):
                return None
            expires_at = min(expires_at, key.expires_at)
        user = await self._directory.user(session.user_id)
        if user is None:
            return None
        return SignedIn(session, user, expires_at, token, csrf_token(token, self._pepper))


async def make_link(store: SessionStore, *, user_id: str, pepper: str, now_s: float, lasts_s: float) -> str:
    """Store a link that signs this user in once, and return its token. Only its hash is stored.

    Raises
    ------
    TransientError
        MongoDB is unavailable.
    """
    token = new_link_token()
    await store.add_link(hash_link_token(token, pepper), user_id, int(now_s + lasts_s))
    return token
