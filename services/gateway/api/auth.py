"""Authentication: an API key in `x-api-key`, a token in `Authorization: Bearer`, or a browser's session cookie.

A request must send exactly one key or token, once. A request with both is refused, because a client that sends a bad
key with a good token (or the reverse) is mistaken about its user. The cookie only counts without either: browsers add
it by themselves. Every refusal is a 403.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from services.gateway.accounts.model import ApiKey, User, hash_api_key, is_api_key, token_user_id
from services.gateway.accounts.ports import UserDirectory
from services.gateway.api.dashboard_paths import APP_PREFIX, APP_ROOT
from services.gateway.api.document.page import DOCUMENT_PATHS
from services.gateway.api.errors import ApiError
from services.gateway.api.oidc import Claimant
from shared.errors import TransientError

API_KEY_HEADER = "x-api-key"
BEARER = "bearer"
# Its own routes say what they need.
SESSION_PATHS = frozenset({"/session", "/session/oidc", "/session/oidc/callback"})
PUBLIC_PATHS = frozenset({"/health", "/ready", "/metrics", APP_ROOT}) | DOCUMENT_PATHS | SESSION_PATHS
USER = web.RequestKey("user", User)
# Finds the user again, in requests that last long.
_FIND_AGAIN: web.RequestKey[Any] = web.RequestKey("find_again")
# The id of the API key, in requests with one.
KEY_ID = web.RequestKey("key_id", str)

Authenticate = Callable[[web.Request], Awaitable[User]]


class Tokens(Protocol):
    """Verifies tokens."""

    async def verify(self, token: str) -> Claimant:
        """Return whom a valid token names, or raise `InvalidTokenError`."""


class ApiKeyAuthentication:
    """Finds the user of a request's API key; calls `note_use` for each use of a usable key."""

    def __init__(
        self,
        directory: UserDirectory,
        *,
        pepper: str,
        now_s: Callable[[], float],
        note_use: Callable[[ApiKey], None] | None = None,
    ) -> None:
        self._directory = directory
        self._pepper = pepper
        self._now_s = now_s
        self._note_use = note_use

    async def __call__(self, request: web.Request) -> User:
        """Return the user.

        Raises
        ------
        ApiError
            403, the key is missing, malformed, unknown, revoked or expired.
        TransientError
            MongoDB is unavailable.
        """
        given = request.headers.get(API_KEY_HEADER, "").strip()
        if not given:
            raise _missing_credentials()
        user, key = await self.owner(given)
        request[KEY_ID] = key.key_id
        return user

    async def owner(self, given: str) -> tuple[User, ApiKey]:
        """Return the user of an API key, and what is stored of the key.

        Raises
        ------
        ApiError
            403, the key is malformed, unknown, revoked or expired.
        TransientError
            MongoDB is unavailable.
        """
        if not is_api_key(given):
            raise ApiError(403, "invalid_api_key", "The API key is not valid.")
        # Nothing is compared with the key or its hash here: the time of a look-up by hash discloses no other keys.
        key = await self._directory.key_by_hash(hash_api_key(given, self._pepper))
        if key is None:
            raise ApiError(403, "invalid_api_key", "The API key is not valid.")
        if not key.active:
            raise ApiError(403, "revoked_api_key", "The API key was revoked; use another one.")
        if key.is_expired(self._now_s()):
            raise ApiError(403, "expired_api_key", "The API key has expired; use another one.")
        user = await self._directory.user(key.user_id)
        if user is None:
            raise ApiError(403, "invalid_api_key", "The API key is not valid.")
        if self._note_use is not None:
            self._note_use(key)
        return user, key


class TokenAuthentication:
    """Finds the user of a request's bearer token; creates a user of `tier` for the first token of a subject."""

    def __init__(
        self, tokens: Tokens | None, directory: UserDirectory, *, tier: str, now_s: Callable[[], float]
    ) -> None:
        self._tokens = tokens
        self._directory = directory
        self._tier = tier
        self._now_s = now_s

    async def __call__(self, request: web.Request) -> User:
        """Return the user.

        Raises
        ------
        InvalidTokenError
            The token is not valid, or has expired.
        ApiError
            403, this service accepts no tokens.
        TransientError
            MongoDB, or the issuer that publishes the keys, is unavailable.
        """
        if self._tokens is None:
            raise ApiError(403, "tokens_not_accepted", "This service accepts no tokens: send an API key as x-api-key.")
        scheme, _, token = request.headers[hdrs.AUTHORIZATION].strip().partition(" ")
        if scheme.lower() != BEARER or not token.strip():
            raise ApiError(403, "invalid_token", "The header Authorization must be 'Bearer' and a token.")
        return await self.user_of(await self._tokens.verify(token.strip()))

    async def user_of(self, claimant: Claimant) -> User:
        """Return the user of a token's subject; create the user for the first token.

        Raises
        ------
        ApiError
            403, the user has just been removed.
        TransientError
            MongoDB is unavailable.
        """
        user_id = token_user_id(claimant.issuer, claimant.subject)
        user = await self._directory.user(user_id)
        if user is not None:
            return user
        new = User(user_id=user_id, tier=self._tier, name=claimant.subject, created_at=int(self._now_s()))
        if await self._directory.add_user(new):
            return new
        # Another request of the same new user was faster.
        found = await self._directory.user(user_id)
        if found is None:
            raise ApiError(403, "invalid_token", "The user of this token has just been removed.")
        return found


class ByCookie(Protocol):
    """Finds the user of a request's session cookie."""

    def has_cookie(self, request: web.Request) -> bool:
        """Return whether a request has a session cookie, of any value."""

    async def __call__(self, request: web.Request) -> User:
        """Return the user."""


class Authentication:
    """Finds the user of a request by its key or its token, or else by its session cookie."""

    def __init__(self, by_key: Authenticate, by_token: Authenticate, by_cookie: ByCookie | None = None) -> None:
        self._by_key = by_key
        self._by_token = by_token
        self._by_cookie = by_cookie

    async def __call__(self, request: web.Request) -> User:
        """Return the user.

        Raises
        ------
        ApiError
            403, the request has no key, token or session, more than one of them, or one that is not usable.
        InvalidTokenError
            The token is not valid, or has expired.
        TransientError
            MongoDB or the token issuer is unavailable.
        """
        keys = request.headers.getall(API_KEY_HEADER, [])
        tokens = request.headers.getall(hdrs.AUTHORIZATION, [])
        if len(keys) + len(tokens) > 1:
            raise ApiError(403, "ambiguous_credentials", "Send exactly one API key or one token.")
        if tokens:
            return await self._by_token(request)
        if not keys and self._by_cookie is not None and self._by_cookie.has_cookie(request):
            return await self._by_cookie(request)
        return await self._by_key(request)


def _missing_credentials() -> ApiError:
    message = (
        "Authentication is required: send an API key as x-api-key, or a token as Authorization: Bearer; or sign in."
    )
    return ApiError(403, "missing_api_key", message)


def is_public(path: str) -> bool:
    """Return whether a path needs no credentials."""
    return path in PUBLIC_PATHS or path.startswith(APP_PREFIX)


def auth_middleware(authenticate: Authenticate) -> Middleware:
    """Return a middleware that refuses requests without a known user, except on public paths."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_public(request.path) or request.match_info.http_exception is not None:
            return await handler(request)
        user = await authenticate(request)
        request[USER] = user
        request[_FIND_AGAIN] = authenticate
        # Unbound at the end of the request by `services.gateway.api.request_log`.
        structlog.contextvars.bind_contextvars(user_id=user.user_id)
        return await handler(request)

    return middleware


async def is_still_allowed(request: web.Request) -> bool:
    """Return whether the key or session of a request that lasts long is still good.

    A stream calls this before it sends more. Its length is limited, and a token needs to be good at its start only:
    clients get a new token for each stream.
    """
    if hdrs.AUTHORIZATION in request.headers:
        return True
    try:
        await request[_FIND_AGAIN](request)
    except ApiError:
        return False
    except TransientError:
        # Streams survive an outage.
        return True
    return True
