"""Create a user and print the only copy of a key: `python -m services.gateway.users --tier researcher [--name NAME]`.

With `--user-id ID`, move an existing user to the tier instead, such as a user who was created by a token.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence

from services.gateway.accounts.issue import DEFAULT_TTL_DAYS, MAX_TTL_DAYS, create_user, issue_key
from services.gateway.mongodb.store import open_store
from services.gateway.settings import Settings
from shared.errors import TransientError
from shared.settings import SettingsError, read_settings


class UsageError(Exception):
    """The command can't be carried out; the message says what to change."""


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services.gateway.users", description="Create a user with a key, or change a tier."
    )
    parser.add_argument("--tier", required=True, help="tier of the user")
    parser.add_argument("--name", default="Default", help="a name for the user and the key")
    parser.add_argument(
        "--ttl-days", type=int, default=DEFAULT_TTL_DAYS, help=f"days until the key expires, 1 to {MAX_TTL_DAYS}"
    )
    parser.add_argument("--user-id", help="change the tier of this user instead of creating one")
    return parser.parse_args(argv)


async def add_user(settings: Settings, *, tier: str, name: str, ttl_days: int) -> dict[str, str]:
    """Create a user and a key. Return {"user_id", "tier", "api_key"}.

    Raises
    ------
    UsageError
        The tier is unknown, or the time to live is out of range.
    TransientError
        MongoDB is unavailable.
    """
    _require_tier(settings, tier)
    if not 1 <= ttl_days <= MAX_TTL_DAYS:
        raise UsageError(f"--ttl-days must be 1 to {MAX_TTL_DAYS}, not {ttl_days}.")
    async with open_store(settings) as store:
        now_s = time.time()
        user = await create_user(store.users, tier=tier, name=name, now_s=now_s)
        issued = await issue_key(
            store.users,
            user_id=user.user_id,
            name=name,
            ttl_days=ttl_days,
            pepper=settings.api_key_pepper.get_secret_value(),
            now_s=now_s,
            limit=settings.api_keys_per_user,
        )
    return {"user_id": user.user_id, "tier": tier, "api_key": issued.api_key}


async def change_tier(settings: Settings, *, user_id: str, tier: str) -> dict[str, str]:
    """Move a user to another tier. Return {"user_id", "tier"}.

    Raises
    ------
    UsageError
        The tier or the user is unknown.
    TransientError
        MongoDB is unavailable.
    """
    _require_tier(settings, tier)
    async with open_store(settings) as store:
        if not await store.users.set_tier(user_id, tier):
            raise UsageError(f"The user {user_id!r} does not exist.")
    return {"user_id": user_id, "tier": tier}


def _require_tier(settings: Settings, tier: str) -> None:
    if tier not in settings.tiers:
        raise UsageError(f"The tier {tier!r} does not exist; choose one of {', '.join(settings.tiers)}.")


async def _run(arguments: argparse.Namespace) -> dict[str, str]:
    settings = read_settings(Settings)
    if arguments.user_id is not None:
        return await change_tier(settings, user_id=arguments.user_id, tier=arguments.tier)
    return await add_user(settings, tier=arguments.tier, name=arguments.name, ttl_days=arguments.ttl_days)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return its exit code."""
    arguments = _arguments(argv)
    try:
        user = asyncio.run(_run(arguments))
    except (UsageError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except TransientError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(json.dumps(user) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
