"""Authentication: every endpoint with every kind of valid and invalid key and token."""

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
import structlog

from services.gateway.accounts.model import ApiKey, format_api_key, hash_api_key, token_user_id
from services.gateway.api.auth import PUBLIC_PATHS
from tests.contract.gateway.issuer import NAME, PUBLIC_PEM, STRANGERS_KEY, token, unsafe_token
from tests.contract.gateway.parts import Account, Gateway, account, code

TIERS = ("free", "researcher", "institution", "enterprise")
NOW = int(time.time())
NO_ENTRY = {
    "missing_api_key",
    "invalid_api_key",
    "revoked_api_key",
    "expired_api_key",
    "invalid_token",
    "expired_token",
    "tokens_not_accepted",
    "ambiguous_credentials",
}


def endpoints(gateway: Gateway) -> list[tuple[str, str]]:
    """Return method and path of every route that needs authentication, with ids that do not exist."""
    app = gateway.client.app
    assert app is not None
    found = []
    for route in app.router.routes():
        assert route.resource is not None
        if route.resource.canonical not in PUBLIC_PATHS:
            found.append((route.method, str(route.resource.canonical).replace("{", "").replace("}", "")))
    assert ("POST", "/api-keys") in found
    assert ("GET", "/jobs/job_id/download") in found
    return found


async def ask(gateway: Gateway, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Return status and code. The code is empty if the answer has no body or is not an error."""
    async with gateway.client.request(method, path, headers=headers) as response:
        if response.status < 400 or method == "HEAD":
            return response.status, ""
        return response.status, (await response.json())["error"]["code"]


async def key_of(gateway: Gateway, user_id: str, *, expires_at: int = NOW + 86_400, active: bool = True) -> str:
    """Create a key in the job store, without the API."""
    api_key = format_api_key(uuid.uuid4().bytes * 2)
    hashed = hash_api_key(api_key, gateway.settings.api_key_pepper.get_secret_value())
    stored = ApiKey(uuid.uuid4().hex[:8], user_id, "n", hashed, "sk_live_", NOW - 2000, expires_at, active)
    assert await gateway.store.users.add_key(stored)
    return api_key


def signed_with_the_public_key() -> str:
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    unsigned = unsafe_token({"alg": "HS256", "kid": "rsa-1"}).rpartition(".")[0]
    return f"{unsigned}.{jwt.utils.base64url_encode(hmac.sign(unsigned.encode(), PUBLIC_PEM)).decode()}"


BAD_TOKENS = {
    "malformed": ("x.y.z", "invalid_token"),
    "expired": (token(exp=NOW - 3600), "expired_token"),
    "without an end": (token(exp=None), "invalid_token"),
    "wrong audience": (token(aud="another"), "invalid_token"),
    "wrong issuer": (token(iss="https://another.example"), "invalid_token"),
    "alg none": (unsafe_token({"alg": "none", "kid": "rsa-1"}), "invalid_token"),
    "HS256 with the public key": (signed_with_the_public_key(), "invalid_token"),
    "unknown kid": (token(kid="rsa-9"), "invalid_token"),
    "a stranger's": (token(key=STRANGERS_KEY), "invalid_token"),
}


@pytest.mark.parametrize(("bad", "expected"), BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
async def test_no_endpoint_accepts_a_bad_token(gateway: Gateway, bad: str, expected: str) -> None:
    for method, path in endpoints(gateway):
        status, found = await ask(gateway, method, path, {"Authorization": f"Bearer {bad}"})
        assert (status, found or expected) == (403, expected), (method, path)


@pytest.mark.parametrize(
    "expected", ["missing_api_key", "invalid_api_key", "revoked_api_key", "expired_api_key", "ambiguous_credentials"]
)
async def test_no_endpoint_accepts_a_bad_key(gateway: Gateway, alice: Account, expected: str) -> None:
    headers = {
        "missing_api_key": {},
        "invalid_api_key": {"x-api-key": format_api_key(b"0" * 32)},
        "revoked_api_key": {"x-api-key": await key_of(gateway, alice.user_id, active=False)},
        "expired_api_key": {"x-api-key": await key_of(gateway, alice.user_id, expires_at=NOW)},
        "ambiguous_credentials": {"x-api-key": alice.api_key, "Authorization": f"Bearer {token()}"},
    }[expected]
    for method, path in endpoints(gateway):
        status, found = await ask(gateway, method, path, headers)
        assert (status, found or expected) == (403, expected), (method, path)


async def check_every_endpoint(gateway: Gateway, headers: Mapping[str, str], tier: str) -> None:
    for method, path in endpoints(gateway):
        status, found = await ask(gateway, method, path, headers)
        if tier == "free" and path.startswith("/api-keys"):
            assert (status, found or "tier_upgrade_required") == (403, "tier_upgrade_required"), (method, path)
        else:
            assert status < 500, (method, path)
            assert status != 403, (method, path, found)
            assert found not in NO_ENTRY


@pytest.mark.parametrize("tier", TIERS)
async def test_every_endpoint_accepts_a_key_of_every_tier(gateway: Gateway, tier: str) -> None:
    user = await account(gateway, tier)
    await check_every_endpoint(gateway, {"x-api-key": user.api_key}, tier)


@pytest.mark.parametrize("tier", TIERS)
async def test_every_endpoint_accepts_a_token_of_every_tier(gateway: Gateway, tier: str) -> None:
    subject = f"subject-{uuid.uuid4()}"
    headers = {"Authorization": f"Bearer {token(subject)}"}
    assert await ask(gateway, "GET", "/jobs", headers) == (200, "")
    assert await gateway.store.users.set_tier(token_user_id(NAME, subject), tier)
    await check_every_endpoint(gateway, headers, tier)


async def test_users_can_not_access_data_of_other_users(alice: Account, bob: Account) -> None:
    job_id = await alice.analyze()
    _, key = await alice.ask("POST", "/api-keys", {"name": "hers"})
    mallory = await account(alice.gateway, "enterprise")
    stranger = Account(alice.gateway, "", "", token=token("mallory"))
    for user in (bob, mallory, stranger):
        for path in (f"/jobs/{job_id}", f"/jobs/{job_id}/download", f"/jobs/{job_id}/verdicts"):
            assert code(await user.ask("GET", path)) == (403, "job_of_another_user")
        assert code(await user.ask("POST", "/reports", {"job_id": job_id})) == (403, "job_of_another_user")
        status, jobs = await user.ask("GET", "/jobs")
        assert status == 200
        assert job_id not in {job["job_id"] for job in jobs}
    assert code(await mallory.ask("DELETE", f"/api-keys/{key['key_id']}")) == (403, "key_of_another_user")
    status, listed = await mallory.ask("GET", "/api-keys")
    assert status == 200
    assert key["key_id"] not in {one["key_id"] for one in listed["keys"]}
    assert (await alice.ask("GET", f"/jobs/{job_id}"))[0] == 200


async def test_the_first_requests_with_a_token_create_one_free_user(gateway: Gateway) -> None:
    subject = f"auth0|{uuid.uuid4()}"
    newcomer = Account(gateway, token_user_id(NAME, subject), "", token=token(subject))
    answers = await asyncio.gather(*(newcomer.ask("GET", "/jobs") for _ in range(20)))
    assert answers == [(200, [])] * 20
    found = await gateway.store.users.user(newcomer.user_id)
    assert found is not None
    assert (found.tier, found.name) == ("free", subject)
    assert await newcomer.upload()


async def test_keys_and_tokens_are_not_logged(
    gateway: Gateway, alice: Account, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    good, bad = token("logged"), token("logged", aud="another")
    unknown = format_api_key(b"9" * 32)
    secrets = [alice.api_key, good, bad, unknown, gateway.settings.api_key_pepper.get_secret_value()]
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        _, made = await alice.ask("POST", "/api-keys", {"name": "logged"})
        secrets.append(made["api_key"])
        for headers in (
            {"x-api-key": made["api_key"]},
            {"x-api-key": unknown},
            {"x-api-key": f"{made['api_key']}x"},
            {"Authorization": f"Bearer {good}"},
            {"Authorization": f"Bearer {bad}"},
            {"Authorization": f"Bearer {made['api_key']}"},
            {"x-api-key": made["api_key"], "Authorization": f"Bearer {good}"},
        ):
            await ask(gateway, "GET", "/jobs", headers)
        await alice.ask("GET", "/api-keys")
        await gateway.key_uses.flush()
        await alice.ask("DELETE", f"/api-keys/{made['key_id']}")
    assert {line["event"] for line in lines} >= {"request", "key issued", "key revoked"}
    told = f"{lines} {caplog.text} {capfd.readouterr()}"
    for secret in secrets:
        assert secret not in told
        assert secret[:24] not in told


async def test_credentials_are_not_stored(gateway: Gateway, alice: Account) -> None:
    _, made = await alice.ask("POST", "/api-keys")
    stored: list[Any] = []
    for name in ("users", "api_keys", "jobs"):
        stored += [document async for document in gateway.store.database[name].find({})]
    assert made["key_id"] in repr(stored)
    for secret in (made["api_key"], alice.api_key):
        assert secret not in repr(stored)
        assert secret.removeprefix("sk_live_") not in repr(stored)
