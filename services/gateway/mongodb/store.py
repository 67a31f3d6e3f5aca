"""The connection to MongoDB, which nothing but the gateway opens, and what is kept there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.gateway.mongodb.errors import translated
from services.gateway.mongodb.idempotency_keys import IdempotencyKeys
from services.gateway.mongodb.jobs import JobStore
from services.gateway.mongodb.quotas import Quotas
from services.gateway.mongodb.reports import ReportStore
from services.gateway.mongodb.uploads import UploadStore
from services.gateway.mongodb.users import UserStore
from services.gateway.settings import Settings


@dataclass(frozen=True)
class Store:
    """Everything that is kept in MongoDB."""

    database: Any
    jobs: JobStore
    users: UserStore
    reports: ReportStore
    quotas: Quotas
    idempotency_keys: IdempotencyKeys
    uploads: UploadStore

    async def check(self) -> None:
        """Raise unless the server answers."""
        with translated():
            await self.database.command("ping")

    async def now_ms(self) -> int:
        """The server's own time, unix ms: it writes it down, as not every server lets any user ask for it."""
        try:
            written = await self._write_now()
        except DuplicateKeyError:
            # The first gateways ever, at once: another one's document came between the look for one and the insert.
            written = await self._write_now()
        # The driver gives times in UTC, without saying so.
        at: datetime = written["at"].replace(tzinfo=UTC)
        return round(1000 * at.timestamp())

    async def _write_now(self) -> dict[str, Any]:
        with translated():
            written: dict[str, Any] = await self.database["clock"].find_one_and_update(
                {"_id": "now"}, {"$currentDate": {"at": True}}, upsert=True, return_document=ReturnDocument.AFTER
            )
        return written

    async def ensure_indexes(self) -> None:
        """Create every index; one that is there is fine."""
        await self.jobs.ensure_indexes()
        await self.users.ensure_indexes()
        await self.reports.ensure_indexes()
        await self.quotas.ensure_indexes()
        await self.idempotency_keys.ensure_indexes()
        await self.uploads.ensure_indexes()


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """Connect to MongoDB as the settings say.

    Raises:
        TransientError: the server is out of reach.
    """
    timeout_ms = round(1000 * settings.mongodb_timeout_s)
    client: Any = AsyncIOMotorClient(
        settings.mongodb_url.get_secret_value(),
        # Updates here may be repeated by whoever asked for them, and not every server knows the driver's own way.
        retryWrites=False,
        # What was acknowledged outlives the server: one that is killed loses what is not in its journal yet.
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
            JobStore(database["jobs"]),
            UserStore(database["users"], database["api_keys"]),
            ReportStore(database["reports"]),
            Quotas(database["quotas"]),
            IdempotencyKeys(database["idempotency_keys"]),
            UploadStore(database["uploads"]),
        )
        await store.ensure_indexes()
        yield store
    finally:
        client.close()
