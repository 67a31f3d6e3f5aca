"""Tokens of an OpenID Connect issuer: signed with one of its published keys, for this audience, and not expired.

Only signatures with a private key are accepted, and the settings choose the algorithms, not the token: with a shared
secret, anybody could sign with the issuer's public key. The issuer's keys are cached. They are fetched again when they
are old, or when a token names an unknown key, but never more often than once per interval.
"""

import asyncio
import hmac
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
import structlog

from services.gateway.settings import Settings
from shared.errors import TransientError

logger = structlog.get_logger(__name__)

MAX_KEYS = 100
MAX_ANSWER_BYTES = 256 * 1024
MAX_SUBJECT_LENGTH = 255
REQUIRED_CLAIMS = ["exp", "iss", "aud", "sub"]
# The id of a key without an id.
NO_KEY_ID = ""

Fetch = Callable[[], Awaitable[bytes]]


class InvalidTokenError(Exception):
    """A token that is not accepted; `message` is a sentence for the user and contains nothing of the token."""

    def __init__(self, message: str, *, code: str = "invalid_token") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Claimant:
    """Whom a token names: a `subject`, which is only unique for its issuer."""

    issuer: str
    subject: str


@dataclass(frozen=True)
class SigningKey:
    """A public key of the issuer, and the only algorithm it may be used with, if the issuer names one."""

    public: Any
    algorithm: str | None


def parse_key_set(raw: bytes) -> dict[str, SigningKey]:
    """Return the public signature keys of a JSON Web Key Set by their ids. Other keys are left out.

    Raises
    ------
    TransientError
        The bytes are not a key set, or it has more than 100 keys.
    """
    try:
        entries = json.loads(raw)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise TransientError("The token issuer's answer is not a key set.") from error
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise TransientError(f"The token issuer's answer is not a set of at most {MAX_KEYS} keys.")
    keys = {}
    for entry in entries:
        key = _signing_key(entry) if isinstance(entry, dict) else None
        if key is not None:
            keys[str(entry.get("kid", NO_KEY_ID))] = key
    return keys


def _signing_key(entry: Mapping[str, Any]) -> SigningKey | None:
    # A secret or a private key that is published proves nothing.
    if entry.get("kty") == "oct" or "d" in entry or entry.get("use", "sig") != "sig":
        return None
    try:
        return SigningKey(jwt.PyJWK(dict(entry)).key, entry.get("alg"))
    except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
        logger.warning("token issuer's key skipped", kid=str(entry.get("kid")), error=type(error).__name__)
        return None


class KeySet:
    """The issuer's keys: fetched when needed, then cached."""

    def __init__(
        self, fetch: Fetch, *, lifetime_s: float, max_age_s: float, interval_s: float, clock: Callable[[], float]
    ) -> None:
        self._fetch = fetch
        self._lifetime_s = lifetime_s
        self._max_age_s = max_age_s
        self._interval_s = interval_s
        self._clock = clock
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._is_unavailable = False
        self._lock = asyncio.Lock()

    async def find(self, kid: str) -> SigningKey | None:
        """Return the key with this id, or None if the issuer has no such key, as far as is known.

        Raises
        ------
        TransientError
            The issuer is unavailable and the key is not cached.
        """
        found = self._cached(kid)
        # Only the request that fetches waits for the answer; the others use a key that is slightly too old.
        if found is not None and (self._is_younger(self._lifetime_s) or self._lock.locked()):
            return found
        async with self._lock:
            is_known = self._cached(kid) is not None and self._is_younger(self._lifetime_s)
            if not is_known and self._may_fetch():
                await self._refetch()
        found = self._cached(kid)
        if found is None and self._is_unavailable:
            raise TransientError("The token issuer's keys are unavailable.")
        return found

    def _cached(self, kid: str) -> SigningKey | None:
        if not self._is_younger(self._max_age_s):
            return None
        if kid == NO_KEY_ID and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _is_younger(self, age_s: float) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < age_s

    def _may_fetch(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= self._interval_s

    async def _refetch(self) -> None:
        self._tried_at = self._clock()
        # Until the fetch succeeds: one that is interrupted says nothing about the issuer.
        self._is_unavailable = True
        try:
            self._keys = parse_key_set(await self._fetch())
        except TransientError as error:
            logger.warning("token issuer's keys not fetched", error=error.message)
            return
        self._fetched_at = self._clock()
        self._is_unavailable = False
        logger.info("token issuer's keys fetched", count=len(self._keys))


class TokenVerifier:
    """Verifies tokens and returns whom they name."""

    def __init__(self, settings: Settings, keys: KeySet) -> None:
        self._settings = settings
        self._keys = keys

    async def verify(self, token: str) -> Claimant:
        """Return whom a valid token names.

        Raises
        ------
        InvalidTokenError
            The token is malformed, not signed by the issuer, for another audience, not valid yet, or
            expired.
        TransientError
            The issuer is unavailable and the key is not cached.
        """
        return _claimant(await self._claims(token, self._settings.oidc_audience))

    async def verify_id_token(self, token: str, *, client_id: str, nonce: str) -> Claimant:
        """Return whom a valid ID token names, which the issuer has made for a sign-in with this nonce.

        Raises
        ------
        InvalidTokenError
            The token is not valid, or for another client or sign-in.
        TransientError
            The issuer is unavailable and the key is not cached.
        """
        claims = await self._claims(token, client_id)
        # A token for several audiences has to name the client that asked for it.
        is_for_one = isinstance(claims["aud"], str) or len(claims["aud"]) == 1
        if claims.get("azp", client_id if is_for_one else None) != client_id:
            raise InvalidTokenError("The token is for another client.")
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(os.fsencode(given), nonce.encode()):
            raise InvalidTokenError("The token is for another sign-in.")
        return _claimant(claims)

    async def _claims(self, token: str, audience: str | None) -> dict[str, Any]:
        kid, algorithm = self._header(token)
        key = await self._keys.find(kid)
        if key is None or key.algorithm not in (None, algorithm):
            raise InvalidTokenError("The token is not signed with a key of the issuer.")
        return self._verified(token, key, algorithm, audience)

    def _header(self, token: str) -> tuple[str, str]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.InvalidTokenError, RecursionError) as error:
            raise InvalidTokenError("The token is malformed.") from error
        algorithm = header.get("alg")
        # Checked before the key: a token that can never be valid must not cause a fetch.
        if algorithm not in self._settings.oidc_algorithms:
            raise InvalidTokenError("The token is signed with an algorithm that is not accepted.")
        return header.get("kid") or NO_KEY_ID, algorithm

    def _verified(self, token: str, key: SigningKey, algorithm: str, audience: str | None) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=[algorithm],
                audience=audience,
                issuer=self._settings.oidc_issuer,
                leeway=self._settings.oidc_clock_skew_s,
                options={"require": REQUIRED_CLAIMS, "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError as error:
            raise InvalidTokenError("The token has expired; get a new one.", code="expired_token") from error
        except jwt.ImmatureSignatureError as error:
            raise InvalidTokenError("The token is not valid yet.") from error
        except jwt.InvalidAudienceError as error:
            raise InvalidTokenError("The token is for another audience.") from error
        except jwt.InvalidIssuerError as error:
            raise InvalidTokenError("The token is from another issuer.") from error
        except jwt.MissingRequiredClaimError as error:
            raise InvalidTokenError(f"The token lacks the claim {error.claim}.") from error
        except (jwt.PyJWTError, RecursionError, TypeError) as error:
            raise InvalidTokenError("The token is not valid.") from error
        return claims


def _claimant(claims: Mapping[str, Any]) -> Claimant:
    subject = claims["sub"]
    if not 1 <= len(subject) <= MAX_SUBJECT_LENGTH or not subject.isprintable():
        raise InvalidTokenError("The token's subject is not valid.")
    return Claimant(claims["iss"], subject)


def fetch_from(http: aiohttp.ClientSession, url: str, *, timeout_s: float) -> Fetch:
    """Return a function that fetches the key set from its URL.

    It raises `TransientError` if the issuer is unavailable, slow, answers another status than 200, or answers more than
    256 KiB.
    """
    timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def fetch() -> bytes:
        try:
            # A redirect could lead anywhere, even into the internal network.
            async with http.get(url, timeout=timeout, allow_redirects=False) as response:
                if response.status != 200:
                    raise TransientError(f"The token issuer answered {response.status}.")
                return await read_bounded(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransientError(f"The token issuer is unavailable: {type(error).__name__}.") from error

    return fetch


async def read_bounded(response: aiohttp.ClientResponse) -> bytes:
    """Return the body of an issuer's answer.

    Raises
    ------
    TransientError
        It is longer than 256 KiB.
    """
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise TransientError(f"The token issuer's answer is longer than {MAX_ANSWER_BYTES} bytes.")
    return bytes(content)


@asynccontextmanager
async def open_token_verifier(settings: Settings) -> AsyncIterator[TokenVerifier | None]:
    """Yield the verifier for the issuer in the settings, or None if they name none. Keys are fetched when needed."""
    if settings.oidc_issuer is None or settings.oidc_jwks_url is None:
        yield None
        return
    async with aiohttp.ClientSession() as http:
        keys = KeySet(
            fetch_from(http, settings.oidc_jwks_url, timeout_s=settings.oidc_fetch_timeout_s),
            lifetime_s=settings.oidc_keys_lifetime_s,
            max_age_s=settings.oidc_keys_max_age_s,
            interval_s=settings.oidc_fetch_interval_s,
            clock=time.monotonic,
        )
        yield TokenVerifier(settings, keys)
