"""POST /api-keys, GET /api-keys and DELETE /api-keys/{keyId}, as in the API contract."""

import asyncio
import re
import time
import uuid
from collections import Counter
from typing import Any

import pytest

from services.gateway.accounts.issue import DAY_S, UNUSABLE_KEYS_KEPT
from services.gateway.accounts.model import ApiKey, KeySlot
from tests.contract.gateway.parts import Account, Gateway, account, code

LIMIT = 10


@pytest.fixture
async def carol(gateway: Gateway) -> Account:
    """Return a user with one key, made for one test."""
    return await account(gateway)


async def keys_of(user: Account) -> list[dict[str, Any]]:
    status, body = await user.ask("GET", "/api-keys")
    assert status == 200
    assert set(body) == {"keys"}
    return list(body["keys"])


async def test_post_api_keys_shows_a_new_key_once(carol: Account) -> None:
    before = int(time.time())
    status, body = await carol.ask("POST", "/api-keys", {"name": "production-v1", "ttl_days": 365})
    assert status == 201
    assert set(body) == {"key_id", "api_key", "expires_at", "ttl_days", "warning"}
    assert re.fullmatch(r"[0-9a-f]{8}", body["key_id"])
    assert re.fullmatch(r"sk_live_[0-9a-f]{64}", body["api_key"])
    assert body["ttl_days"] == 365
    assert before <= body["expires_at"] - 365 * DAY_S <= time.time()
    assert body["warning"] == "Store this key securely. It will not be shown again."
    status, _ = await Account(carol.gateway, carol.user_id, body["api_key"]).ask("GET", "/jobs")
    assert status == 200
    assert body["api_key"] not in repr(await keys_of(carol))


@pytest.mark.parametrize("body", [None, {}, {"name": "Default"}])
async def test_post_api_keys_defaults(carol: Account, body: Any) -> None:
    status, made = await carol.ask("POST", "/api-keys", body)
    assert (status, made["ttl_days"]) == (201, 90)
    (listed,) = [key for key in await keys_of(carol) if key["key_id"] == made["key_id"]]
    assert listed["name"] == "Default"
    assert listed["expires_at"] - listed["created_at"] == 90 * DAY_S


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], "invalid_json"),
        ({"ttl_days": 0}, "invalid_field"),
        ({"ttl_days": 366}, "invalid_field"),
        ({"ttl_days": "90"}, "invalid_field"),
        ({"ttl_days": True}, "invalid_field"),
        ({"ttl_days": 1.5}, "invalid_field"),
        ({"name": ""}, "invalid_field"),
        ({"name": "x" * 256}, "invalid_field"),
        ({"name": "a\nb"}, "invalid_field"),
        ({"name": 7}, "invalid_field"),
    ],
)
async def test_post_api_keys_refuses_wrong_fields(alice: Account, body: Any, expected: str) -> None:
    assert code(await alice.ask("POST", "/api-keys", body)) == (400, expected)


async def test_a_new_key_is_not_kept_by_caches(carol: Account) -> None:
    async with carol.gateway.client.post("/api-keys", headers={"x-api-key": carol.api_key}) as response:
        assert response.status == 201
        assert response.headers["Cache-Control"] == "no-store"


async def test_get_api_keys_lists_metadata_newest_first(carol: Account) -> None:
    gateway, now = carol.gateway, int(time.time())
    old = ApiKey(
        uuid.uuid4().hex[:8], carol.user_id, "old-test", uuid.uuid4().hex, "sk_live_9d4e", now - 200, now - 100
    )
    assert await gateway.store.users.add_key(old)
    _, made = await carol.ask("POST", "/api-keys", {"name": "production-v1"})
    listed = await keys_of(carol)
    assert [key["created_at"] for key in listed] == sorted((key["created_at"] for key in listed), reverse=True)
    by_id = {key["key_id"]: key for key in listed}
    assert by_id[old.key_id] == {
        "key_id": old.key_id,
        "name": "old-test",
        "created_at": now - 200,
        "expires_at": now - 100,
        "active": True,
        "expired": True,
        "prefix": "sk_live_9d4e",
    }
    new = by_id[made["key_id"]]
    assert (new["name"], new["active"], new["expired"]) == ("production-v1", True, False)
    assert new["prefix"] == made["api_key"][:12]


async def test_get_api_keys_shows_the_last_use(carol: Account) -> None:
    gateway, before = carol.gateway, int(time.time())
    _, made = await carol.ask("POST", "/api-keys")
    await Account(gateway, carol.user_id, made["api_key"]).ask("GET", "/jobs")
    await gateway.key_uses.flush()
    used = {key["key_id"]: key.get("last_used_at") for key in await keys_of(carol)}
    assert before <= used[made["key_id"]] <= time.time()
    # A use seen by another gateway within the same minute changes nothing. A later one is stored.
    await gateway.store.users.record_key_use(made["key_id"], used[made["key_id"]] + 59)
    assert {key["key_id"]: key.get("last_used_at") for key in await keys_of(carol)} == used
    await gateway.store.users.record_key_use(made["key_id"], used[made["key_id"]] + 60)
    stored = await gateway.store.users.key(made["key_id"])
    assert stored is not None
    assert stored.last_used_at == used[made["key_id"]] + 60


async def test_delete_api_keys_revokes_a_key(carol: Account) -> None:
    _, made = await carol.ask("POST", "/api-keys")
    holder = Account(carol.gateway, carol.user_id, made["api_key"])
    expected = (200, {"message": "API key revoked", "key_id": made["key_id"]})
    assert await holder.ask("DELETE", f"/api-keys/{made['key_id']}") == expected
    assert code(await holder.ask("GET", "/jobs")) == (403, "revoked_api_key")
    # A client that lost the answer repeats the request.
    assert await carol.ask("DELETE", f"/api-keys/{made['key_id']}") == expected
    (listed,) = [key for key in await keys_of(carol) if key["key_id"] == made["key_id"]]
    assert (listed["active"], listed["expired"]) == (False, False)


async def test_delete_api_keys_finds_only_the_users_existing_keys(carol: Account, alice: Account) -> None:
    _, made = await alice.ask("POST", "/api-keys")
    assert code(await carol.ask("DELETE", "/api-keys/00000000")) == (404, "key_not_found")
    assert code(await carol.ask("DELETE", "/api-keys/$ne")) == (404, "key_not_found")
    assert code(await carol.ask("DELETE", f"/api-keys/{made['key_id']}")) == (403, "key_of_another_user")
    assert (await Account(alice.gateway, "", made["api_key"]).ask("GET", "/jobs"))[0] == 200


async def test_the_free_tier_can_not_create_keys(bob: Account) -> None:
    for method, path in (("POST", "/api-keys"), ("GET", "/api-keys"), ("DELETE", "/api-keys/x")):
        assert code(await bob.ask(method, path)) == (403, "tier_upgrade_required")


async def fill(user: Account, count: int) -> list[dict[str, Any]]:
    """Create keys until the user has `count`."""
    made = []
    for _ in range(count - len(await keys_of(user))):
        status, body = await user.ask("POST", "/api-keys")
        assert status == 201
        made.append(body)
    return made


async def test_the_number_of_keys_per_user_is_limited(carol: Account) -> None:
    assert carol.gateway.settings.api_keys_per_user == LIMIT
    made = await fill(carol, LIMIT)
    answer = await carol.ask("POST", "/api-keys")
    assert code(answer) == (409, "too_many_api_keys")
    assert "10" in answer[1]["error"]["message"]
    for _ in range(2):
        await carol.ask("DELETE", f"/api-keys/{made[0]['key_id']}")
    assert (await carol.ask("POST", "/api-keys"))[0] == 201
    assert code(await carol.ask("POST", "/api-keys")) == (409, "too_many_api_keys")


async def test_one_of_fifty_concurrent_requests_gets_the_last_place(carol: Account) -> None:
    await fill(carol, LIMIT - 1)
    answers = await asyncio.gather(*(carol.ask("POST", "/api-keys") for _ in range(50)))
    assert Counter(status for status, _ in answers) == {201: 1, 409: 49}
    assert len([key for key in await keys_of(carol) if key["active"]]) == LIMIT


async def test_fifty_requests_to_revoke_a_key_free_one_place(carol: Account) -> None:
    made = await fill(carol, LIMIT)
    path = f"/api-keys/{made[0]['key_id']}"
    answers = await asyncio.gather(*(carol.ask("DELETE", path) for _ in range(50)))
    assert {status for status, _ in answers} == {200}
    answers = await asyncio.gather(*(carol.ask("POST", "/api-keys") for _ in range(10)))
    assert Counter(status for status, _ in answers) == {201: 1, 409: 9}


async def test_expired_keys_free_their_places(gateway: Gateway, carol: Account) -> None:
    await fill(carol, LIMIT)
    past = {"created_at": int(time.time()) - 2 * DAY_S, "expires_at": int(time.time()) - 1}
    mine = {"user_id": carol.user_id}
    for key in await gateway.store.users.keys_of(carol.user_id):
        if key.name == "Default":
            await gateway.store.database["api_keys"].update_one({"_id": key.key_id, **mine}, {"$set": past})
            slot = {"$addToSet": {"key_slots": str(KeySlot(key.key_id, **past))}, "$inc": {"key_count": 1}}
            await gateway.store.database["users"].update_one({"_id": carol.user_id}, slot)
            await gateway.store.users.release_key_slot(carol.user_id, KeySlot.of(key))
    answers = await asyncio.gather(*(carol.ask("POST", "/api-keys") for _ in range(20)))
    assert Counter(status for status, _ in answers) == {201: LIMIT - 1, 409: 20 - (LIMIT - 1)}


async def test_places_of_interrupted_requests_are_freed(gateway: Gateway, carol: Account) -> None:
    users, now = gateway.store.users, int(time.time())
    for number in range(LIMIT - 1):
        age = 10 if number % 2 else 1000
        slot = KeySlot(f"dead000{number}", now - age, now + DAY_S)
        assert await users.take_key_slot(carol.user_id, slot, limit=LIMIT)
        assert not await users.take_key_slot(carol.user_id, slot, limit=LIMIT + 1)
    answers = [(await carol.ask("POST", "/api-keys"))[0] for _ in range(LIMIT)]
    # Requests that may still store their keys keep their places.
    assert Counter(answers) == {201: 5, 409: 5}


async def test_keys_created_before_the_limit_existed_count(gateway: Gateway, carol: Account) -> None:
    fields = {"$unset": {"key_count": "", "key_slots": ""}}
    await fill(carol, LIMIT - 2)
    await gateway.store.database["users"].update_one({"_id": carol.user_id}, fields)
    answers = await asyncio.gather(*(carol.ask("POST", "/api-keys") for _ in range(10)))
    assert Counter(status for status, _ in answers) == {201: 2, 409: 8}


async def test_creating_and_revoking_keys_does_not_fill_the_database(gateway: Gateway, carol: Account) -> None:
    now = int(time.time())
    for number in range(UNUSABLE_KEYS_KEPT + 5):
        dead = ApiKey(
            uuid.uuid4().hex[:8], carol.user_id, "d", uuid.uuid4().hex, "p", now - 900 - number, now + 900, False
        )
        assert await gateway.store.users.add_key(dead)
    assert (await carol.ask("POST", "/api-keys"))[0] == 201
    listed = await keys_of(carol)
    assert len([key for key in listed if not key["active"]]) == UNUSABLE_KEYS_KEPT
    assert len([key for key in listed if key["active"]]) == 2
    assert min(key["created_at"] for key in listed) == now - 900 - UNUSABLE_KEYS_KEPT + 1
