"""Measure how many requests the gateway answers per second, compared with a bare handler, on the embedded servers.

Gateway and bare handler are separate processes. The same number of clients sends requests to each over loopback, in
short turns, so that a slower machine slows both. Clients, handlers and servers share the machine's cores.

- GET /jobs/{job_id}: the gateway authenticates the user (its key cache is warm, as for a client that polls), checks
  that the job belongs to the user and returns it. The bare handler reads a job and returns it. Both read MongoDB once.
- POST /analyze: the gateway authenticates the user, checks the body, looks up the file in S3, counts the job against
  the user's limits and gives it a slot, stores it with its event and publishes the event. Two bare handlers are
  compared with it: one does the least work that keeps a limit (`bare_gateway.py`: S3, one conditional update, one
  insert, one event), the other only stores and publishes, and checks neither the file nor the limit.

The bare handler runs on asyncio's event loop, aiohttp's default. A second one runs on uvloop, as the gateway does. No
process writes logs. Each client is a different user whose limits allow any number of jobs. Their slots are freed
between two turns, so that no user has hundreds of open jobs. A user with a full history waits longer, because each new
job removes an old one.
"""

import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from motor.motor_asyncio import AsyncIOMotorClient
from rich.console import Console
from rich.table import Table

from deploy.local.ports import HOST, free_ports
from deploy.local.servers import REPOSITORY, answers_tcp, child_environment, embedded_servers
from deploy.local.stack import create_user
from services.gateway.settings import DEFAULT_TIERS, Rate, RateLimitSettings
from tests.contract.gateway.process import GatewayProcess, running_gateway

CLIENTS = 16
TURNS = 24
TURN_S = 0.5
WARM_UP_S = 2.0
# Limits above the number of jobs in a run, so that no request is refused.
TIER = DEFAULT_TIERS["researcher"].model_copy(
    update={"files_per_month": 10**6, "concurrent_jobs": 10**6, "history_jobs": 10**6}
)

# Every request is counted, as in production, and none is refused.
RATE = Rate(burst=10**9, per_minute=10**9)
RATES = RateLimitSettings(**dict.fromkeys(RateLimitSettings.model_fields, RATE))

Ask = Callable[[], Awaitable[None]]


@dataclass
class Load:
    """Response times of one handler over its turns."""

    seconds: float = 0.0
    times_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Return the requests answered per second."""
        return len(self.times_s) / self.seconds

    @property
    def p99_ms(self) -> float:
        """Return the 99th percentile of the response times, ms."""
        return 1000 * sorted(self.times_s)[int(0.99 * len(self.times_s))]

    async def take_turn(self, ask: Ask, seconds: float = TURN_S) -> None:
        """Run `CLIENTS` clients, each of which sends its next request as soon as it has a response."""
        began = time.perf_counter()

        async def client() -> None:
            while time.perf_counter() - began < seconds:
                asked = time.perf_counter()
                await ask()
                self.times_s.append(time.perf_counter() - asked)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        self.seconds += time.perf_counter() - began


async def in_turns(asks: Sequence[Ask], between: Ask) -> list[Load]:
    """Run `TURNS` turns of each handler, one after another. A warm-up comes first: a user's first job costs more."""
    loads = [Load() for _ in asks]
    for ask in asks:
        await Load().take_turn(ask, WARM_UP_S)
    for _ in range(TURNS):
        for load, ask in zip(loads, asks, strict=True):
            await between()
            await load.take_turn(ask)
    return loads


@asynccontextmanager
async def running_bare(environment: Mapping[str, str], *options: str) -> AsyncIterator[str]:
    """Run the bare handler and yield its URL."""
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bare_gateway", *options),
        env=child_environment({**environment, "WATERHOLE_PORT": str(port)}),
        cwd=REPOSITORY,
    )
    try:
        async with asyncio.timeout(30):
            while not await answers_tcp(port):  # noqa: ASYNC110 -- polls another process
                await asyncio.sleep(0.05)
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        await process.wait()


async def measure(console: Console) -> None:
    """Run all measurements and print a table."""
    console.print(
        f"Measuring the gateway and a bare handler: {CLIENTS} clients, {TURNS} turns of {TURN_S:g} s each ..."
    )
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_servers(Path(folder)) as servers:
            environment = servers.gateway_environment
            environment["WATERHOLE_LOG_LEVEL"] = "WARNING"
            tiers = json.dumps({name: TIER.model_dump() for name in DEFAULT_TIERS})
            client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(servers.mongodb)
            quotas = client[environment["WATERHOLE_MONGODB_DATABASE"]]["quotas"]

            async def free_slots() -> None:
                await quotas.update_many({}, {"$set": {"active": {}, "active_count": 0}})

            async with (
                running_gateway(environment, tiers=tiers, rate_limits=RATES.model_dump_json()) as gateway,
                running_bare(environment) as bare,
                running_bare(environment, "--uvloop") as bare_on_uvloop,
            ):
                users = await with_uploads(environment, gateway)
                session = gateway.session
                places = (gateway.url, bare, bare_on_uvloop)
                reads = await in_turns([await job_reader(session, url, users[0]) for url in places], free_slots)
                urls = (*(f"{url}/analyze" for url in places), f"{bare}/store")
                posts = await in_turns([poster(session, url, users) for url in urls], free_slots)
        table = new_table()
        add_row(table, "GET /jobs/{job_id}", reads[0], reads[1])
        add_row(table, "the same, bare on uvloop", reads[0], reads[2])
        add_row(table, "POST /analyze", posts[0], posts[1])
        add_row(table, "the same, bare on uvloop", posts[0], posts[2])
        add_row(table, "the same, bare without S3 and limits", posts[0], posts[3])
        console.print(table)


@dataclass(frozen=True)
class User:
    """A user who has uploaded a file."""

    headers: Mapping[str, str]
    body: Mapping[str, str]


async def with_uploads(environment: Mapping[str, str], gateway: GatewayProcess) -> list[User]:
    """Create a user with an uploaded file for each client."""
    users = []
    for _ in range(CLIENTS):
        gateway.api_key = (await create_user(environment, "researcher", "bench"))["api_key"]
        body = {"file_key": await gateway.upload(), "filename": "a.fil", "source_name": "Voyager 1"}
        users.append(User({"x-api-key": gateway.api_key}, body))
    return users


def poster(session: aiohttp.ClientSession, url: str, users: Sequence[User]) -> Ask:
    turn = itertools.cycle(users)

    async def ask() -> None:
        user = next(turn)
        async with session.post(url, headers=user.headers, json=user.body) as response:
            assert response.status == 202, await response.text()
            await response.read()

    return ask


async def job_reader(session: aiohttp.ClientSession, url: str, user: User) -> Ask:
    async with session.post(f"{url}/analyze", headers=user.headers, json=user.body) as response:
        job_id = (await response.json())["job_id"]

    async def ask() -> None:
        async with session.get(f"{url}/jobs/{job_id}", headers=user.headers) as response:
            assert response.status == 200
            await response.read()

    return ask


def new_table() -> Table:
    """Return a table whose rows compare the gateway with a bare handler."""
    table = Table(title=f"Gateway on the embedded servers, {CLIENTS} clients", title_justify="left")
    table.add_column("Request", no_wrap=True)
    for heading in ("Per s", "p99, ms", "Bare, per s", "p99, ms", "Share"):
        table.add_column(heading, justify="right")
    return table


def add_row(table: Table, request: str, ours: Load, bare: Load) -> None:
    share = ours.per_second / bare.per_second
    cells = (f"{ours.per_second:,.0f}", f"{ours.p99_ms:.1f}", f"{bare.per_second:,.0f}", f"{bare.p99_ms:.1f}")
    table.add_row(request, *cells, f"{share:.0%}")


if __name__ == "__main__":
    asyncio.run(measure(Console()))
