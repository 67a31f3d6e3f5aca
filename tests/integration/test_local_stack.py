"""Test the supervisor and the local stack, with stand-ins for the services."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from deploy.local.data_folder import DataFolder, DataFolderInUseError, NoStackRunningError
from deploy.local.log_view import LogView
from deploy.local.ports import free_ports, is_free
from deploy.local.servers import SERVERS
from deploy.local.stack import PortTakenError, Stack, UserError, environment_of_running, running_stack, sign_in_link
from deploy.local.supervisor import ChildSpec, Command, StartError, Supervisor

REPOSITORY = Path(__file__).parents[2]
STAND_INS = "tests.integration.local_stack_stand_in"
SERVICES = {"gateway": f"{STAND_INS}.gateway", "ingest": f"{STAND_INS}.worker", "classify": f"{STAND_INS}.worker"}
PATIENCE_S = 60

UP = f"""
import asyncio, json, pathlib, sys
from deploy.local.stack import running_stack

async def main():
    async with running_stack(pathlib.Path(sys.argv[1]), port=int(sys.argv[2]), services={SERVICES!r}) as stack:
        names = ["broker", "mongodb", "s3", *{list(SERVICES)!r}]
        print(json.dumps({{name: stack.pid_of(name) for name in names}}), flush=True)
        await stack.until_broken()

asyncio.run(main())
"""

COMMAND_LINE = f"""
import sys
from deploy.local import __main__, stack

stack.SERVICES = {SERVICES!r}
__main__.main()
"""


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    data = tmp_path_factory.mktemp("stack")
    async with running_stack(data, port=free_ports(1)[0], services=SERVICES) as running:
        yield running


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


async def until_dead(pids: list[int]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while any(is_alive(pid) for pid in pids):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def up_file(stack: Stack) -> dict[str, str]:
    return json.loads((stack.folder.path / "up.json").read_text())


async def test_up_file_lists_all_addresses(stack):
    path = stack.folder.path / "up.json"
    assert path.stat().st_mode & 0o077 == 0
    assert up_file(stack) == {
        "url": stack.url,
        "api_key": stack.api_key,
        "kafka": stack.kafka,
        "mongodb": stack.mongodb,
        "s3": stack.s3,
    }
    async with aiohttp.ClientSession(headers={"x-api-key": stack.api_key}) as session:
        for path in ("/ready", "/jobs"):
            async with session.get(f"{stack.url}{path}") as response:
                assert response.status == 200


async def test_only_the_gateway_gets_the_mongodb_url_and_the_pepper(stack):
    def environment(name: str) -> str:
        return Path(f"/proc/{stack.pid_of(name)}/environ").read_text()

    if sys.platform != "linux":
        pytest.skip("reads Linux' /proc")
    for secret in ("WATERHOLE_MONGODB_URL", "WATERHOLE_API_KEY_PEPPER"):
        assert secret in environment("gateway")
        assert secret not in environment("ingest")


async def test_only_the_killed_service_is_restarted(stack):
    before = {name: stack.pid_of(name) for name in [*SERVICES, *SERVERS]}
    os.kill(before["ingest"], signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        await stack.until_replaced("ingest", before["ingest"])
    after = {name: stack.pid_of(name) for name in [*SERVICES, *SERVERS]}
    assert after.pop("ingest") != before.pop("ingest")
    assert after == before
    assert "ingest was killed by SIGKILL" in (stack.folder.logs / "waterhole.log").read_text()


async def test_services_are_restarted_with_a_killed_broker(stack):
    before = {name: stack.pid_of(name) for name in [*SERVICES, "broker"]}
    old_address = stack.kafka
    os.kill(before["broker"], signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        for name, pid in before.items():
            await stack.until_replaced(name, pid)
        while up_file(stack)["kafka"] == old_address:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert stack.kafka != old_address
    assert up_file(stack)["kafka"] == stack.kafka
    assert f'"broker": "{stack.kafka}"' in (stack.folder.logs / "classify.log").read_text()


async def test_users_are_created_by_the_gateway(stack):
    user = await stack.create_user("researcher", "somebody")
    assert (user["tier"], user["user_id"]) == ("researcher", "somebody")
    with pytest.raises(UserError, match="there is no such tier"):
        await stack.create_user("refused")


async def test_another_process_finds_the_same_environment(stack):
    assert environment_of_running(DataFolder(stack.folder.path)) == stack.environment


async def run_user_command(data: Path, tier: str) -> tuple[int, str, str]:
    argv = (sys.executable, "-m", "deploy.local", "user", "--tier", tier, "--data", str(data))
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert b"Traceback" not in errors
    return process.returncode, output.decode(), errors.decode()


async def test_user_command_prints_a_key_once(stack):
    status, output, _ = await run_user_command(stack.folder.path, "institution")
    assert status == 0
    assert re.search(r"^tier +institution$", output, re.MULTILINE)
    (key,) = re.findall(r"^key +(sk_live_\S+)$", output, re.MULTILINE)
    for log in stack.folder.logs.iterdir():
        assert key not in log.read_text()


async def test_user_command_refuses_an_unknown_tier(stack):
    status, output, errors = await run_user_command(stack.folder.path, "nonsense")
    assert (status, output) == (1, "")
    assert "The tier 'nonsense' does not exist; choose one of free, researcher, institution, enterprise." in errors


async def test_user_command_without_a_stack_says_so(tmp_path):
    status, output, errors = await run_user_command(tmp_path / "nothing", "free")
    assert (status, output) == (1, "")
    assert errors.startswith("No Waterhole runs on the data folder")


async def test_a_second_stack_on_the_folder_is_refused(stack):
    with pytest.raises(DataFolderInUseError, match="--data DIR"):
        async with running_stack(stack.folder.path, services=SERVICES):
            pass
    assert up_file(stack)["url"] == stack.url


async def test_a_taken_port_is_refused(stack, tmp_path):
    with pytest.raises(PortTakenError, match="is taken"):
        async with running_stack(tmp_path, port=stack.ports["gateway"], services=SERVICES):
            pass


async def test_two_stacks_run_side_by_side_and_leave_nothing(stack, tmp_path):
    async with running_stack(tmp_path, port=free_ports(1)[0], services=SERVICES) as other:
        assert {other.url, other.kafka, other.mongodb, other.s3}.isdisjoint(
            {stack.url, stack.kafka, stack.mongodb, stack.s3}
        )
        assert other.api_key != stack.api_key
        pids = [other.pid_of(name) for name in [*SERVICES, *SERVERS]]
    assert not any(is_alive(pid) for pid in pids)
    assert all(is_free(port) for port in other.ports.values())
    assert not (tmp_path / "up.json").exists()
    with pytest.raises(NoStackRunningError):
        DataFolder(tmp_path).running()
    assert stack.pid_of("gateway")


async def test_the_stack_makes_links_that_sign_the_demo_user_in(stack):
    assert await stack.sign_in_link() == f"{stack.url}/app/sign-in#link=link-of-demo"
    with pytest.raises(UserError, match="link to sign in"):
        await sign_in_link(stack.environment, stack.url, "demo", module="no.such.module")


@pytest.mark.skipif(sys.platform != "linux", reason="uses a Linux-only kernel function")
async def test_children_die_with_a_killed_supervisor(tmp_path):
    argv = (sys.executable, "-c", UP, str(tmp_path), str(free_ports(1)[0]))
    up = await asyncio.create_subprocess_exec(*argv, cwd=REPOSITORY, stdout=subprocess.PIPE)
    try:
        pids = list(json.loads(await asyncio.wait_for(up.stdout.readline(), PATIENCE_S)).values())
        assert all(is_alive(pid) for pid in pids)
        ports = json.loads((tmp_path / "ports.json").read_text())
    finally:
        up.kill()
        await up.wait()
    await until_dead(pids)
    # The kernel released the lock. The leftover files do not look like a running stack and do not block the next one.
    with pytest.raises(NoStackRunningError):
        DataFolder(tmp_path).running()
    async with running_stack(tmp_path, port=free_ports(1)[0], services=SERVICES) as stack:
        assert stack.pid_of("s3") not in pids
        assert stack.s3 == f"http://127.0.0.1:{ports['s3.port']}"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_up_serves_until_a_signal_stops_it(tmp_path, signum):
    port = free_ports(1)[0]
    argv = (sys.executable, "-c", COMMAND_LINE, "up", "--data", str(tmp_path), "--port", str(port))
    # Without an example, for which `up` would simulate an observation meanwhile.
    environment = {**os.environ, "WATERHOLE_EXAMPLES": "[]"}
    up = await asyncio.create_subprocess_exec(
        *argv, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        shown = await asyncio.wait_for(up.stdout.readuntil(b"to stop"), PATIENCE_S)
        up_file = json.loads((tmp_path / "up.json").read_text())
        assert up_file["url"] == f"http://127.0.0.1:{port}"
        link = f"{up_file['url']}/app/sign-in#link=link-of-demo"
        assert {up_file["url"], up_file["api_key"], link} <= set(shown.decode().split())
    finally:
        up.send_signal(signum)
        up.send_signal(signum)
        _, log = await asyncio.wait_for(up.communicate(), PATIENCE_S)
    assert up.returncode == 0
    assert re.search(r"\d\d:\d\d:\d\d gateway +\[info\] service started +broker=127", log.decode())
    assert up_file["api_key"] not in log.decode()
    assert "link-of-demo" not in log.decode()
    assert "Traceback" not in log.decode()
    assert is_free(port)
    assert not (tmp_path / "up.json").exists()


def python_child(name: str, code: str, folder: Path, *, grace_s: float = 10.0) -> ChildSpec:
    """Return the specification of a child that is ready when it has created the file `folder/name`."""

    async def is_ready() -> bool:
        return (folder / name).exists()

    command = Command((sys.executable, "-c", code), {"MARK": str(folder / name)}, folder)
    return ChildSpec(name, lambda: command, is_ready, grace_s=grace_s)


async def test_a_child_that_ignores_sigterm_is_killed_with_what_it_started(tmp_path):
    code = """if True:
        import os, pathlib, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        own = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(os.environ["MARK"]).write_text(str(own.pid))
        time.sleep(600)
    """
    supervisor = Supervisor(LogView(tmp_path / "logs"))
    await supervisor.start([python_child("ignoring", code, tmp_path, grace_s=0.5)])
    async with asyncio.timeout(PATIENCE_S):
        while not (grandchild := (tmp_path / "ignoring").read_text()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    pids = [supervisor.child("ignoring").pid, int(grandchild)]
    await supervisor.stop(["ignoring"])
    await until_dead(pids)
    assert "did not stop within" in (tmp_path / "logs" / "waterhole.log").read_text()


async def test_child_that_fails_to_start_is_reported_with_its_last_output(tmp_path):
    supervisor = Supervisor(LogView(tmp_path / "logs"))
    with pytest.raises(StartError, match=r"(?s)broken exited with status 3 4 times.*no such port"):
        await supervisor.start([python_child("broken", "print('no such port'); raise SystemExit(3)", tmp_path)])
    await supervisor.stop(["broken"])


async def test_a_child_that_is_silent_until_the_time_is_over_may_be_compiling(tmp_path, monkeypatch):
    monkeypatch.setattr("deploy.local.supervisor.START_TIMEOUT_S", 0.2)
    supervisor = Supervisor(LogView(tmp_path / "logs"))
    with pytest.raises(StartError, match=r"has written no log\. It may have been compiling .*`make setup`"):
        await supervisor.start([python_child("slow", "import time; time.sleep(600)", tmp_path)])
    await supervisor.stop(["slow"])


async def test_a_missing_program_is_reported(tmp_path):
    command = Command(("no-such-program",), {}, tmp_path)

    async def never() -> bool:
        return False

    supervisor = Supervisor(LogView(tmp_path / "logs"))
    with pytest.raises(StartError, match="can't start no-such-program: No such file"):
        await supervisor.start([ChildSpec("absent", lambda: command, never)])
    await supervisor.stop(["absent"])


async def test_long_line_without_newline_does_not_fill_the_memory(tmp_path):
    code = """if True:
        import os, pathlib, sys, time
        for _ in range(48):
            sys.stdout.write("x" * 2**16)
        sys.stdout.flush()
        pathlib.Path(os.environ["MARK"]).touch()
        time.sleep(600)
    """
    supervisor = Supervisor(LogView(tmp_path / "logs"))
    await supervisor.start([python_child("wordy", code, tmp_path)])
    await supervisor.stop(["wordy"])
    lines = (tmp_path / "logs" / "wordy.log").read_text().splitlines()
    assert sum(map(len, lines)) == 48 * 2**16
    assert len(lines) > 1
