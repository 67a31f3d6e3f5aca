"""What the middlewares do for every route: errors, authentication, OPTIONS, the time limit."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.accounts.model import ApiKey, User, format_api_key, hash_api_key
from services.gateway.api.application import make_http_app
from services.gateway.api.auth import USER, ApiKeyAuthentication
from shared.errors import TransientError

PEPPER = "a pepper of some length"
NOW_S = 1_000_000.0


def secret(number: int) -> str:
    return format_api_key(bytes([number]) * 32)


VALID, REVOKED, EXPIRED, ORPHANED, UNKNOWN = map(secret, range(5))


class Directory:
    def __init__(self) -> None:
        self.keys = {
            hash_api_key(text, PEPPER): ApiKey(str(number), user_id, "n", "h", "p", 0, expires_at, active)
            for number, (text, user_id, expires_at, active) in enumerate(
                [
                    (VALID, "u1", 2_000_000, True),
                    (REVOKED, "u1", 2_000_000, False),
                    (EXPIRED, "u1", 1_000_000, True),
                    (ORPHANED, "u2", 2_000_000, True),
                ]
            )
        }

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        return self.keys.get(key_hash)

    async def user(self, user_id: str) -> User | None:
        return User("u1", "free", "n", 0) if user_id == "u1" else None


async def whoami(request: web.Request) -> web.Response:
    return web.json_response(request[USER].user_id)


async def bug(_request: web.Request) -> web.Response:
    raise RuntimeError("the secret of the house")


async def away(_request: web.Request) -> web.Response:
    raise TransientError("host 10.0.0.1 is away")


async def slow(_request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def late(_request: web.Request) -> web.Response:
    raise TimeoutError("a bug, and none of the limit's")


class Subjects:
    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/whoami/{name}", whoami),
            web.get("/bug", bug),
            web.get("/away", away),
            web.get("/slow", slow),
            web.get("/late", late),
            web.post("/upload", whoami),
        ]


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    authenticate = ApiKeyAuthentication(Directory(), pepper=PEPPER, now_s=lambda: NOW_S)
    app = make_http_app([Subjects()], authenticate, request_timeout_s=0.2)
    async with TestClient(TestServer(app)) as client:
        yield client


async def ask(client: TestClient, method: str, path: str, **more: object) -> tuple[int, dict]:
    response = await client.request(method, path, headers={"x-api-key": VALID}, **more)
    return response.status, await response.json()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_api_key"),
        ({"x-api-key": " "}, "missing_api_key"),
        ({"x-api-key": "sk_live_short"}, "invalid_api_key"),
        ({"x-api-key": '{"$ne": null}'}, "invalid_api_key"),
        ({"x-api-key": UNKNOWN}, "invalid_api_key"),
        ({"x-api-key": REVOKED}, "revoked_api_key"),
        ({"x-api-key": EXPIRED}, "expired_api_key"),
        ({"x-api-key": ORPHANED}, "invalid_api_key"),
    ],
)
async def test_a_request_without_a_usable_key_is_refused(client: TestClient, headers: dict, code: str) -> None:
    response = await client.get("/whoami/x", headers=headers)
    assert response.status == 403
    assert (await response.json())["error"]["code"] == code


async def test_a_valid_key_names_its_user(client: TestClient) -> None:
    assert await ask(client, "GET", "/whoami/x") == (200, "u1")


async def test_unknown_paths_and_methods_are_answered_in_the_error_format(client: TestClient) -> None:
    status, body = await ask(client, "GET", "/nowhere")
    assert (status, body["error"]["code"]) == (404, "not_found")
    response = await client.delete("/bug")
    assert response.status == 405
    assert response.headers["Allow"] == "GET,HEAD"
    assert (await response.json())["error"]["code"] == "method_not_allowed"


async def test_a_bug_is_answered_without_its_stack_trace(client: TestClient) -> None:
    response = await client.get("/bug", headers={"x-api-key": VALID})
    text = await response.text()
    assert response.status == 500
    assert json.loads(text)["error"]["code"] == "internal_error"
    assert "secret" not in text
    assert "Traceback" not in text


async def test_an_unavailable_dependency_is_answered_with_503(client: TestClient) -> None:
    response = await client.get("/away", headers={"x-api-key": VALID})
    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "10.0.0.1" not in await response.text()


async def test_a_request_that_takes_too_long_is_answered_with_503(client: TestClient) -> None:
    response = await client.get("/slow", headers={"x-api-key": VALID})
    assert (response.status, (await response.json())["error"]["code"]) == (503, "temporarily_unavailable")
    assert int(response.headers["Retry-After"]) > 0


async def test_any_other_timeout_is_a_bug(client: TestClient) -> None:
    status, body = await ask(client, "GET", "/late")
    assert (status, body["error"]["code"]) == (500, "internal_error")


async def test_head_is_get_without_the_body(client: TestClient) -> None:
    response = await client.head("/whoami/x", headers={"x-api-key": VALID})
    assert (response.status, await response.read()) == (200, b"")
    assert (await client.head("/whoami/x")).status == 403


async def test_options_lists_the_methods_without_a_key(client: TestClient) -> None:
    response = await client.options("/whoami/x")
    assert (response.status, response.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert not [name for name in response.headers if name.lower().startswith("access-control")]
    assert (await client.options("/nowhere")).status == 404


@pytest.mark.parametrize("method", ["GET", "TRACE", "PATCH"])
async def test_other_methods_are_not_allowed(client: TestClient, method: str) -> None:
    response = await client.request(method, "/upload", headers={"x-api-key": VALID})
    assert (response.status, response.headers["Allow"]) == (405, "POST")
