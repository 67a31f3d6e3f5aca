"""The command that creates users."""

import asyncio
import json
import os
import re
import sys

from deploy.local.servers import REPOSITORY, EmbeddedServers
from tests.contract.gateway.issuer import token
from tests.contract.gateway.parts import Account, Gateway


async def run_users(servers: EmbeddedServers, *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway.users", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, **servers.gateway_environment},
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_the_users_command_prints_one_line_with_a_working_key(servers: EmbeddedServers, gateway: Gateway) -> None:
    status, output, _ = await run_users(servers, "--tier", "institution", "--name", "né", "--ttl-days", "3")
    assert status == 0
    assert output.count("\n") == 1
    user = json.loads(output)
    assert set(user) == {"user_id", "tier", "api_key"}
    assert user["tier"] == "institution"
    assert re.fullmatch(r"sk_live_[0-9a-f]{64}", user["api_key"])
    assert await Account(gateway, user["user_id"], user["api_key"]).ask("GET", "/jobs") == (200, [])


async def test_the_users_command_refuses_an_unknown_tier(servers: EmbeddedServers) -> None:
    status, output, errors = await run_users(servers, "--tier", "platinum")
    assert (status, output) == (2, "")
    assert errors == "The tier 'platinum' does not exist; choose one of free, researcher, institution, enterprise.\n"


async def test_the_users_command_moves_a_user_to_another_tier(servers: EmbeddedServers, gateway: Gateway) -> None:
    newcomer = Account(gateway, "", "", token=token("upgraded"))
    _, usage = await newcomer.ask("GET", "/usage")
    assert usage["tier"] == "free"
    status, output, _ = await run_users(servers, "--tier", "researcher", "--user-id", usage["user_id"])
    assert (status, json.loads(output)) == (0, {"user_id": usage["user_id"], "tier": "researcher"})
    _, usage = await newcomer.ask("GET", "/usage")
    assert usage["tier"] == "researcher"
    assert await newcomer.ask("GET", "/api-keys") == (200, {"keys": []})


async def test_the_users_command_refuses_an_unknown_user(servers: EmbeddedServers) -> None:
    status, output, errors = await run_users(servers, "--tier", "researcher", "--user-id", "nobody")
    assert (status, output, errors) == (2, "", "The user 'nobody' does not exist.\n")
