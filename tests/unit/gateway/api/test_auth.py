"""Authentication by either a key or a token, and the users that a token creates."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from services.gateway.accounts.model import ApiKey, User, format_api_key, hash_api_key, token_user_id
from services.gateway.api.auth import USER, ApiKeyAuthentication, Authentication, TokenAuthentication, auth_middleware
from services.gateway.api.errors import errors_middleware
from services.gateway.api.oidc import Claimant, InvalidTokenError
from shared.errors import TransientError

PEPPER = "a pepper of some length"
NOW_S = 1_000_000
GOOD_KEY, BAD_KEY = format_api_key(b"1" * 32), format_api_key(b"2" * 32)
GOOD, BAD, EXPIRED, AWAY = "good", "bad", "expired", "away"
ISSUER = "https://issuer.example"
NEWCOMER = token_user_id(ISSUER, "alice")


class Directory:
    """A store of users and one key."""

    def __init__(self) -> None:
        self.users = {"u1": User("u1", "researcher", "n", 0)}
        self.key = ApiKey("k1", "u1", "n", hash_api_key(GOOD_KEY, PEPPER), "p", 0, 2_000_000)
        self.added: list[User] = []

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        return self.key if key_hash == self.key.hash else None

    async def user(self, user_id: str) -> User | None:
        found = self.users.get(user_id)
        # Other requests run between the read and the insert.
        await asyncio.sleep(0)
        return found

    async def add_user(self, user: User) -> bool:
        if user.user_id in self.users:
            return False
        self.users[user.user_id] = user
        self.added.append(user)
        return True


class Tokens:
    async def verify(self, token: str) -> Claimant:
        if token == AWAY:
            raise TransientError("The issuer is away.")
        if token != GOOD:
            raise InvalidTokenError("The token is not valid.", code=f"{token}_token")
        return Claimant(ISSUER, "alice")


async def whoami(request: web.Request) -> web.Response:
    return web.json_response(request[USER].user_id)


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def noted() -> list[str]:
    return []


@pytest.fixture
async def client(directory: Directory, noted: list[str]) -> AsyncIterator[TestClient]:
    authenticate = Authentication(
        ApiKeyAuthentication(
            directory, pepper=PEPPER, now_s=lambda: NOW_S, note_use=lambda key: noted.append(key.key_id)
        ),
        TokenAuthentication(Tokens(), directory, tier="free", now_s=lambda: NOW_S),
    )
    app = web.Application(middlewares=[errors_middleware, auth_middleware(authenticate)])
    app.router.add_get("/whoami", whoami)
    async with TestClient(TestServer(app)) as client:
        yield client


async def ask(client: TestClient, *headers: tuple[str, str]) -> tuple[int, str]:
    async with client.get("/whoami", headers=CIMultiDict(headers)) as response:
        body = await response.json()
        return response.status, body if response.status == 200 else body["error"]["code"]


def key(text: str) -> tuple[str, str]:
    return "x-api-key", text


def bearer(text: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {text}"


async def test_a_key_or_a_token_is_accepted(client: TestClient, noted: list[str]) -> None:
    assert await ask(client, key(GOOD_KEY)) == (200, "u1")
    assert await ask(client, bearer(GOOD)) == (200, NEWCOMER)
    assert await ask(client, ("authorization", f"bearer   {GOOD} ")) == (200, NEWCOMER)
    assert noted == ["k1"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ([], 403, "missing_api_key"),
        ([key("")], 403, "missing_api_key"),
        ([key(BAD_KEY)], 403, "invalid_api_key"),
        ([key(GOOD)], 403, "invalid_api_key"),
        ([bearer(BAD)], 403, "bad_token"),
        ([bearer(EXPIRED)], 403, "expired_token"),
        ([bearer(AWAY)], 503, "temporarily_unavailable"),
        ([bearer(GOOD_KEY)], 403, f"{GOOD_KEY}_token"),
        ([("Authorization", "")], 403, "invalid_token"),
        ([("Authorization", "Bearer")], 403, "invalid_token"),
        ([("Authorization", GOOD)], 403, "invalid_token"),
        ([("Authorization", "Basic dTpw")], 403, "invalid_token"),
        ([key(GOOD_KEY), bearer(GOOD)], 403, "ambiguous_credentials"),
        ([key(GOOD_KEY), bearer(BAD)], 403, "ambiguous_credentials"),
        ([key(BAD_KEY), bearer(GOOD)], 403, "ambiguous_credentials"),
        ([key(""), bearer(GOOD)], 403, "ambiguous_credentials"),
        ([key(GOOD_KEY), ("Authorization", "")], 403, "ambiguous_credentials"),
        ([key(GOOD_KEY), key(BAD_KEY)], 403, "ambiguous_credentials"),
        ([bearer(GOOD), bearer(BAD)], 403, "ambiguous_credentials"),
    ],
)
async def test_anything_else_is_refused(
    client: TestClient, noted: list[str], headers: Sequence[tuple[str, str]], status: int, code: str
) -> None:
    assert await ask(client, *headers) == (status, code)
    assert noted == []


async def test_without_an_issuer_no_token_is_accepted(directory: Directory) -> None:
    by_token = TokenAuthentication(None, directory, tier="free", now_s=lambda: NOW_S)
    app = web.Application(middlewares=[errors_middleware, auth_middleware(by_token)])
    app.router.add_get("/whoami", whoami)
    async with TestClient(TestServer(app)) as client:
        assert await ask(client, bearer(GOOD)) == (403, "tokens_not_accepted")


async def test_concurrent_first_requests_create_one_free_user(client: TestClient, directory: Directory) -> None:
    answers = await asyncio.gather(*(ask(client, bearer(GOOD)) for _ in range(20)))
    assert set(answers) == {(200, NEWCOMER)}
    assert directory.added == [User(NEWCOMER, "free", "alice", NOW_S)]
    directory.users[NEWCOMER] = User(NEWCOMER, "researcher", "alice", NOW_S)
    assert await ask(client, bearer(GOOD)) == (200, NEWCOMER)
    assert directory.users[NEWCOMER].tier == "researcher"
