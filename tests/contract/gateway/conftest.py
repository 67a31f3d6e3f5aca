"""A MongoDB job store, S3 with presigned URLs, and a Kafka broker, with the gateway on them."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from deploy.local.servers import EmbeddedServers, embedded_servers
from services.gateway.app import unix_ms
from services.gateway.auth import ApiKeyAuthentication
from services.gateway.handlers import HealthRoutes, make_http_app
from services.gateway.jobs import JobRoutes
from services.gateway.outbox import Outbox
from services.gateway.settings import Settings
from services.gateway.store import open_store
from services.gateway.uploads import UploadRoutes
from services.gateway.worker_events import WorkerEvents
from shared.blobs import open_storage
from shared.bus import open_publisher
from tests.contract.gateway.parts import Account, Bus, Gateway, account


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServers]:
    async with embedded_servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers) -> AsyncIterator[Gateway]:
    environment = {
        name.removeprefix("WATERHOLE_").lower(): value for name, value in servers.gateway_environment.items()
    }
    settings = Settings(**environment, mongodb_timeout_s=30)
    async with (
        open_store(settings) as store,
        open_storage(settings) as storage,
        open_publisher(settings) as publisher,
        aiohttp.ClientSession() as anybody,
    ):
        bus = Bus(publisher.publish)
        outbox = Outbox(store.jobs, bus, settings, now_ms=unix_ms)
        subjects = [
            HealthRoutes("0.3.0"),
            UploadRoutes(settings, storage.uploads),
            JobRoutes(
                settings,
                jobs=store.jobs,
                submissions=outbox,
                uploads=storage.uploads,
                results=storage.results,
                now_ms=unix_ms,
            ),
        ]
        pepper = settings.api_key_pepper.get_secret_value()
        app = make_http_app(subjects, ApiKeyAuthentication(store.users, pepper=pepper, now_s=time.time))
        worker_events = WorkerEvents(store.jobs, now_ms=unix_ms, silence_s=60)
        async with TestClient(TestServer(app)) as client:
            yield Gateway(client, settings, store, storage, bus, outbox, worker_events, anybody)


@pytest.fixture(scope="module")
async def alice(gateway: Gateway) -> Account:
    return await account(gateway)


@pytest.fixture(scope="module")
async def bob(gateway: Gateway) -> Account:
    return await account(gateway, "free")
