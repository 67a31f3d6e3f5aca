"""Fixtures: the gateway on a MongoDB job store, on S3 with presigned URLs and on a Kafka broker."""

import copy
import time
import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from deploy.local.servers import EmbeddedServers
from services.gateway.api.application import Routes, make_http_app
from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.document.asyncapi import make_asyncapi
from services.gateway.api.document.openapi import make_openapi
from services.gateway.api.event_streams import EventStreams, JobChanges
from services.gateway.api.oidc import open_token_verifier
from services.gateway.api.oidc_client import open_oidc_client
from services.gateway.api.rate_limits import RateLimits
from services.gateway.api.routes.cadence_events import CadenceEventRoutes
from services.gateway.api.routes.documents import DocumentRoutes
from services.gateway.api.routes.health import HealthRoutes
from services.gateway.api.routes.job_events import JobEventRoutes
from services.gateway.api.routes.keys import KeyRoutes
from services.gateway.api.routes.reports import ReportRoutes
from services.gateway.api.routes.usage import UsageRoutes
from services.gateway.api.routes.user_events import UserEventRoutes
from services.gateway.api.user_changes import UserChanges
from services.gateway.app import make_account_parts, make_job_parts
from services.gateway.mongodb.store import open_store
from services.gateway.settings import DEFAULT_TIERS, UNLIMITED_RATES, Settings
from shared.blobs import open_storage
from shared.bus import open_publisher
from tests.contract.gateway.issuer import AUDIENCE, CLIENT_ID, CLIENT_SECRET, NAME, PUBLIC_URL, Issuer, running_issuer
from tests.contract.gateway.parts import Account, Bus, Clock, Gateway, account
from tests.contract.gateway.process import settings_of

# Most tests leave their jobs and uploads open. The tests of quotas use the other tiers.
ROOMY = {"concurrent_jobs": 1000, "open_uploads": 1000}
# The first one's object is put by the tests of examples.
EXAMPLES = [
    {"name": name, "key": f"examples/{name}.fil", "filename": f"{name}.fil", "description": "A sentence."}
    for name in ("voyager_1", "not_there")
]
TIERS = DEFAULT_TIERS | {"researcher": DEFAULT_TIERS["researcher"].model_copy(update=ROOMY)}


@pytest.fixture(scope="module")
def servers(embedded: EmbeddedServers) -> EmbeddedServers:
    """Return the servers that all tests share, with a database for this file. Files that kill servers start others."""
    servers = copy.copy(embedded)
    servers.database = f"gateway_{uuid.uuid4().hex[:8]}"
    return servers


@pytest.fixture(scope="module")
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers, issuer: Issuer) -> AsyncIterator[Gateway]:
    sign_in = {"oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET, "public_url": PUBLIC_URL}
    known = {"oidc_issuer": NAME, "oidc_audience": AUDIENCE, "oidc_jwks_url": issuer.url}
    places = {"oidc_authorization_url": f"{NAME}/authorize?tenant=1", "oidc_token_url": issuer.token_url}
    settings = settings_of(
        Settings,
        servers.gateway_environment,
        **sign_in,
        **known,
        **places,
        tiers=TIERS,
        examples=EXAMPLES,
        mongodb_timeout_s=30,
        events_keep_alive_s=1,
    )
    async with (
        open_store(settings) as store,
        open_storage(settings) as storage,
        open_publisher(settings) as publisher,
        open_token_verifier(settings) as tokens,
        open_oidc_client(settings, tokens) as oidc,
        aiohttp.ClientSession() as anybody,
    ):
        bus = Bus(publisher.publish_raw)
        clock = Clock()
        jobs = make_job_parts(settings, store=store, storage=storage, bus=bus, now_ms=clock)
        changes = JobChanges()
        streams = EventStreams(settings, changes)
        limits = RateLimits(UNLIMITED_RATES, ClientAddresses())
        accounts = make_account_parts(
            settings, store=store, tokens=tokens, oidc=oidc, limits=limits, now_s=lambda: clock() / 1000
        )
        user_changes = UserChanges(
            settings, changes=store.changes, jobs=store.jobs, cadences=store.cadences, now_ms=clock
        )
        subjects: list[Routes] = [
            HealthRoutes("0.3.0"),
            DocumentRoutes(openapi=make_openapi("0.3.0"), asyncapi=make_asyncapi("0.3.0")),
            JobEventRoutes(streams, jobs=store.jobs),
            CadenceEventRoutes(streams, cadences=store.cadences),
            UserEventRoutes(settings, user_changes),
            *jobs.routes,
            *accounts.routes,
            UsageRoutes(settings, store.quotas, jobs.space, now_ms=clock),
            KeyRoutes(settings, store.users, now_s=time.time),
            ReportRoutes(store.reports, store.jobs, store.cadences, now_s=time.time),
        ]
        app = make_http_app(subjects, accounts.authenticate)
        app.on_shutdown.extend((changes.close, user_changes.close))
        # Tests that use cookies send them: a jar would add those of one test to another's requests.
        async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
            yield Gateway(client, settings, store, storage, bus, clock, jobs, anybody, key_uses=accounts.key_uses)


@pytest.fixture(scope="module")
async def alice(gateway: Gateway) -> Account:
    return await account(gateway)


@pytest.fixture(scope="module")
async def bob(gateway: Gateway) -> Account:
    return await account(gateway, "free")
