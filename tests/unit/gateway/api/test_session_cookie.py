"""The session cookie: its flags and its name with and without TLS, and how it is read."""

from collections.abc import AsyncIterator
from http.cookies import Morsel, SimpleCookie
from ipaddress import ip_network

import pytest
from aiohttp import DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.session_cookie import Cookies

TLS = {"X-Forwarded-Proto": "https"}


def app_with(cookies: Cookies) -> web.Application:
    async def sign_in(request: web.Request) -> web.Response:
        response = web.json_response({})
        cookies.set(request, response, "token", max_age_s=604_800.5)
        return response

    async def sign_out(request: web.Request) -> web.Response:
        response = web.json_response({})
        cookies.delete(request, response)
        return response

    async def read(request: web.Request) -> web.Response:
        return web.json_response([cookies.values(request), cookies.only_value(request)])

    app = web.Application()
    app.add_routes([web.get("/in", sign_in), web.get("/out", sign_out), web.get("/read", read)])
    return app


@pytest.fixture(params=[True, False], ids=["by setting", "by proxy"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[TestClient]:
    """Return a client of a server that knows about TLS by its setting, or from its proxy."""
    cookies = Cookies(ClientAddresses([ip_network("127.0.0.0/8")]), is_tls=request.param)
    async with TestClient(TestServer(app_with(cookies)), cookie_jar=DummyCookieJar()) as client:
        yield client


async def cookie(client: TestClient, path: str, headers: dict[str, str]) -> Morsel[str]:
    async with client.get(path, headers=headers) as response:
        (text,) = response.headers.getall("Set-Cookie")
        ((_, morsel),) = SimpleCookie(text).items()
        assert "domain" not in text.lower()
        return morsel


async def test_over_tls_the_cookie_is_secure_and_of_this_host_only(client: TestClient) -> None:
    for path, value, max_age in (("/in", "token", "604800"), ("/out", "", "0")):
        morsel = await cookie(client, path, TLS)
        assert (morsel.key, morsel.value, morsel["max-age"]) == ("__Host-waterhole_session", value, max_age)
        assert (morsel["secure"], morsel["httponly"]) == (True, True)
        assert (morsel["samesite"], morsel["path"]) == ("Lax", "/")


@pytest.mark.parametrize("trusted", [True, False])
async def test_without_tls_the_cookie_has_all_other_flags(trusted: bool) -> None:
    cookies = Cookies(ClientAddresses([ip_network("127.0.0.0/8")] if trusted else []), is_tls=False)
    async with TestClient(TestServer(app_with(cookies)), cookie_jar=DummyCookieJar()) as client:
        # Only a trusted proxy is believed.
        morsel = await cookie(client, "/in", {} if trusted else TLS)
        assert (morsel.key, morsel["secure"], morsel["httponly"]) == ("waterhole_session", "", True)
        assert (morsel["samesite"], morsel["path"]) == ("Lax", "/")


@pytest.mark.parametrize(
    ("sent", "values", "only"),
    [
        ([], [], None),
        (["__Host-waterhole_session=a"], ["a"], "a"),
        (["x=1; __Host-waterhole_session=a=b; y"], ["a=b"], "a=b"),
        (["__Host-waterhole_session="], [""], ""),
        (["__Host-waterhole_session"], [""], ""),
        (["__Host-waterhole_session=a; __Host-waterhole_session=b"], ["a", "b"], None),
        (["__Host-waterhole_session=a", "__Host-waterhole_session=b"], ["a", "b"], None),
        # A page without TLS on the same host could have set these.
        (["waterhole_session=a"], [], None),
        (["__host-waterhole_session=a; x__Host-waterhole_session=b"], [], None),
    ],
)
async def test_only_one_cookie_of_the_right_name_counts(
    client: TestClient, sent: list[str], values: list[str], only: str | None
) -> None:
    headers = CIMultiDict([*TLS.items(), *(("Cookie", text) for text in sent)])
    async with client.get("/read", headers=headers) as response:
        assert await response.json() == [values, only]
