"""The connection to MongoDB, which only the gateway opens, and the collections there."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.gateway.mongodb.cadences import MongoCadenceStore
from services.gateway.mongodb.changes import MongoChanges
from services.gateway.mongodb.errors import translated
from services.gateway.mongodb.idempotency_keys import MongoIdempotencyKeys
from services.gateway.mongodb.jobs import MongoJobStore
from services.gateway.mongodb.quotas import MongoQuotas
from services.gateway.mongodb.reports import MongoReports
from services.gateway.mongodb.reviews import MongoReviews
from services.gateway.mongodb.sessions import MongoSessions
from services.gateway.mongodb.stored_uploads import MongoStoredUploads
from services.gateway.mongodb.uploads import MongoUploadRecords
from services.gateway.mongodb.users import MongoUserStore
from services.gateway.mongodb.verdicts import MongoVerdicts
from services.gateway.settings import Settings


@dataclass(frozen=True)
class Store:
    """The database and its collections."""

    database: Any
    jobs: MongoJobStore
    cadences: MongoCadenceStore
    changes: MongoChanges
    users: MongoUserStore
    reports: MongoReports
    quotas: MongoQuotas
    idempotency_keys: MongoIdempotencyKeys
    uploads: MongoUploadRecords
    stored_uploads: MongoStoredUploads
    verdicts: MongoVerdicts
    sessions: MongoSessions
    reviews: MongoReviews

    async def check(self) -> None:
        """Raise `TransientError` unless the server answers."""
        with translated():
            await self.database.command("ping")

    async def now_ms(self) -> int:
        """Return the server's time, unix ms. The server writes it to a document: not every server lets users read it.

        Raises
        ------
        TransientError
            MongoDB is unavailable.
        """
        try:
            written = await self._write_now()
        except DuplicateKeyError:
            # The very first gateways started at once: another one inserted the document after this one looked for it.
            written = await self._write_now()
        # The driver returns times in UTC, without a time zone.
        at: datetime = written["at"].replace(tzinfo=UTC)
        return round(1000 * at.timestamp())

    async def _write_now(self) -> dict[str, Any]:
        with translated():
            written: dict[str, Any] = await self.database["clock"].find_one_and_update(
                {"_id": "now"}, {"$currentDate": {"at": True}}, upsert=True, return_document=ReturnDocument.AFTER
            )
        return written

    async def ensure_indexes(self) -> None:
        """Create every index that does not exist yet."""
        await self.jobs.ensure_indexes()
        await self.cadences.ensure_indexes()
        await self.changes.ensure_indexes()
        await self.users.ensure_indexes()
        await self.reports.ensure_indexes()
        await self.quotas.ensure_indexes()
        await self.idempotency_keys.ensure_indexes()
        await self.uploads.ensure_indexes()
        await self.verdicts.ensure_indexes()
        await self.sessions.ensure_indexes()
        await self.reviews.ensure_indexes()


@asynccontextmanager
async def open_store(settings: Settings, *, make_client: Callable[..., Any] | None = None) -> AsyncIterator[Store]:
    """Connect to MongoDB with the settings' URL and time-outs.

    `make_client` constructs the driver's client: motor's, or one with the same interface such as pymongo's
    `AsyncMongoClient`. Nothing else in the gateway depends on which one it is.

    Raises
    ------
    TransientError
        MongoDB is unavailable.
    """
    timeout_ms = round(1000 * settings.mongodb_timeout_s)
    client: Any = (make_client or AsyncIOMotorClient)(
        settings.mongodb_url.get_secret_value(),
        # Callers retry the updates that may be repeated, and not every server supports the driver's own retries.
        retryWrites=False,
        # An acknowledged write survives a killed server: it is in the journal.
        w="majority",
        journal=True,
        serverSelectionTimeoutMS=timeout_ms,
        connectTimeoutMS=timeout_ms,
        socketTimeoutMS=2 * timeout_ms,
        waitQueueTimeoutMS=timeout_ms,
    )
    try:
        database = client[settings.mongodb_database]
        store = Store(
            database,
            MongoJobStore(database["jobs"]),
            MongoCadenceStore(database["jobs"]),
            MongoChanges(database["jobs"]),
            MongoUserStore(database["users"], database["api_keys"]),
            MongoReports(database["reports"]),
            MongoQuotas(database["quotas"]),
            MongoIdempotencyKeys(database["idempotency_keys"]),
            MongoUploadRecords(database["uploads"]),
            MongoStoredUploads(database["stored_uploads"]),
            MongoVerdicts(database["verdicts"]),
            MongoSessions(database["sessions"], database["sign_in_links"]),
            MongoReviews(database["reviews"]),
        )
        await store.ensure_indexes()
        yield store
    finally:
        closing = client.close()
        # Motor's `close` returns nothing, pymongo's a coroutine.
        if inspect.isawaitable(closing):
            await closing
