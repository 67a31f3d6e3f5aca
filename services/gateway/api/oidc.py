"""Tokens of an OpenID Connect issuer: signed with one of its published keys, for us, and not expired.

Only signatures with a private key are accepted, and the algorithm is ours to choose, not the token's: with a shared
secret, the issuer's public key itself could sign. The issuer's keys are kept, and fetched again when they are old or
when a token names one that is not among them, but never more often than once per interval, whatever tokens name.
"""

import asyncio
import json
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
MAX_KEY_SET_BYTES = 256 * 1024
MAX_SUBJECT_LENGTH = 255
REQUIRED_CLAIMS = ["exp", "iss", "aud", "sub"]
# What a key is called that has no id.
NO_KEY_ID = ""

Fetch = Callable[[], Awaitable[bytes]]


class InvalidTokenError(Exception):
    """A token that opens no door; `message` is a sentence for the user and holds nothing of the token."""

    def __init__(self, message: str, *, code: str = "invalid_token") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Claimant:
    """Whom a token names: `subject` means nothing without its issuer."""

    issuer: str
    subject: str


@dataclass(frozen=True)
class SigningKey:
    """A public key of the issuer, and the one algorithm that it is for, if the issuer names one."""

    public: Any
    algorithm: str | None


def parse_key_set(raw: bytes) -> dict[str, SigningKey]:
    """The public keys in a JSON Web Key Set by their ids; what is no key for signatures is left out.

    Raises:
        TransientError: it is no such set, or one with too many keys.
    """
    try:
        entries = json.loads(raw)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise TransientError("The token issuer's answer is no set of keys.") from error
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise TransientError(f"The token issuer's answer is no set of at most {MAX_KEYS} keys.")
    keys = {}
    for entry in entries:
        key = _signing_key(entry) if isinstance(entry, dict) else None
        if key is not None:
            keys[str(entry.get("kid", NO_KEY_ID))] = key
    return keys


def _signing_key(entry: Mapping[str, Any]) -> SigningKey | None:
    # A secret, or a private key, in a public place protects nothing.
    if entry.get("kty") == "oct" or "d" in entry or entry.get("use", "sig") != "sig":
        return None
    try:
        return SigningKey(jwt.PyJWK(dict(entry)).key, entry.get("alg"))
    except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
        logger.warning("key of the token issuer left out", kid=str(entry.get("kid")), error=type(error).__name__)
        return None


class KeySet:
    """The issuer's keys: fetched when needed, kept for a time."""

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
        self._is_away = False
        self._lock = asyncio.Lock()

    async def find(self, kid: str) -> SigningKey | None:
        """The key with this id; None where the issuer has no such key, as far as one may ask.

        Raises:
            TransientError: the issuer is away and the key is not at hand.
        """
        found = self._at_hand(kid)
        # Who fetches waits for it; the others go on with a key that is only a little old.
        if found is not None and (self._is_younger(self._lifetime_s) or self._lock.locked()):
            return found
        async with self._lock:
            is_known = self._at_hand(kid) is not None and self._is_younger(self._lifetime_s)
            if not is_known and self._may_fetch():
                await self._refetch()
        found = self._at_hand(kid)
        if found is None and self._is_away:
            raise TransientError("The token issuer's keys are out of reach.")
        return found

    def _at_hand(self, kid: str) -> SigningKey | None:
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
        # Until it is known better: a fetch that is broken off has told nothing.
        self._is_away = True
        try:
            self._keys = parse_key_set(await self._fetch())
        except TransientError as error:
            logger.warning("token issuer's keys not fetched", error=error.message)
            return
        self._fetched_at = self._clock()
        self._is_away = False
        logger.info("token issuer's keys fetched", count=len(self._keys))


class TokenVerifier:
    """Tells whom a token names."""

    def __init__(self, settings: Settings, keys: KeySet) -> None:
        self._settings = settings
        self._keys = keys

    async def claimant(self, token: str) -> Claimant:
        """Whom a valid token names.

        Raises:
            InvalidTokenError: it is malformed, not signed by the issuer, not for us, not valid yet or any more.
            TransientError: the issuer is away and the key is not at hand.
        """
        kid, algorithm = self._header(token)
        key = await self._keys.find(kid)
        if key is None or key.algorithm not in (None, algorithm):
            raise InvalidTokenError("The token is not signed with a key of the issuer.")
        return self._verified(token, key, algorithm)

    def _header(self, token: str) -> tuple[str, str]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.InvalidTokenError, RecursionError) as error:
            raise InvalidTokenError("The token is malformed.") from error
        algorithm = header.get("alg")
        # Before any key is looked for: a token that could never pass must not make us fetch.
        if algorithm not in self._settings.oidc_algorithms:
            raise InvalidTokenError("The token is signed with an algorithm that is not accepted.")
        return header.get("kid") or NO_KEY_ID, algorithm

    def _verified(self, token: str, key: SigningKey, algorithm: str) -> Claimant:
        try:
            claims = jwt.decode(
                token,
                key.public,
                algorithms=[algorithm],
                audience=self._settings.oidc_audience,
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
        subject = claims["sub"]
        if not 1 <= len(subject) <= MAX_SUBJECT_LENGTH or not subject.isprintable():
            raise InvalidTokenError("The token's subject is not valid.")
        return Claimant(claims["iss"], subject)


def fetch_from(http: aiohttp.ClientSession, url: str, *, timeout_s: float) -> Fetch:
    """A function that gets the key set from its address.

    It raises TransientError when the issuer is away, slow, or answers anything but a document of a decent size.
    """
    timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def fetch() -> bytes:
        try:
            # A redirect could lead anywhere, even back into our own network.
            async with http.get(url, timeout=timeout, allow_redirects=False) as response:
                if response.status != 200:
                    raise TransientError(f"The token issuer answered {response.status}.")
                return await _read(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransientError(f"The token issuer is out of reach: {type(error).__name__}.") from error

    return fetch


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_KEY_SET_BYTES:
            raise TransientError(f"The token issuer's answer is longer than {MAX_KEY_SET_BYTES} bytes.")
    return bytes(content)


@asynccontextmanager
async def open_tokens(settings: Settings) -> AsyncIterator[TokenVerifier | None]:
    """What checks tokens of the issuer in the settings; None where there is no issuer. Nothing is fetched yet."""
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
