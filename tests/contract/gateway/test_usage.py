"""GET /usage, as in the API contract."""

import pytest

from services.gateway.settings import DEFAULT_TIERS, MEBIBYTE
from tests.contract.gateway.parts import Account, Gateway, account


async def test_get_usage_of_a_researcher(gateway: Gateway) -> None:
    user = await account(gateway, "researcher")
    for _ in range(2):
        await user.analyze()
    assert await user.ask("GET", "/usage") == (
        200,
        {
            "user_id": user.user_id,
            "tier": "researcher",
            "usage_this_month": 2,
            "limit": 500,
            "remaining": 498,
            "tier_details": {
                "files_per_month": 500,
                "max_file_mb": 1024,
                "price": "$99 USD/mo",
                "retention_days": 90,
                "api_keys": True,
            },
            "uploads": {
                "open": 0,
                "open_limit": 1000,
                "stored_bytes": 8,
                "stored_bytes_limit": 1050 * 1024 * MEBIBYTE,
            },
        },
    )


@pytest.mark.parametrize("tier", ["free", "researcher", "institution", "enterprise"])
async def test_get_usage_of_a_new_user_of_each_tier(gateway: Gateway, tier: str) -> None:
    user, details = await account(gateway, tier), gateway.settings.tiers[tier]
    status, body = await user.ask("GET", "/usage")
    assert status == 200
    assert (body["tier"], body["usage_this_month"]) == (tier, 0)
    assert body["limit"] == body["remaining"] == details.files_per_month
    assert body["tier_details"] == {
        "files_per_month": details.files_per_month,
        "max_file_mb": details.max_file_mb,
        "price": details.price,
        "retention_days": details.retention_days,
        "api_keys": tier != "free",
    }


async def test_get_usage_is_never_negative(gateway: Gateway) -> None:
    user = await account(gateway, "researcher")
    await user.analyze()
    before = gateway.settings.tiers["researcher"]
    gateway.settings.tiers["researcher"] = before.model_copy(update={"files_per_month": 0})
    try:
        _, body = await user.ask("GET", "/usage")
    finally:
        gateway.settings.tiers["researcher"] = before
    assert (body["usage_this_month"], body["limit"], body["remaining"]) == (1, 0, 0)


async def test_get_usage_counts_only_the_users_own_jobs(alice: Account, bob: Account) -> None:
    await alice.analyze()
    _, body = await bob.ask("GET", "/usage")
    assert (body["user_id"], body["usage_this_month"]) == (bob.user_id, 0)


def test_the_tiers_are_those_of_the_contract() -> None:
    assert {name: tier.history_jobs for name, tier in DEFAULT_TIERS.items()} == {
        "free": 10,
        "researcher": 50,
        "institution": 200,
        "enterprise": 500,
    }
    assert {tier.concurrent_jobs for tier in DEFAULT_TIERS.values()} == {5}
    assert [name for name, tier in DEFAULT_TIERS.items() if not tier.api_keys] == ["free"]
