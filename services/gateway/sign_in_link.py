"""Make a link that signs a user's browser in once: `python -m services.gateway.sign_in_link --user-id ID`.

Prints {"link_token", "expires_at"}. The link is the address of the dashboard and `/app/sign-in#link=` with the token:
what follows the `#` reaches no server and no log.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence

from services.gateway.accounts.sessions import make_link
from services.gateway.mongodb.store import open_store
from services.gateway.settings import Settings
from services.gateway.users import UsageError
from shared.errors import TransientError
from shared.settings import SettingsError, read_settings


async def add_link(settings: Settings, *, user_id: str) -> dict[str, str | int]:
    """Make a link for an existing user. Return {"link_token", "expires_at"}; the time is unix seconds.

    Raises
    ------
    UsageError
        The user is unknown.
    TransientError
        MongoDB is unavailable.
    """
    async with open_store(settings) as store:
        if await store.users.user(user_id) is None:
            raise UsageError(f"The user {user_id!r} does not exist.")
        now_s = time.time()
        token = await make_link(
            store.sessions,
            user_id=user_id,
            pepper=settings.api_key_pepper.get_secret_value(),
            now_s=now_s,
            lasts_s=settings.sign_in_link_s,
        )
    return {"link_token": token, "expires_at": int(now_s + settings.sign_in_link_s)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m services.gateway.sign_in_link", description="Make a link that signs a user in once."
    )
    parser.add_argument("--user-id", required=True, help="id of the user")
    arguments = parser.parse_args(argv)
    try:
        link = asyncio.run(add_link(read_settings(Settings), user_id=arguments.user_id))
    except (UsageError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except TransientError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(json.dumps(link) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
