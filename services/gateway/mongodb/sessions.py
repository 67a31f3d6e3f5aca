"""Sessions of browsers, and links that sign in once, in MongoDB."""

from collections.abc import Mapping
from typing import Any

from pymongo import ASCENDING, DESCENDING

from services.gateway.accounts.session import Session
from services.gateway.mongodb.errors import translated


class MongoSessions:
    """The collections `sessions` and `sign_in_links`; only the hashes of tokens are stored.

    Implements `services.gateway.accounts.ports.SessionStore`.
    """

    def __init__(self, sessions: Any, links: Any) -> None:
        self._sessions = sessions
        self._links = links

    async def ensure_indexes(self) -> None:
        """Create the indexes that the queries below use."""
        with translated():
            await self._sessions.create_index([("user_id", ASCENDING), ("created_at", DESCENDING)])
            await self._sessions.create_index([("ends_at", ASCENDING)])
            await self._links.create_index([("ends_at", ASCENDING)])

    async def add_session(self, session: Session, ends_at: int) -> None:
        """Store a new session."""
        document = {
            "_id": session.session_id,
            "user_id": session.user_id,
            "signed_in_with": session.signed_in_with,
            "created_at": session.created_at,
            "used_at": session.used_at,
            "ends_at": ends_at,
        }
        if session.key_hash is not None:
            document["key_hash"] = session.key_hash
        with translated():
            await self._sessions.insert_one(document)

    async def session(self, session_id: str) -> Session | None:
        """Return a session, or None."""
        with translated():
            found = await self._sessions.find_one({"_id": session_id})
        return _session_of(found) if found is not None else None

    async def record_session_use(self, session: Session, ends_at: int) -> None:
        """Store the last use of a session, unless it was deleted."""
        with translated():
            await self._sessions.update_one(
                {"_id": session.session_id}, {"$set": {"used_at": session.used_at, "ends_at": ends_at}}
            )

    async def delete_session(self, session_id: str) -> None:
        """Delete a session. Repeating this changes nothing."""
        with translated():
            await self._sessions.delete_one({"_id": session_id})

    async def delete_oldest_sessions(self, user_id: str, kept: int) -> None:
        """Delete a user's sessions except for the `kept` that were opened last."""
        with translated():
            cursor = self._sessions.find({"user_id": user_id}, {"_id": 1})
            newest_first = cursor.sort([("created_at", DESCENDING), ("_id", ASCENDING)])
            old = [document["_id"] async for document in newest_first.skip(kept)]
            if old:
                await self._sessions.delete_many({"_id": {"$in": old}})

    async def add_link(self, link_hash: str, user_id: str, ends_at: int) -> None:
        """Store a new link."""
        with translated():
            await self._links.insert_one({"_id": link_hash, "user_id": user_id, "ends_at": ends_at})

    async def take_link(self, link_hash: str, now: int) -> str | None:
        """Delete a link and return its user's id; None if there is none, or it has ended. Only one caller gets it."""
        with translated():
            found = await self._links.find_one_and_delete({"_id": link_hash})
        return str(found["user_id"]) if found is not None and found["ends_at"] > now else None

    async def delete_ended(self, now: int) -> int:
        """Delete sessions and links that have ended. Return how many."""
        ended = {"ends_at": {"$lte": now}}
        with translated():
            sessions = await self._sessions.delete_many(ended)
            links = await self._links.delete_many(ended)
        return int(sessions.deleted_count + links.deleted_count)


def _session_of(document: Mapping[str, Any]) -> Session:
    return Session(
        session_id=document["_id"],
        user_id=document["user_id"],
        signed_in_with=document["signed_in_with"],
        created_at=document["created_at"],
        used_at=document["used_at"],
        key_hash=document.get("key_hash"),
    )
