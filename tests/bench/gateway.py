"""How many requests the gateway answers, beside the least that could answer them, on the embedded servers.

Gateway and bare handler are processes of their own, and each is asked in turn by as many clients, for as long, over
loopback. A GET is authenticated and shows a job, which are three reads of MongoDB: of the key, the user and the job. A
POST is authenticated, checks the file in S3, counts the job against its user's quota, stores it and publishes its
event; the bare one stores and publishes.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from deploy.local.ports import HOST, free_ports
from deploy.local.servers import REPOSITORY, answers_tcp, child_environment, embedded_servers
from services.gateway.settings import DEFAULT_TIERS
from tests.contract.gateway.process import running_gateway

CLIENTS = 16
SECONDS = 4.0
WARM_UP_S = 1.0
# As many jobs as there is time for: what is measured is not a refusal.
TIER = DEFAULT_TIERS["researcher"].model_copy(
    update={"files_per_month": 10**6, "concurrent_jobs": 10**6, "history_jobs": 10**6}
)

Ask = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Load:
    """What came of a run."""

    per_second: float
    p99_ms: float


async def load(ask: Ask, seconds: float) -> Load:
    """`CLIENTS` clients, each of whom asks again as soon as it is answered."""
    times: list[float] = []
    began = time.perf_counter()

    async def client() -> None:
        while time.perf_counter() - began < seconds:
            asked = time.perf_counter()
            await ask()
            times.append(time.perf_counter() - asked)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    took = time.perf_counter() - began
    return Load(len(times) / took, 1000 * sorted(times)[int(0.99 * len(times))])


@asynccontextmanager
async def running_bare(environment: Mapping[str, str]) -> AsyncIterator[str]:
    """The bare handler; gives its URL."""
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bare_gateway"),
        env=child_environment({**environment, "WATERHOLE_PORT": str(port)}),
        cwd=REPOSITORY,
    )
    try:
        async with asyncio.timeout(30):
            while not await answers_tcp(port):  # noqa: ASYNC110 -- nobody here could set an event
                await asyncio.sleep(0.05)
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        await process.wait()


async def measure(console: Console) -> None:
    """Run everything and print a table."""
    console.print(f"Asking the gateway and a bare handler, {CLIENTS} clients, {SECONDS:g} s each ...")
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_servers(Path(folder)) as servers:
            environment = servers.gateway_environment
            environment["WATERHOLE_LOG_LEVEL"] = "WARNING"
            tiers = json.dumps({name: TIER.model_dump() for name in DEFAULT_TIERS})
            async with running_gateway(environment, tiers=tiers) as gateway, running_bare(environment) as bare:
                body = {"file_key": await gateway.upload(), "source_name": "Voyager 1"}
                key = {"x-api-key": gateway.api_key}
                session = gateway.session
                ours = await job_reader(session, gateway.url, key, body)
                rows = {
                    "GET /jobs/{job_id}": (ours, await job_reader(session, bare, {}, body)),
                    "GET, bare with 3 reads": (ours, await job_reader(session, bare, {}, body, "?reads=3")),
                    "POST /analyze": (poster(session, gateway.url, key, body), poster(session, bare, {}, body)),
                }
                console.print(
                    table_of(
                        {name: (await measured(one), await measured(other)) for name, (one, other) in rows.items()}
                    )
                )


async def measured(ask: Ask) -> Load:
    await load(ask, WARM_UP_S)
    return await load(ask, SECONDS)


def poster(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: Mapping[str, str]) -> Ask:
    async def ask() -> None:
        async with session.post(f"{url}/analyze", headers=headers, json=body) as response:
            assert response.status == 202, await response.text()
            await response.read()

    return ask


async def job_reader(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: Mapping[str, str], query: str = ""
) -> Ask:
    async with session.post(f"{url}/analyze", headers=headers, json=body) as response:
        job_id = (await response.json())["job_id"]

    async def ask() -> None:
        async with session.get(f"{url}/jobs/{job_id}{query}", headers=headers) as response:
            assert response.status == 200
            await response.read()

    return ask


def table_of(loads: Mapping[str, tuple[Load, Load]]) -> Table:
    """A row per request: the gateway beside the bare handler."""
    table = Table(title=f"Gateway on the embedded servers, {CLIENTS} clients", title_justify="left")
    table.add_column("Request", no_wrap=True)
    for heading in ("Per s", "p99, ms", "Bare, per s", "p99, ms", "Share"):
        table.add_column(heading, justify="right")
    for request, (ours, bare) in loads.items():
        share = ours.per_second / bare.per_second
        cells = (f"{ours.per_second:,.0f}", f"{ours.p99_ms:.1f}", f"{bare.per_second:,.0f}", f"{bare.p99_ms:.1f}")
        table.add_row(request, *cells, f"{share:.0%}")
    return table


if __name__ == "__main__":
    asyncio.run(measure(Console()))
