"""Sign-in at an OpenID Connect issuer: authorization code with PKCE (RFC 6749, RFC 7636, OpenID Connect Core 3.1).

The browser goes to the issuer and comes back with a code. The code is exchanged for an ID token here, and is useless to
others: the exchange needs the secret whose hash the browser took to the issuer.
"""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import aiohttp
from aiohttp import hdrs
from yarl import URL

from services.gateway.api.oidc import Claimant, InvalidTokenError, TokenVerifier, read_bounded
from services.gateway.settings import Settings
from shared.errors import TransientError

CALLBACK_PATH = "/session/oidc/callback"
EXCHANGE_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Proofs:
    """What ties a code and its ID token to one sign-in of one browser."""

    state: str
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)

    @property
    def code_challenge(self) -> str:
        """The hash of the code verifier (S256)."""
        digest = hashlib.sha256(self.code_verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True)
class Client:
    """This service, as the issuer knows it."""

    client_id: str
    client_secret: str | None = field(repr=False)
    issuer: str
    authorization_url: str
    token_url: str
    scopes: str
    redirect_url: str


class OidcClient:
    """Sends browsers to the issuer, and exchanges the codes that they bring back."""

    def __init__(self, client: Client, http: aiohttp.ClientSession, verifier: TokenVerifier) -> None:
        self._client = client
        self._http = http
        self._verifier = verifier

    @property
    def issuer(self) -> str:
        """The issuer's name, as in its tokens."""
        return self._client.issuer

    def authorization_url(self, proofs: Proofs) -> str:
        """Return where the browser has to go."""
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_url,
            "scope": self._client.scopes,
            "state": proofs.state,
            "nonce": proofs.nonce,
            "code_challenge": proofs.code_challenge,
            "code_challenge_method": "S256",
        }
        return str(URL(self._client.authorization_url).update_query(asked))

    async def claimant(self, code: str, proofs: Proofs) -> Claimant:
        """Exchange a code and return whom its ID token names.

        Raises
        ------
        InvalidTokenError
            The issuer does not accept the code, or its ID token is not valid for this sign-in.
        TransientError
            The issuer is unavailable.
        """
        answer = await self._exchanged(code, proofs.code_verifier)
        try:
            token = json.loads(answer)["id_token"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise InvalidTokenError("The issuer's answer has no ID token.") from error
        if not isinstance(token, str):
            raise InvalidTokenError("The issuer's answer has no ID token.")
        return await self._verifier.verify_id_token(token, client_id=self._client.client_id, nonce=proofs.nonce)

    async def _exchanged(self, code: str, code_verifier: str) -> bytes:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.redirect_url,
            "code_verifier": code_verifier,
        }
        headers = {}
        if self._client.client_secret is None:
            form["client_id"] = self._client.client_id
        else:
            login, password = quote_plus(self._client.client_id), quote_plus(self._client.client_secret)
            headers[hdrs.AUTHORIZATION] = aiohttp.encode_basic_auth(login, password)
        timeout = aiohttp.ClientTimeout(total=EXCHANGE_TIMEOUT_S)
        try:
            # A redirect could take the code anywhere.
            async with self._http.post(
                self._client.token_url, data=form, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                if 400 <= response.status < 500:
                    raise InvalidTokenError("The issuer did not accept the code.")
                if response.status != 200:
                    raise TransientError(f"The token issuer answered {response.status}.")
                return await read_bounded(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransientError(f"The token issuer is unavailable: {type(error).__name__}.") from error


@asynccontextmanager
async def open_oidc_client(settings: Settings, verifier: TokenVerifier | None) -> AsyncIterator[OidcClient | None]:
    """Yield the client for the issuer in the settings, or None if browsers can't sign in there."""
    if (
        verifier is None
        or settings.oidc_client_id is None
        or settings.oidc_issuer is None
        or settings.oidc_authorization_url is None
        or settings.oidc_token_url is None
        or settings.public_url is None
    ):
        yield None
        return
    secret = settings.oidc_client_secret
    client = Client(
        client_id=settings.oidc_client_id,
        client_secret=secret.get_secret_value() if secret is not None else None,
        issuer=settings.oidc_issuer,
        authorization_url=settings.oidc_authorization_url,
        token_url=settings.oidc_token_url,
        scopes=settings.oidc_scopes,
        redirect_url=settings.public_url.rstrip("/") + CALLBACK_PATH,
    )
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield OidcClient(client, http, verifier)
