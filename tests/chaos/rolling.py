"""Run a rolling restart under load: `python -m tests.chaos.rolling [--servers embedded|real]`.

The test replaces every service in turn while users start jobs and cadences, poll them and follow their event streams
through a load balancer. No request may fail, each event of a job or cadence must be published once, and every process
must exit with 0. On real servers the new process is ready before the old one gets SIGTERM. The embedded broker allows
one member per group: there a service is unavailable for a moment, and connections to the gateway wait in the balancer.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from shared.events import (
    CADENCE_CLASSIFIED,
    CADENCE_EXPORTED,
    CADENCE_READY,
    CHUNK_READY,
    CHUNK_SEARCHED,
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    OBSERVATION_SUBMITTED,
    TRACK_MEASURED,
    TRACK_READY,
    decode,
)
from tests.chaos.balancer import balancing
from tests.chaos.cadences import ChaosCadence, cadences
from tests.chaos.messages import everything, until_quiet
from tests.chaos.observations import Observation, sound_observations
from tests.chaos.stacks import (
    REAL_SETTINGS,
    SERVICES,
    SETTINGS,
    Playground,
    embedded_playground,
    real_playground,
)
from tests.chaos.user import has_ended

N_USERS = 2
# Jobs and cadences that each user runs at a time: the limit of the tier.
JOBS_AT_ONCE = 5
# Jobs and cadences that must end before the next service is replaced, so that every service has work in hand.
ENDED_BETWEEN = 10
# The clients of a user that start cadences; odd ones follow event streams. The others start jobs.
CADENCE_CLIENTS = (2, 3)
# The file has 2^SIZE channels: about four chunks.
SIZE = 13
POLL_S = 0.02
RETRY_S = 0.2
TIMEOUT = aiohttp.ClientTimeout(total=60)
# A drain many times longer than the balancer's polling, and an outbox that submits no job again on a slow machine.
OWN_SETTINGS = {"WATERHOLE_DRAIN_S": "1", "WATERHOLE_OUTBOX_SILENCE_S": "600"}
ONCE_A_JOB = (OBSERVATION_SUBMITTED, OBSERVATION_CLASSIFIED, OBSERVATION_EXPORTED)
ONCE_A_CADENCE = (CADENCE_READY, CADENCE_CLASSIFIED, CADENCE_EXPORTED)
ONCE_A_PART = (CHUNK_READY, CHUNK_SEARCHED, TRACK_READY, TRACK_MEASURED)
ONCE = (*ONCE_A_JOB, *ONCE_A_CADENCE, *ONCE_A_PART)

Say = Callable[[str], None]


@dataclass
class Outcome:
    """Measurements and findings of a run."""

    # Exit statuses of the replaced processes, by service.
    statuses: dict[str, list[int]]
    requests: int = 0
    streams: int = 0
    jobs: list[str] = field(default_factory=list)
    cadences: list[str] = field(default_factory=list)
    ended: int = 0
    failed_requests: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    wrong_events: list[str] = field(default_factory=list)

    @property
    def findings(self) -> list[str]:
        """Return all findings as sentences."""
        ends = [f"{name} ended with {status}" for name, all_ in self.statuses.items() for status in all_ if status]
        stuck = [f"{name} was not replaced" for name, statuses in self.statuses.items() if not statuses]
        return [*self.failed_requests, *ends, *stuck, *self.wrong_events]

    def rows(self) -> list[tuple[str, str]]:
        """Return the rows of the printed table."""
        return [
            ("requests", str(self.requests)),
            ("event streams among them", str(self.streams)),
            ("failed requests", str(len(self.failed_requests))),
            ("jobs, all complete", str(len(self.jobs))),
            ("cadences, all complete", str(len(self.cadences))),
            *(
                (f"{topic} published", str(self.events[topic]))
                for topic in (*ONCE_A_JOB, *ONCE_A_CADENCE, *ONCE_A_PART)
            ),
            ("events missing, repeated, or dead letters", str(len(self.wrong_events))),
            ("exit statuses", ", ".join(f"{name} {statuses}" for name, statuses in self.statuses.items())),
        ]


class Client:
    """A client that starts one job or cadence after another. It records failed requests and retries them."""

    def __init__(self, url: str, api_key: str, outcome: Outcome) -> None:
        self._url = url
        self._outcome = outcome
        # One connection, which is never idle for long enough to be closed.
        self._session = aiohttp.ClientSession(
            headers={"x-api-key": api_key}, timeout=TIMEOUT, connector=aiohttp.TCPConnector(limit=1)
        )
        # By default aiohttp retries a failed GET silently.
        self._session._retry_connection = False
        self._storage = aiohttp.ClientSession(timeout=TIMEOUT)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
        await self._storage.close()

    async def run_jobs(self, observation: Observation, stop: asyncio.Event, *, streams: bool) -> None:
        """Start jobs until `stop` is set. Follow each to its end, by its event stream or by polling."""
        while not stop.is_set():
            started = await self._ask("POST", "/analyze", json={"file_key": await self._upload(observation)})
            self._outcome.jobs.append(started["job_id"])
            await self._until_ended(f"/jobs/{started['job_id']}", streams=streams)

    async def run_cadences(self, cadence: ChaosCadence, stop: asyncio.Event, *, streams: bool) -> None:
        """Start cadences until `stop` is set, and follow each and the jobs of its scans to their ends."""
        while not stop.is_set():
            scans = [{"file_key": await self._upload(scan.observation), "role": scan.role} for scan in cadence.scans]
            path = f"/cadences/{(await self._ask('POST', '/cadences', json={'scans': scans}))['cadence_id']}"
            self._outcome.cadences.append(path.removeprefix("/cadences/"))
            ended = await self._until_ended(path, streams=streams)
            jobs = [scan["job_id"] for scan in ended["scans"]]
            self._outcome.jobs += jobs
            for job_id in jobs:
                await self._poll(f"/jobs/{job_id}")
            await self._ask("GET", "/cadences?limit=1")
            await self._ask("GET", f"{path}/download?format=fits")

    async def _upload(self, observation: Observation) -> str:
        target = await self._ask("POST", "/upload-url", json={"filename": observation.name})
        async with self._storage.put(target["upload_url"], data=observation.path.read_bytes()) as response:
            response.raise_for_status()
        return str(target["file_key"])

    async def _until_ended(self, path: str, *, streams: bool) -> dict[str, Any]:
        """Follow a job or cadence to its end and return it."""
        ended = await (self._follow if streams else self._poll)(path)
        self._outcome.ended += 1
        if ended["status"] == "failed":
            self._outcome.wrong_events.append(f"{path} failed: {ended['error']}")
        return ended

    async def _poll(self, path: str) -> dict[str, Any]:
        """Poll the job or cadence until it has ended and return it."""
        while True:
            shown: dict[str, Any] = await self._ask("GET", path)
            if has_ended(shown):
                return shown
            await asyncio.sleep(POLL_S)

    async def _follow(self, path: str) -> dict[str, Any]:
        """Read event streams, each from the end of the last one, until the job or cadence has ended. Return it."""
        shown: dict[str, Any] = {"status": "unknown"}
        event_id = ""
        while not has_ended(shown):
            self._outcome.streams += 1
            headers = {"Last-Event-ID": event_id} if event_id else {}
            for line in (await self._send("GET", f"{path}/events", headers=headers)).decode().splitlines():
                name, _, value = line.partition(": ")
                if name == "id":
                    event_id = value
                elif name == "data":
                    shown = json.loads(value)
        return shown

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        return json.loads(await self._send(method, path, **more))

    async def _send(self, method: str, path: str, **more: Any) -> bytes:
        """Send a request until it succeeds and return the body of the response."""
        while True:
            self._outcome.requests += 1
            try:
                async with self._session.request(method, self._url + path, **more) as response:
                    body = await response.read()
                    if response.status < 400:
                        return body
                    problem = f"{response.status} {body.decode()}"
            except (aiohttp.ClientError, TimeoutError) as error:
                problem = repr(error)
            self._outcome.failed_requests.append(f"{method} {path}: {problem}")
            await asyncio.sleep(RETRY_S)


async def rolling_restart(
    playground: Playground,
    folder: Path,
    say: Say,
    *,
    services: Sequence[str] = SERVICES,
    n_users: int = N_USERS,
    ended_between: int = ENDED_BETWEEN,
) -> Outcome:
    """Replace the services in turn under load and return the outcome."""
    (observation,) = sound_observations(folder, (SIZE,))
    cadence = cadences(folder)[0]
    outcome, stop = Outcome({name: [] for name in services}), asyncio.Event()
    async with AsyncExitStack() as stack:
        balancer = await stack.enter_async_context(balancing(lambda: playground.gateways))
        keys = [await playground.create_user() for _ in range(n_users)]
        clients = [Client(balancer.url, key, outcome) for key in keys for _ in range(JOBS_AT_ONCE)]
        for client in clients:
            stack.push_async_callback(client.close)
        async with asyncio.TaskGroup() as group:
            for number, client in enumerate(clients):
                if number % JOBS_AT_ONCE in CADENCE_CLIENTS:
                    group.create_task(client.run_cadences(cadence, stop, streams=number % 2 == 1))
                else:
                    group.create_task(client.run_jobs(observation, stop, streams=number % 2 == 1))
            for name in services:
                ended = outcome.ended
                while outcome.ended < ended + ended_between:  # noqa: ASYNC110 -- the clients count
                    await asyncio.sleep(POLL_S)
                began = time.monotonic()
                outcome.statuses[name] = await playground.replace(name)
                say(f"{name} replaced in {time.monotonic() - began:.1f} s; {outcome.ended} jobs and cadences so far")
            stop.set()
        await _look_at_events(outcome, playground.environment["WATERHOLE_KAFKA_BOOTSTRAP"])
    return outcome


async def _look_at_events(outcome: Outcome, bootstrap: str) -> None:
    """Record events that are missing or repeated, and dead letters."""
    outcome.wrong_events += await until_quiet(bootstrap)
    found = await everything(bootstrap)
    outcome.wrong_events += [
        f"{len(found[topic])} dead letters on {topic}" for topic in found if topic.endswith(".dlq")
    ]
    for topic in ONCE:
        events = [decode(record.value) for record in found[topic]]
        outcome.events[topic] = len(events)
        times = Counter(event.event_id for event in events)
        outcome.wrong_events += [
            f"{topic} {one} was published {count} times" for one, count in times.items() if count > 1
        ]
    for topics, expected in ((ONCE_A_JOB, outcome.jobs), (ONCE_A_CADENCE, outcome.cadences)):
        for topic in topics:
            there = {decode(record.value).job_id for record in found[topic]}
            outcome.wrong_events += [f"{one} has no {topic}" for one in set(expected) - there]


async def main() -> int:
    """Run the test and print its table. Return 0 if there are no findings, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.rolling",
        description="Replace every service under load and check that no request fails.",
    )
    parser.add_argument(
        "--servers", choices=("embedded", "real"), default="embedded", help="servers to run on (default: embedded)"
    )
    options, console, started = parser.parse_args(), Console(), time.monotonic()

    def say(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:6.1f} s[/]  {what}", highlight=False)

    folder = Path(tempfile.mkdtemp(prefix="waterhole-rolling-"))
    make, settings = {
        "embedded": (embedded_playground, SETTINGS),
        "real": (real_playground, REAL_SETTINGS),
    }[options.servers]
    async with make(folder, settings | OWN_SETTINGS) as playground:
        outcome = await rolling_restart(playground, folder, say)
    table = Table(title=f"Rolling restart on {options.servers} servers", show_header=False)
    for row in outcome.rows():
        table.add_row(*row)
    console.print(table)
    for finding in outcome.findings:
        console.print(f"[red]{finding}", highlight=False)
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    sys.exit(asyncio.run(main()))
