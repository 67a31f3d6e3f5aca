"""Composition root of the gateway: settings, adapters, routes, outbox, worker events, sweeper, run."""

import gc
from collections.abc import Callable
from dataclasses import dataclass

import uvloop

from services.gateway.accounts.key_use import KeyUses
from services.gateway.accounts.session import SessionLives
from services.gateway.accounts.sessions import Sessions
from services.gateway.accounts.user_cache import UserCache
from services.gateway.api.application import Routes, make_http_app
from services.gateway.api.auth import ApiKeyAuthentication, Authentication, TokenAuthentication, Tokens
from services.gateway.api.bucket_origins import BucketOrigins
from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.dashboard_files import store_sources
from services.gateway.api.document.asyncapi import make_asyncapi
from services.gateway.api.document.openapi import make_openapi
from services.gateway.api.event_streams import EventStreams, JobChanges
from services.gateway.api.http_server import GatewayRunner
from services.gateway.api.oidc import open_token_verifier
from services.gateway.api.oidc_client import OidcClient, open_oidc_client
from services.gateway.api.rate_limits import RateLimits
from services.gateway.api.routes.analyze import AnalyzeRoutes
from services.gateway.api.routes.cadence_downloads import CadenceDownloadRoutes
from services.gateway.api.routes.cadence_events import CadenceEventRoutes
from services.gateway.api.routes.cadences import CadenceRoutes
from services.gateway.api.routes.dashboard import DashboardRoutes
from services.gateway.api.routes.documents import DocumentRoutes
from services.gateway.api.routes.downloads import DownloadRoutes
from services.gateway.api.routes.examples import ExampleRoutes
from services.gateway.api.routes.health import HealthRoutes
from services.gateway.api.routes.job_events import JobEventRoutes
from services.gateway.api.routes.jobs import JobRoutes
from services.gateway.api.routes.keys import KeyRoutes
from services.gateway.api.routes.oidc_sign_in import OidcSignInRoutes
from services.gateway.api.routes.reports import ReportRoutes
from services.gateway.api.routes.session import BrowserSessions, SessionRoutes
from services.gateway.api.routes.spectra import SpectraRoutes
from services.gateway.api.routes.uploads import UploadRoutes
from services.gateway.api.routes.usage import UsageRoutes
from services.gateway.api.routes.user_events import UserEventRoutes
from services.gateway.api.routes.verdicts import VerdictRoutes
from services.gateway.api.routes.waterfall import WaterfallRoutes
from services.gateway.api.same_origin import SameOrigin
from services.gateway.api.session_auth import SessionAuthentication
from services.gateway.api.session_cookie import Cookies
from services.gateway.api.sign_in_attempts import COOKIE as ATTEMPT_COOKIE
from services.gateway.api.sign_ins import FailedSignIns
from services.gateway.api.uploaded_files import UploadedFiles
from services.gateway.api.user_changes import UserChanges
from services.gateway.jobs.cadences import Cadences
from services.gateway.jobs.handlers import WorkerEvents
from services.gateway.jobs.outbox import REVIEWS, EventOutbox, Outbox
from services.gateway.jobs.ports import Bus
from services.gateway.jobs.removal import Removal
from services.gateway.jobs.review import Reviews
from services.gateway.jobs.starts import Starts
from services.gateway.jobs.submission import Submissions
from services.gateway.jobs.sweeper import Sweeper
from services.gateway.jobs.upload_space import UploadSpace
from services.gateway.mongodb.clock import DatabaseClock
from services.gateway.mongodb.store import Store, open_store
from services.gateway.observations.headers import Headers
from services.gateway.observations.spectra import Spectra
from services.gateway.observations.waterfall import Waterfalls
from services.gateway.settings import Settings
from shared import service
from shared.blobs import Storage, open_storage
from shared.bus import Consumer, open_publisher
from shared.events import (
    CADENCE_CLASSIFIED,
    CADENCE_EXPORTED,
    JOB_FAILED,
    JOB_PROGRESS,
    JOB_REOPENED,
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    REVIEW_EXPORTED,
)

TOPICS = (
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    CADENCE_CLASSIFIED,
    CADENCE_EXPORTED,
    REVIEW_EXPORTED,
    JOB_PROGRESS,
    JOB_FAILED,
    JOB_REOPENED,
)


@dataclass(frozen=True)
class JobParts:
    """The objects that start, follow and remove jobs and cadences, and their routes."""

    outbox: Outbox
    review_outbox: EventOutbox
    worker_events: WorkerEvents
    cadences: Cadences
    removal: Removal
    sweeper: Sweeper
    space: UploadSpace
    routes: tuple[Routes, ...]


def make_job_parts(
    settings: Settings, *, store: Store, storage: Storage, bus: Bus, now_ms: Callable[[], int]
) -> JobParts:
    """Construct them."""
    outbox = Outbox(store.jobs, bus, settings, now_ms=now_ms)
    review_outbox = EventOutbox(store.reviews, bus, settings, now_ms=now_ms, published=REVIEWS)
    removal = Removal(
        settings,
        jobs=store.jobs,
        cadences=store.cadences,
        quotas=store.quotas,
        users=store.users,
        uploads=storage.uploads,
        results=storage.results,
        beside=(store.verdicts, store.reviews),
        now_ms=now_ms,
    )
    starts = Starts(
        settings,
        jobs=store.jobs,
        quotas=store.quotas,
        keys=store.idempotency_keys,
        removal=removal,
        now_ms=now_ms,
    )
    cadences = Cadences(
        settings,
        starts=starts,
        cadences=store.cadences,
        jobs=store.jobs,
        outbox=outbox,
        quotas=store.quotas,
        removal=removal,
        now_ms=now_ms,
    )
    reviews = Reviews(
        store.reviews, verdicts=store.verdicts, jobs=store.jobs, results=storage.results, outbox=review_outbox
    )
    files = UploadedFiles(settings, records=store.uploads, uploads=storage.uploads)
    space = UploadSpace(settings, stored=store.stored_uploads, jobs=store.jobs, uploads=storage.uploads, now_ms=now_ms)
    return JobParts(
        outbox=outbox,
        review_outbox=review_outbox,
        cadences=cadences,
        space=space,
        worker_events=WorkerEvents(
            store.jobs,
            cadence_store=store.cadences,
            cadences=cadences,
            reviews=store.reviews,
            quotas=store.quotas,
            removal=removal,
            now_ms=now_ms,
            silence_s=settings.outbox_silence_s,
        ),
        removal=removal,
        sweeper=Sweeper(
            settings,
            jobs=store.jobs,
            cadences=cadences,
            quotas=store.quotas,
            removal=removal,
            keys=store.idempotency_keys,
            records=store.uploads,
            uploads=storage.uploads,
            sessions=store.sessions,
            now_ms=now_ms,
        ),
        routes=(
            UploadRoutes(settings, storage.uploads, store.uploads, space, now_ms=now_ms),
            ExampleRoutes(settings, storage.uploads, store.uploads, space, now_ms=now_ms),
            AnalyzeRoutes(submissions=Submissions(starts, outbox), files=files),
            JobRoutes(store.jobs, removal, cadences),
            DownloadRoutes(settings, jobs=store.jobs, results=storage.results, reviews=reviews),
            WaterfallRoutes(store.jobs, Waterfalls(storage.results)),
            SpectraRoutes(
                store.jobs, Headers(storage.results), Spectra(storage.uploads), part_s=settings.request_timeout_s
            ),
            CadenceRoutes(cadences, store=store.cadences, jobs=store.jobs, files=files, removal=removal),
            CadenceDownloadRoutes(settings, cadences=store.cadences, results=storage.results, reviews=reviews),
            VerdictRoutes(store.verdicts, jobs=store.jobs, cadences=store.cadences, now_ms=now_ms),
        ),
    )


@dataclass(frozen=True)
class AccountParts:
    """The objects that find out who sends a request, and the routes of signing in."""

    authenticate: Authentication
    key_uses: KeyUses
    routes: tuple[Routes, ...]


def make_account_parts(
    settings: Settings,
    *,
    store: Store,
    tokens: Tokens | None,
    oidc: OidcClient | None,
    limits: RateLimits,
    now_s: Callable[[], float],
) -> AccountParts:
    """Construct them."""
    pepper = settings.api_key_pepper.get_secret_value()
    key_uses = KeyUses(store.users, now_s=now_s)
    users = UserCache(store.users, lifetime_s=settings.user_cache_s)
    by_key = ApiKeyAuthentication(users, pepper=pepper, now_s=now_s, note_use=key_uses.note)
    by_token = TokenAuthentication(tokens, users, tier=settings.oidc_tier, now_s=now_s)
    sessions = Sessions(
        store.sessions,
        users,
        pepper=pepper,
        lives=SessionLives(settings.session_idle_s, settings.session_absolute_s),
        now_s=now_s,
        cache_s=settings.user_cache_s,
    )
    is_tls = settings.tls or (settings.public_url or "").startswith("https:")
    cookies = Cookies(limits.addresses, is_tls=is_tls)
    same_origin = SameOrigin(settings.public_url)
    browsers = BrowserSessions(sessions, cookies, cookie_lasts_s=settings.session_absolute_s)
    failed = FailedSignIns(limits)
    return AccountParts(
        authenticate=Authentication(by_key, by_token, SessionAuthentication(sessions, cookies, same_origin)),
        key_uses=key_uses,
        routes=(
            SessionRoutes(
                sessions,
                browsers,
                keys=by_key,
                same_origin=same_origin,
                failed=failed,
                has_oidc=oidc is not None,
            ),
            OidcSignInRoutes(
                oidc,
                sessions,
                browsers,
                users=by_token,
                attempts=Cookies(limits.addresses, is_tls=is_tls, name=ATTEMPT_COOKIE),
                same_origin=same_origin,
                failed=failed,
                pepper=pepper,
                now_s=now_s,
            ),
        ),
    )


async def serve(settings: Settings) -> None:
    """Run until the process receives SIGTERM or SIGINT."""
    async with (
        open_store(settings) as store,
        open_storage(settings) as storage,
        open_publisher(settings) as publisher,
        open_token_verifier(settings) as tokens,
        open_oidc_client(settings, tokens) as oidc,
    ):
        clock = DatabaseClock(store.now_ms)
        await clock.set()
        parts = make_job_parts(settings, store=store, storage=storage, bus=publisher, now_ms=clock)
        changes = JobChanges()
        streams = EventStreams(settings, changes)
        limits = RateLimits(
            settings.rate_limits.share(settings.gateway_replicas), ClientAddresses(settings.trusted_proxies)
        )
        accounts = make_account_parts(settings, store=store, tokens=tokens, oidc=oidc, limits=limits, now_s=clock.now_s)
        user_changes = UserChanges(
            settings, changes=store.changes, jobs=store.jobs, cadences=store.cadences, now_ms=clock
        )
        subjects: list[Routes] = [
            HealthRoutes(service.VERSION),
            DocumentRoutes(openapi=make_openapi(service.VERSION), asyncapi=make_asyncapi(service.VERSION)),
            DashboardRoutes(store_sources(settings)),
            JobEventRoutes(streams, jobs=store.jobs),
            CadenceEventRoutes(streams, cadences=store.cadences),
            UserEventRoutes(settings, user_changes),
            *parts.routes,
            *accounts.routes,
            UsageRoutes(settings, store.quotas, parts.space, now_ms=clock),
            KeyRoutes(settings, store.users, now_s=clock.now_s),
            ReportRoutes(store.reports, store.jobs, store.cadences, now_s=clock.now_s),
        ]
        consumer = Consumer(
            settings,
            group="gateway",
            topics=TOPICS,
            handle=changes.after(parts.worker_events.handle),
            publisher=publisher,
        )
        app = make_http_app(
            subjects,
            accounts.authenticate,
            limits=limits,
            cors_origins=settings.cors_origins,
            is_tls=settings.tls,
            request_timeout_s=settings.request_timeout_s,
        )
        app.on_shutdown.extend((changes.close, user_changes.close))
        # Everything allocated so far stays. Scanning it again takes the collector 0.1 s, and blocks all requests.
        gc.freeze()
        await service.run(
            "gateway",
            settings,
            app=app,
            make_runner=GatewayRunner,
            consumer=consumer,
            checks={"mongodb": store.check, "s3": storage.check, "kafka": publisher.check},
            background=[
                clock.run,
                parts.outbox.run,
                parts.review_outbox.run,
                parts.sweeper.run,
                accounts.key_uses.run,
                user_changes.run,
                BucketOrigins(settings, storage).run,
            ],
            # Streams end at once, so that their clients reconnect to another gateway.
            on_stop=[changes.close, user_changes.close],
            drain_s=settings.drain_s,
        )


def main() -> None:
    """Entry point of the process."""
    # The gateway answers a tenth more requests on uvloop than on asyncio's own event loop.
    service.main("gateway", Settings, serve, new_loop=uvloop.new_event_loop)
