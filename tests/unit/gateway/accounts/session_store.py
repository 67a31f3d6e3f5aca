"""Users, keys, sessions and links in memory, with counts of look-ups."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from services.gateway.accounts.model import ApiKey, User
from services.gateway.accounts.session import Session


@dataclass
class SessionStore:
    """Implements `SessionStore` and `UserDirectory` of the ports."""

    users: dict[str, User] = field(default_factory=lambda: {"u1": User("u1", "researcher", "Ada", 0)})
    keys: dict[str, ApiKey] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    links: dict[str, tuple[str, int]] = field(default_factory=dict)
    look_ups: int = 0
    uses: int = 0
    during_look_up: Callable[[], Awaitable[None]] | None = None

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        self.look_ups += 1
        return self.keys.get(key_hash)

    async def user(self, user_id: str) -> User | None:
        return self.users.get(user_id)

    async def add_user(self, user: User) -> bool:
        return self.users.setdefault(user.user_id, user) is user

    async def add_session(self, session: Session, ends_at: int) -> None:
        self.sessions[session.session_id], self.ends[session.session_id] = session, ends_at

    async def session(self, session_id: str) -> Session | None:
        self.look_ups += 1
        found = self.sessions.get(session_id)
        if self.during_look_up is not None:
            await self.during_look_up()
        return found

    async def record_session_use(self, session: Session, ends_at: int) -> None:
        self.uses += 1
        if session.session_id in self.sessions:
            await self.add_session(session, ends_at)

    async def delete_session(self, session_id: str) -> None:
        self.sessions.pop(session_id, None)

    async def delete_oldest_sessions(self, user_id: str, kept: int) -> None:
        own = [one for one in self.sessions.values() if one.user_id == user_id]
        for old in own[: max(0, len(own) - kept)]:
            del self.sessions[old.session_id]

    async def add_link(self, link_hash: str, user_id: str, ends_at: int) -> None:
        self.links[link_hash] = (user_id, ends_at)

    async def take_link(self, link_hash: str, now: int) -> str | None:
        self.look_ups += 1
        user_id, ends_at = self.links.pop(link_hash, ("", 0))
        return user_id if ends_at > now else None

    async def delete_ended(self, now: int) -> int:
        ended = [name for name, ends_at in self.ends.items() if ends_at <= now]
        for name in ended:
            await self.delete_session(name)
        return len(ended)
