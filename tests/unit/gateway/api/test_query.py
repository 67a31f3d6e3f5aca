"""Unknown and repeated query parameters."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.accounts.model import User
from services.gateway.api.application import make_http_app
from services.gateway.api.document.operations import OPERATIONS, QUERY_PARAMETERS
from services.gateway.api.query import MAX_SHOWN


async def anybody(_request: web.Request) -> User:
    return User("u1", "free", "n", 0)


async def answer(_request: web.Request) -> web.Response:
    return web.Response(text="{}", content_type="application/json")


class Subjects:
    """Every path of the API, so that the table of the parameters is tested as it is used."""

    def routes(self) -> list[web.RouteDef]:
        return [web.route(one.method.upper(), one.path, answer) for one in OPERATIONS]


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(make_http_app([Subjects()], anybody))) as client:
        yield client


def filled(path: str) -> str:
    return path.replace("{", "").replace("}", "")


async def refusal(client: TestClient, method: str, path: str) -> tuple[str, str]:
    async with client.request(method, filled(path)) as response:
        assert response.status == 400
        error = (await response.json())["error"]
        return error["code"], error["message"]


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if not one.is_public], ids=lambda one: one.summary)
async def test_every_path_refuses_parameters_that_it_does_not_have(client: TestClient, operation: object) -> None:
    code, message = await refusal(client, operation.method, operation.path + "?no_such=1")
    assert code == "unknown_parameter"
    assert "'no_such'" in message
    for parameter in operation.parameters:
        assert parameter.where != "query" or parameter.name in message


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [(method, path, name) for (method, path), names in QUERY_PARAMETERS.items() for name in names],
)
async def test_every_parameter_is_given_once(client: TestClient, method: str, path: str, name: str) -> None:
    async with client.request(method, filled(f"{path}?{name}=1")) as response:
        assert response.status == 200
    code, message = await refusal(client, method, f"{path}?{name}=1&{name}=1")
    assert (code, name in message) == ("repeated_parameter", True)


async def test_names_are_case_sensitive_and_may_not_be_empty(client: TestClient) -> None:
    for query in ("Limit=5", "limit%00=5", "=5", "limit=5&", "limit"):
        async with client.get(f"/jobs?{query}") as response:
            assert response.status == (200 if query in {"limit=5&", "limit"} else 400)


async def test_a_long_name_is_shortened(client: TestClient) -> None:
    _, message = await refusal(client, "GET", "/usage?" + "x" * 5000)
    assert len(message) < MAX_SHOWN + 100


async def test_public_paths_ignore_parameters(client: TestClient) -> None:
    async with client.get("/health?probe=1&probe=2") as response:
        assert response.status == 200
