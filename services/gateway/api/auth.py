"""Who is asking: an API key in `x-api-key`, or a token in `Authorization: Bearer`.

One of the two, once: a request that holds both is refused, as whoever sends a bad key beside a good token (or the other
way round) is mistaken about who they are here. Whatever is wrong with what was sent, the answer is 403.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from services.gateway.api.document.page import DOCUMENT_PATHS
from services.gateway.api.errors import ApiError
from services.gateway.api.oidc import Claimant, InvalidTokenError
from services.gateway.domain import ApiKey, User, hash_api_key, is_api_key, token_user_id

API_KEY_HEADER = "x-api-key"
BEARER = "bearer"
PUBLIC_PATHS = frozenset({"/health", "/ready", "/metrics"}) | DOCUMENT_PATHS
USER = web.RequestKey("user", User)

Authenticate = Callable[[web.Request], Awaitable[User]]


class KeyDirectory(Protocol):
    """What authentication by key needs of the user store."""

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        """The key with this hash."""

    async def user(self, user_id: str) -> User | None:
        """The user with this id."""


class UserDirectory(Protocol):
    """What authentication by token needs of the user store."""

    async def user(self, user_id: str) -> User | None:
        """The user with this id."""

    async def add_user(self, user: User) -> bool:
        """Store a new user; False where its id is taken."""


class Tokens(Protocol):
    """What authentication needs to know of tokens."""

    async def claimant(self, token: str) -> Claimant:
        """Whom a valid token names."""


class ApiKeyAuthentication:
    """Finds the user of a request's API key; `note_use` is told of each use of a key that works."""

    def __init__(
        self,
        directory: KeyDirectory,
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
        """The user.

        Raises:
            ApiError: 403, there is no key or it is not valid (any more).
            TransientError: MongoDB is away.
        """
        given = request.headers.get(API_KEY_HEADER, "").strip()
        if not given:
            raise _nothing_given()
        if not is_api_key(given):
            raise ApiError(403, "invalid_api_key", "The API key is not valid.")
        # Nothing is compared with the key or its hash here: the look-up by hash takes no time that tells of other keys.
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
        return user


class TokenAuthentication:
    """Finds the user of a request's bearer token; whoever comes for the first time becomes a user of `tier`."""

    def __init__(
        self, tokens: Tokens | None, directory: UserDirectory, *, tier: str, now_s: Callable[[], float]
    ) -> None:
        self._tokens = tokens
        self._directory = directory
        self._tier = tier
        self._now_s = now_s

    async def __call__(self, request: web.Request) -> User:
        """The user.

        Raises:
            ApiError: 403, no tokens are accepted here, or this one is not valid (any more).
            TransientError: MongoDB is away, or the issuer whose keys the token would be checked with.
        """
        if self._tokens is None:
            raise ApiError(403, "tokens_not_accepted", "No tokens are accepted here: send an API key as x-api-key.")
        scheme, _, token = request.headers[hdrs.AUTHORIZATION].strip().partition(" ")
        if scheme.lower() != BEARER or not token.strip():
            raise ApiError(403, "invalid_token", "The header Authorization must be 'Bearer' and a token.")
        try:
            claimant = await self._tokens.claimant(token.strip())
        except InvalidTokenError as error:
            raise ApiError(403, error.code, error.message) from error
        return await self._user_of(claimant)

    async def _user_of(self, claimant: Claimant) -> User:
        user_id = token_user_id(claimant.issuer, claimant.subject)
        user = await self._directory.user(user_id)
        if user is not None:
            return user
        new = User(user_id=user_id, tier=self._tier, name=claimant.subject, created_at=int(self._now_s()))
        if await self._directory.add_user(new):
            return new
        # Another request of the same newcomer was quicker.
        found = await self._directory.user(user_id)
        if found is None:
            raise ApiError(403, "invalid_token", "The user of this token was removed just now.")
        return found


class Authentication:
    """Finds the user of a request by what it holds: a key or a token, not both."""

    def __init__(self, by_key: Authenticate, by_token: Authenticate) -> None:
        self._by_key = by_key
        self._by_token = by_token

    async def __call__(self, request: web.Request) -> User:
        """The user.

        Raises:
            ApiError: 403, there is no key and no token, more than one, or one that is not valid (any more).
            TransientError: something that tells who it is is away.
        """
        keys = request.headers.getall(API_KEY_HEADER, [])
        tokens = request.headers.getall(hdrs.AUTHORIZATION, [])
        if len(keys) + len(tokens) > 1:
            raise ApiError(403, "ambiguous_credentials", "Send one API key or one token, not more than one of them.")
        if tokens:
            return await self._by_token(request)
        return await self._by_key(request)


def _nothing_given() -> ApiError:
    message = "Authentication is required: send an API key as x-api-key, or a token as Authorization: Bearer."
    return ApiError(403, "missing_api_key", message)


def auth_middleware(authenticate: Authenticate) -> Middleware:
    """Let only known users through to anything but the public paths."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in PUBLIC_PATHS or request.match_info.http_exception is not None:
            return await handler(request)
        user = await authenticate(request)
        request[USER] = user
        # Until the request's end: see `services.gateway.api.request_log`.
        structlog.contextvars.bind_contextvars(user_id=user.user_id)
        return await handler(request)

    return middleware
