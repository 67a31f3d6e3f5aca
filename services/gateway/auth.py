"""Who is asking: `x-api-key` against the hashed keys."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from services.gateway.domain import ApiKey, User, hash_api_key, is_api_key
from services.gateway.errors import ApiError

API_KEY_HEADER = "x-api-key"
PUBLIC_PATHS = frozenset({"/health", "/ready", "/metrics"})
USER = web.RequestKey("user", User)

Authenticate = Callable[[web.Request], Awaitable[User]]


class KeyDirectory(Protocol):
    """What authentication needs of the user store."""

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        """The key with this hash."""

    async def user(self, user_id: str) -> User | None:
        """The user with this id."""


class ApiKeyAuthentication:
    """Finds the user of a request's API key."""

    def __init__(self, directory: KeyDirectory, *, pepper: str, now_s: Callable[[], float]) -> None:
        self._directory = directory
        self._pepper = pepper
        self._now_s = now_s

    async def __call__(self, request: web.Request) -> User:
        """The user.

        Raises:
            ApiError: 403, there is no key or it is not valid (any more).
        """
        given = request.headers.get(API_KEY_HEADER, "").strip()
        if not given:
            raise ApiError(403, "missing_api_key", "Authentication is required: send your API key as x-api-key.")
        if not is_api_key(given):
            raise ApiError(403, "invalid_api_key", "The API key is not valid.")
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
        return user


def auth_middleware(authenticate: Authenticate) -> Middleware:
    """Let only known users through to anything but the public paths."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in PUBLIC_PATHS or request.match_info.http_exception is not None:
            return await handler(request)
        user = await authenticate(request)
        request[USER] = user
        with structlog.contextvars.bound_contextvars(user_id=user.user_id):
            return await handler(request)

    return middleware
