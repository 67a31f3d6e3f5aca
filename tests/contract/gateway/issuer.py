"""An OpenID Connect issuer on the loopback interface: its keys, its key set over HTTP, and valid and invalid tokens."""

import hashlib
import json
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

NAME = "https://issuer.example"
AUDIENCE = "waterhole"
CLIENT_ID = "waterhole dashboard"
CLIENT_SECRET = "a:secret/of the client"
PUBLIC_URL = "http://waterhole.example"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGERS_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)

# Longer than any test run: tokens are made when their test file is imported.
LIFETIME_S = 86_400


def jwk(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """Return the public half of a key, as an issuer publishes it."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    named = {"kid": kid} if kid is not None else {}
    return {**json.loads(algorithm.to_jwk(key.public_key())), **named, **more}


def token(
    subject: Any = "alice", *, key: Any = RSA_KEY, alg: str = "RS256", kid: str | None = "rsa-1", **claims: Any
) -> str:
    """Return a token, valid unless the arguments say otherwise. Claims that are None are left out."""
    now = int(time.time())
    content = {"iss": NAME, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + LIFETIME_S, **claims}
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(content, key, alg, headers={"kid": kid} if kid is not None else None)


def unsafe_token(header: dict[str, Any], signature: bytes = b"", claims: dict[str, Any] | None = None) -> str:
    """Return a token that no proper library would make."""
    now = int(time.time())
    good = {"iss": NAME, "aud": AUDIENCE, "sub": "alice", "exp": now + LIFETIME_S}
    parts = [json.dumps(header).encode(), json.dumps(claims or good).encode(), signature]
    return ".".join(jwt.utils.base64url_encode(part).decode() for part in parts)


@dataclass
class Issuer:
    """The server at the address of the key set. It can be unavailable or return any content.

    `codes` holds the ID token of each code that a browser may bring back, with the challenge that its exchange must
    meet. The exchange can be made to answer with another status.
    """

    url: str = ""
    token_url: str = ""
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    token_status: int = 200
    exchanges: list[dict[str, str]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk(RSA_KEY, "rsa-1"), jwk(EC_KEY, "ec-1")])
    content: bytes | None = None
    status: int = 200
    fetches: int = 0

    async def answer(self, _request: web.Request) -> web.Response:
        self.fetches += 1
        content = self.content if self.content is not None else json.dumps({"keys": self.keys}).encode()
        headers = {"Location": "/elsewhere"} if 300 <= self.status < 400 else None
        return web.Response(body=content, status=self.status, headers=headers)

    async def exchange(self, request: web.Request) -> web.Response:
        """POST /token: exchange a code once, as RFC 6749 and RFC 7636 say."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.exchanges.append(form)
        if self.token_status != 200:
            return web.Response(status=self.token_status, headers={"Location": "/elsewhere"})
        login, _, password = b64decode(request.headers["Authorization"].partition(" ")[2]).decode().partition(":")
        if (unquote_plus(login), unquote_plus(password)) != (CLIENT_ID, CLIENT_SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        challenge, id_token = self.codes.pop(form["code"], ("", ""))
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if jwt.utils.base64url_encode(digest).decode() != challenge:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": id_token})


@asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    """Run an issuer that answers."""
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/jwks.json", issuer.answer)
    app.router.add_post("/token", issuer.exchange)
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("/jwks.json"))
        issuer.token_url = str(server.make_url("/token"))
        yield issuer
