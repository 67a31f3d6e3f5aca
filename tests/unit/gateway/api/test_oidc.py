"""Which tokens are accepted, and how often the issuer's keys are fetched."""

import asyncio
import json
import time
import warnings
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.warnings import InsecureKeyLengthWarning
from pydantic import ValidationError

from services.gateway.api.oidc import (
    MAX_ANSWER_BYTES,
    Claimant,
    InvalidTokenError,
    KeySet,
    TokenVerifier,
    fetch_from,
    open_token_verifier,
    parse_key_set,
)
from services.gateway.settings import Settings
from shared.errors import TransientError
from tests.contract.gateway.issuer import (
    AUDIENCE,
    EC_KEY,
    LIFETIME_S,
    NAME,
    PUBLIC_PEM,
    RSA_KEY,
    STRANGERS_KEY,
    jwk,
    running_issuer,
    token,
    unsafe_token,
)

PEPPER = "a pepper of some length"
OIDC = {"oidc_issuer": NAME, "oidc_audience": AUDIENCE, "oidc_jwks_url": "https://issuer.example/jwks.json"}
NOW = int(time.time())


def settings_with(**more: Any) -> Settings:
    return Settings(api_key_pepper=PEPPER, **{**OIDC, **more})


class FakeIssuer:
    """Answers with a set of keys; can be unavailable or slow."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys) or [jwk(RSA_KEY, "rsa-1"), jwk(EC_KEY, "ec-1")]
        self.is_away = False
        self.fetches = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def fetch(self) -> bytes:
        self.fetches += 1
        await self.may_answer.wait()
        if self.is_away:
            raise TransientError("The issuer is away.")
        return json.dumps({"keys": self.keys}).encode()


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: FakeIssuer, clock: Clock) -> KeySet:
    return KeySet(issuer.fetch, lifetime_s=100, max_age_s=1000, interval_s=10, clock=clock)


@pytest.fixture
def tokens(keys: KeySet) -> TokenVerifier:
    return TokenVerifier(settings_with(), keys)


@pytest.mark.parametrize(
    "good",
    [
        token("alice"),
        token("alice", key=EC_KEY, alg="ES256", kid="ec-1"),
        token("alice", aud=["another", AUDIENCE]),
        token("alice", iat=None, name="Alice", scope="everything"),
    ],
)
async def test_a_good_token_names_its_subject(tokens: TokenVerifier, good: str) -> None:
    assert await tokens.verify(good) == Claimant(NAME, "alice")


async def test_clocks_may_differ_a_little(tokens: TokenVerifier) -> None:
    now = int(time.time())
    assert await tokens.verify(token("alice", exp=now - 30)) == Claimant(NAME, "alice")
    assert await tokens.verify(token("alice", nbf=now + 30, iat=now + 30)) == Claimant(NAME, "alice")


BAD_TOKENS = {
    "no token": "x",
    "no dots": "a" * 100,
    "an API key": "sk_live_" + "0" * 64,
    "empty parts": "..",
    "no JSON": "e30x.e30.e30",
    "deep nesting": jwt.utils.base64url_encode(b"[" * 5000).decode() + ".e30.e30",
    "alg none": unsafe_token({"alg": "none", "kid": "rsa-1"}),
    "alg None": unsafe_token({"alg": "None", "kid": "rsa-1"}),
    "alg null": unsafe_token({"alg": None, "kid": "rsa-1"}),
    "alg list": unsafe_token({"alg": ["RS256"], "kid": "rsa-1"}),
    "no alg": unsafe_token({"kid": "rsa-1"}),
    "no signature": unsafe_token({"alg": "RS256", "kid": "rsa-1"}),
    "critical extension": unsafe_token({"alg": "RS256", "kid": "rsa-1", "crit": ["x"], "x": 1}),
    "unencoded payload": unsafe_token({"alg": "RS256", "kid": "rsa-1", "crit": ["b64"], "b64": False}),
    "kid no text": unsafe_token({"alg": "RS256", "kid": {"$ne": 1}}),
    "unknown kid": token(kid="rsa-9"),
    "no kid among two keys": token(kid=None),
    "a stranger's signature": token(key=STRANGERS_KEY),
    "a stranger's own key in the header": jwt.encode(
        {"iss": NAME, "aud": AUDIENCE, "sub": "alice", "exp": NOW + LIFETIME_S},
        STRANGERS_KEY,
        "RS256",
        headers={"kid": "rsa-1", "jwk": jwk(STRANGERS_KEY, "rsa-1"), "jku": "https://strangers.example/jwks.json"},
    ),
    "algorithm not chosen": token(alg="RS512"),
    "algorithm of another key": token(kid="ec-1"),
    "wrong audience": token(aud="another"),
    "no audience": token(aud=None),
    "wrong issuer": token(iss="https://issuer.example/"),
    "no issuer": token(iss=None),
    "no end": token(exp=None),
    "an end that is no number": token(exp="never"),
    "an endless end": token(exp=float("inf")),
    "not yet": token(nbf=NOW + LIFETIME_S),
    "issued in the future": token(iat=NOW + LIFETIME_S),
    "no subject": token(None),
    "an empty subject": token(""),
    "a long subject": token("x" * 256),
    "control characters in the subject": token("a\nb"),
}


@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
async def test_a_bad_token_is_refused_and_not_shown(tokens: TokenVerifier, bad: str) -> None:
    with pytest.raises(InvalidTokenError) as raised:
        await tokens.verify(bad)
    assert raised.value.code == "invalid_token"
    assert raised.value.message.endswith(".")
    assert bad not in raised.value.message


async def test_an_expired_token_has_a_code_of_its_own(tokens: TokenVerifier) -> None:
    with pytest.raises(InvalidTokenError) as raised:
        await tokens.verify(token(exp=NOW - 120))
    assert raised.value.code == "expired_token"


@pytest.mark.parametrize("secret", [PUBLIC_PEM, json.dumps(jwk(RSA_KEY, "rsa-1")).encode(), b""])
async def test_the_public_key_is_no_shared_secret(tokens: TokenVerifier, issuer: FakeIssuer, secret: bytes) -> None:
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    unsigned = unsafe_token({"alg": "HS256", "kid": "rsa-1"}).rpartition(".")[0]
    signature = jwt.utils.base64url_encode(algorithm.sign(unsigned.encode(), secret)).decode()
    with pytest.raises(InvalidTokenError):
        await tokens.verify(f"{unsigned}.{signature}")
    assert issuer.fetches == 0


async def test_a_shared_secret_among_the_keys_is_not_used(tokens: TokenVerifier, issuer: FakeIssuer) -> None:
    secret = b"s" * 32
    issuer.keys.append({"kty": "oct", "kid": "oct-1", "alg": "HS256", "k": jwt.utils.base64url_encode(secret).decode()})
    with pytest.raises(InvalidTokenError):
        await tokens.verify(token(key=secret, alg="HS256", kid="oct-1"))


async def test_a_key_is_used_only_with_the_algorithm_that_its_issuer_names(keys: KeySet, issuer: FakeIssuer) -> None:
    issuer.keys = [jwk(RSA_KEY, "rsa-1", alg="RS512")]
    tokens = TokenVerifier(settings_with(oidc_algorithms=("RS256", "RS512")), keys)
    assert await tokens.verify(token(alg="RS512")) == Claimant(NAME, "alice")
    with pytest.raises(InvalidTokenError):
        await tokens.verify(token(alg="RS256"))


async def test_a_short_key_is_ignored(keys: KeySet, issuer: FakeIssuer) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    issuer.keys = [jwk(short, "rsa-1")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)
        bad = token(key=short)
    with pytest.raises(InvalidTokenError):
        await TokenVerifier(settings_with(), keys).verify(bad)


async def test_the_only_key_needs_no_id(issuer: FakeIssuer, tokens: TokenVerifier) -> None:
    issuer.keys = [jwk(RSA_KEY, None)]
    assert await tokens.verify(token(kid=None)) == Claimant(NAME, "alice")


async def test_keys_are_fetched_once(keys: KeySet, issuer: FakeIssuer) -> None:
    found = await asyncio.gather(*(keys.find(kid) for kid in ["rsa-1", "ec-1"] * 50))
    assert None not in found
    assert issuer.fetches == 1


async def test_invalid_tokens_do_not_cause_many_fetches(keys: KeySet, issuer: FakeIssuer, clock: Clock) -> None:
    for _ in range(20):
        assert await asyncio.gather(*(keys.find(f"garbage-{n}") for n in range(50))) == [None] * 50
        clock.now += 1
    assert issuer.fetches == 2


async def test_a_new_key_is_found_as_soon_as_a_fetch_is_allowed(keys: KeySet, issuer: FakeIssuer, clock: Clock) -> None:
    assert await keys.find("rsa-1") is not None
    issuer.keys = [jwk(STRANGERS_KEY, "rsa-2")]
    assert await keys.find("rsa-2") is None
    clock.now += 10
    assert await keys.find("rsa-2") is not None
    assert await keys.find("rsa-1") is None


async def test_withdrawn_keys_expire(keys: KeySet, issuer: FakeIssuer, clock: Clock) -> None:
    assert await keys.find("rsa-1") is not None
    issuer.keys = []
    clock.now += 99
    assert await keys.find("rsa-1") is not None
    clock.now += 1
    assert await keys.find("rsa-1") is None


async def test_an_unavailable_issuer_is_transient(keys: KeySet, issuer: FakeIssuer, clock: Clock) -> None:
    issuer.is_away = True
    for _ in range(5):
        with pytest.raises(TransientError):
            await keys.find("rsa-1")
    assert issuer.fetches == 1
    issuer.is_away = False
    clock.now += 10
    assert await keys.find("rsa-1") is not None


async def test_old_keys_outlast_a_short_outage(keys: KeySet, issuer: FakeIssuer, clock: Clock) -> None:
    assert await keys.find("rsa-1") is not None
    issuer.is_away = True
    clock.now += 500
    assert await keys.find("rsa-1") is not None
    with pytest.raises(TransientError):
        await keys.find("rsa-2")
    clock.now += 500
    with pytest.raises(TransientError):
        await keys.find("rsa-1")


async def test_only_one_request_waits_for_a_slow_issuer(keys: KeySet, issuer: FakeIssuer, clock: Clock) -> None:
    assert await keys.find("rsa-1") is not None
    issuer.may_answer.clear()
    clock.now += 200
    fetching = asyncio.create_task(keys.find("rsa-1"))
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        assert await keys.find("rsa-1") is not None
    assert not fetching.done()
    issuer.may_answer.set()
    assert await fetching is not None


async def test_after_a_cancelled_fetch_the_keys_are_unknown(keys: KeySet, issuer: FakeIssuer) -> None:
    issuer.may_answer.clear()
    fetching = asyncio.create_task(keys.find("rsa-1"))
    await asyncio.sleep(0)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    with pytest.raises(TransientError):
        await keys.find("rsa-1")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b"[" * 100_000,
        json.dumps({"keys": [jwk(EC_KEY, str(n)) for n in range(101)]}).encode(),
    ],
)
def test_an_invalid_key_set_counts_as_unavailable(raw: bytes) -> None:
    with pytest.raises(TransientError):
        parse_key_set(raw)


def test_keys_that_are_not_for_signatures_are_left_out() -> None:
    entries = [
        jwk(RSA_KEY, "for secrets", use="enc"),
        {**jwk(RSA_KEY, "private"), "d": "AQAB"},
        {"kty": "RSA", "kid": "half", "n": "AQAB"},
        {"kty": "RSA", "kid": "odd", "n": 7, "e": []},
        {"kty": "EC", "kid": "unknown curve", "crv": "P-0", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": "unknown algorithm", "alg": ["RS256"], "n": "AQAB", "e": "AQAB"},
        {"kid": "nothing"},
        "no object",
        jwk(RSA_KEY, "good", use="sig", alg="RS256"),
    ]
    assert list(parse_key_set(json.dumps({"keys": entries}).encode())) == ["good"]


async def test_only_a_plain_answer_of_a_limited_size_is_read() -> None:
    async with running_issuer() as server, aiohttp.ClientSession() as http:
        fetch = fetch_from(http, server.url, timeout_s=5)
        assert list(parse_key_set(await fetch())) == ["rsa-1", "ec-1"]
        server.status = 302
        with pytest.raises(TransientError, match="302"):
            await fetch()
        server.status = 500
        with pytest.raises(TransientError, match="500"):
            await fetch()
        server.status, server.content = 200, b" " * (MAX_ANSWER_BYTES + 1)
        with pytest.raises(TransientError, match="longer"):
            await fetch()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(TransientError, match="unavailable"):
            await fetch_from(http, server.url, timeout_s=5)()


async def test_keys_are_fetched_at_the_first_token_and_rarely_afterwards() -> None:
    async with running_issuer() as server, open_token_verifier(settings_with(oidc_jwks_url=server.url)) as tokens:
        assert tokens is not None
        assert server.fetches == 0
        for subject in ("alice", "bob", "alice"):
            assert await tokens.verify(token(subject)) == Claimant(NAME, subject)
        for number in range(50):
            with pytest.raises(InvalidTokenError):
                await tokens.verify(token(kid=f"garbage-{number}"))
        assert server.fetches == 1
    async with open_token_verifier(settings_with(oidc_jwks_url=server.url)) as tokens:
        assert tokens is not None
        with pytest.raises(TransientError):
            await tokens.verify(token())


async def test_without_an_issuer_no_tokens_are_accepted() -> None:
    async with open_token_verifier(Settings(api_key_pepper=PEPPER)) as tokens:
        assert tokens is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_audience": None},
        {"oidc_jwks_url": None},
        {"oidc_jwks_url": "file:///etc/passwd"},
        {"oidc_algorithms": ("HS256",)},
        {"oidc_algorithms": ("RS256", "none")},
        {"oidc_algorithms": ()},
        {"oidc_clock_skew_s": -1},
        {"oidc_tier": "platinum"},
        {"oidc_fetch_interval_s": 4000},
        {"oidc_keys_max_age_s": 1},
    ],
)
def test_insecure_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings_with(**wrong)


@pytest.mark.parametrize("skew_s", [-55, 55])
async def test_an_issuers_clock_may_be_off_by_nearly_a_minute(tokens: TokenVerifier, skew_s: int) -> None:
    issuers = int(time.time()) + skew_s
    for issued_ago_s, lifetime_s in [(0, 300), (299, 300)]:
        issued_s = issuers - issued_ago_s
        good = token(iat=issued_s, nbf=issued_s, exp=issued_s + lifetime_s)
        assert await tokens.verify(good) == Claimant(NAME, "alice")


async def test_a_clock_that_is_off_by_more_than_a_minute_is_refused(tokens: TokenVerifier) -> None:
    now_s = int(time.time())
    with pytest.raises(InvalidTokenError, match="expired"):
        await tokens.verify(token(iat=now_s - 400, exp=now_s - 65))
    with pytest.raises(InvalidTokenError, match="not valid yet"):
        await tokens.verify(token(iat=now_s + 120, exp=now_s + 400))
