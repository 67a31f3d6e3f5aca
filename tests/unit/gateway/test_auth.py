"""A key or a token, not both; newcomers; and what is written down of a key's use."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from services.gateway.accounts.key_use import KeyUses
from services.gateway.api.auth import USER, ApiKeyAuthentication, Authentication, TokenAuthentication, auth_middleware
from services.gateway.api.errors import errors_middleware
from services.gateway.api.oidc import Claimant, InvalidTokenError
from services.gateway.domain import ApiKey, KeySlot, User, format_api_key, hash_api_key, nesting, token_user_id
from shared.errors import TransientError

PEPPER = "a pepper of some length"
NOW_S = 1_000_000
GOOD_KEY, BAD_KEY = format_api_key(b"1" * 32), format_api_key(b"2" * 32)
GOOD, BAD, EXPIRED, AWAY = "good", "bad", "expired", "away"
ISSUER = "https://issuer.example"
NEWCOMER = token_user_id(ISSUER, "alice")


class Directory:
    """Users and one key."""

    def __init__(self) -> None:
        self.users = {"u1": User("u1", "researcher", "n", 0)}
        self.key = ApiKey("k1", "u1", "n", hash_api_key(GOOD_KEY, PEPPER), "p", 0, 2_000_000)
        self.added: list[User] = []

    async def key_by_hash(self, key_hash: str) -> ApiKey | None:
        return self.key if key_hash == self.key.hash else None

    async def user(self, user_id: str) -> User | None:
        found = self.users.get(user_id)
        # Others get their turn between the look and the insert.
        await asyncio.sleep(0)
        return found

    async def add_user(self, user: User) -> bool:
        if user.user_id in self.users:
            return False
        self.users[user.user_id] = user
        self.added.append(user)
        return True


class Tokens:
    async def claimant(self, token: str) -> Claimant:
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


async def test_a_key_or_a_token_opens_the_door(client: TestClient, noted: list[str]) -> None:
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
async def test_anything_else_keeps_it_shut(
    client: TestClient, noted: list[str], headers: Sequence[tuple[str, str]], status: int, code: str
) -> None:
    assert await ask(client, *headers) == (status, code)
    assert noted == []


async def test_where_there_is_no_issuer_no_token_opens_the_door(directory: Directory) -> None:
    by_token = TokenAuthentication(None, directory, tier="free", now_s=lambda: NOW_S)
    app = web.Application(middlewares=[errors_middleware, auth_middleware(by_token)])
    app.router.add_get("/whoami", whoami)
    async with TestClient(TestServer(app)) as client:
        assert await ask(client, bearer(GOOD)) == (403, "tokens_not_accepted")


async def test_a_newcomer_becomes_one_free_user_however_often_they_come_at_once(
    client: TestClient, directory: Directory
) -> None:
    answers = await asyncio.gather(*(ask(client, bearer(GOOD)) for _ in range(20)))
    assert set(answers) == {(200, NEWCOMER)}
    assert directory.added == [User(NEWCOMER, "free", "alice", NOW_S)]
    directory.users[NEWCOMER] = User(NEWCOMER, "researcher", "alice", NOW_S)
    assert await ask(client, bearer(GOOD)) == (200, NEWCOMER)
    assert directory.users[NEWCOMER].tier == "researcher"


def test_no_two_issuers_and_subjects_make_one_user() -> None:
    pairs = [("https://a", "b"), ("https://a/", "b"), ("https://ab", ""), ("https://a", "B"), ("", "https://ab")]
    assert len({token_user_id(*pair) for pair in pairs}) == len(pairs)
    assert token_user_id(ISSUER, "alice") == token_user_id(ISSUER, "alice")


class Records:
    def __init__(self) -> None:
        self.written: list[tuple[str, int]] = []
        self.is_away = False

    async def record_key_use(self, key_id: str, used_at: int) -> None:
        if self.is_away:
            raise TransientError("MongoDB is away.")
        self.written.append((key_id, used_at))


def used(last_used_at: int | None) -> ApiKey:
    return ApiKey("k1", "u1", "n", "h", "p", 0, 2_000_000, last_used_at=last_used_at)


async def test_a_use_is_written_down_once_a_minute() -> None:
    records = Records()
    uses = KeyUses(records, now_s=lambda: NOW_S)
    uses.note(used(NOW_S - 59))
    await uses.flush()
    assert records.written == []
    for _ in range(100):
        uses.note(used(None))
        uses.note(used(NOW_S - 60))
    await uses.flush()
    await uses.flush()
    assert records.written == [("k1", NOW_S)]


async def test_a_use_that_can_not_be_written_down_is_kept_and_fails_nothing() -> None:
    records = Records()
    uses = KeyUses(records, now_s=lambda: NOW_S)
    uses.note(used(None))
    records.is_away = True
    with pytest.raises(TransientError):
        await uses.flush()
    stop = asyncio.Event()
    stop.set()
    await uses.run(stop)
    records.is_away = False
    running = asyncio.create_task(uses.run(stop := asyncio.Event()))
    await asyncio.sleep(0)
    stop.set()
    await running
    assert records.written == [("k1", NOW_S)]


def test_a_place_is_vacant_when_its_key_works_no_more() -> None:
    stored = ApiKey("k1", "u1", "n", "h", "p", created_at=100, expires_at=1000)
    slot = KeySlot.of(stored)
    assert KeySlot.parse(str(slot)) == slot
    assert not slot.is_vacant(stored, 999)
    assert slot.is_vacant(stored, 1000)
    assert slot.is_vacant(ApiKey("k1", "u1", "n", "h", "p", 100, 1000, active=False), 200)
    # The key may be on its way, but not for minutes.
    assert not slot.is_vacant(None, 200)
    assert slot.is_vacant(None, 220)
    assert slot.is_vacant(ApiKey("k1", "u2", "n", "h", "p", 90, 1000), 220)


@pytest.mark.parametrize(
    ("content", "depth"), [(1, 0), ("x", 0), ({}, 1), ({"a": 1}, 1), ([[]], 2), ({"a": [{"b": None}], "c": {}}, 3)]
)
def test_nesting_is_counted_in_levels(content: object, depth: int) -> None:
    assert nesting(content) == depth
