"""What the pictures of the documents show: jobs and a cadence of the running stack, made by the API as users do."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.client import Waterhole
from science.simulator import spectra, write_fil
from science.simulator.cadences import demo_cadence

EXAMPLE = "voyager_1"
EXAMPLE_SOURCE = "Voyager 1 (simulated)"
SOURCES = {"ON": "HIP_DEMO", "OFF": "HIP_DEMO_OFF"}
LONGEST_WAIT_S = 300.0
POLL_S = 0.2


def written_scans(folder: Path, n_channels: int = 2**18) -> list[Path]:
    """Write the six scans of a small cadence; return their paths in order of time."""
    cadence = demo_cadence(n_channels)
    paths = []
    for number, (scene, role) in enumerate(zip(cadence.scenes(), cadence.roles, strict=True), start=1):
        paths.append(folder / f"scan_{number}_{role.upper()}.fil")
        write_fil(paths[-1], scene.header, spectra(scene))
    return paths


@dataclass(frozen=True)
class Place:
    """Where a stack answers: its URL, an API key, a link to sign in, and, if it is ours, the process that searches."""

    url: str
    api_key: str
    link: str
    searcher_pid: int | None = None


class Subjects:
    """Jobs and a cadence of one user, found from an earlier run or made."""

    cadence_name = "Simulated cadence"

    def __init__(self, place: Place, client: Waterhole, scans: list[Path]) -> None:
        self.url = place.url
        self.link = place.link
        self.scans = scans
        self.job_id = self.cadence_id = ""
        self._api_key = place.api_key
        self._searcher_pid = place.searcher_pid
        self._client = client

    @property
    def can_hold(self) -> bool:
        """Whether a job can be held in its search."""
        return self._searcher_pid is not None

    async def prepare(self) -> None:
        """Search the example and the cadence, and let a damaged file fail, unless an earlier run has."""
        jobs = await self._answer("GET", "/jobs")
        cadences = await self._answer("GET", "/cadences")
        self.cadence_id = cadences[0]["cadence_id"] if cadences else await self._start_cadence()
        await self._until_ready(lambda: self._client.cadence(self.cadence_id))
        if not any(job["status"] == "failed" for job in jobs):
            await self._start_damaged()
        known = [job["job_id"] for job in jobs if job["source_name"] == EXAMPLE_SOURCE]
        self.job_id = known[-1] if known else await self._start_example()
        await self.until_complete(self.job_id)

    @asynccontextmanager
    async def running_job(self) -> AsyncIterator[str]:
        """Yield the id of a job that stays in its search, since the process that searches is stopped meanwhile."""
        if self._searcher_pid is None:
            raise RuntimeError("The process that searches is not known.")
        os.kill(self._searcher_pid, signal.SIGSTOP)
        try:
            job_id = await self._start_example()
            yield job_id
        finally:
            os.kill(self._searcher_pid, signal.SIGCONT)
        await self.until_complete(job_id)

    async def until_complete(self, job_id: str) -> None:
        """Wait until a job is complete and its catalogues are written."""
        await self._until_ready(lambda: self._client.job(job_id))

    async def _start_example(self) -> str:
        async def is_there() -> bool:
            return bool((await self._answer("GET", "/examples"))["examples"])

        # It is simulated while the stack starts.
        await _until(is_there)
        copied = await self._answer("POST", f"/examples/{EXAMPLE}")
        return await self._client.analyze(copied["file_key"], copied["filename"], EXAMPLE_SOURCE)

    async def _start_cadence(self) -> str:
        scans = []
        for path in self.scans:
            key, role = await self._client.upload(path), path.stem.rpartition("_")[2]
            scans.append({"file_key": key, "filename": path.name, "role": role.lower(), "source_name": SOURCES[role]})
        return await self._client.start_cadence(scans, self.cadence_name)

    async def _start_damaged(self) -> None:
        damaged = self.scans[0].with_name("damaged.fil")
        damaged.write_bytes(self.scans[0].read_bytes()[:100])
        await self._client.analyze(await self._client.upload(damaged), damaged.name)

    async def _until_ready(self, state: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        async def is_ready() -> bool:
            now = await state()
            if now["status"] == "failed":
                raise RuntimeError(f"Nothing to draw: {now.get('error')}")
            return bool(now.get("exports_ready"))

        await _until(is_ready)

    async def _answer(self, method: str, path: str) -> Any:
        headers = {"x-api-key": self._api_key}
        async with aiohttp.ClientSession(headers=headers) as http, http.request(method, self.url + path) as response:
            response.raise_for_status()
            return await response.json()


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(LONGEST_WAIT_S):
        while not await holds():  # noqa: ASYNC110 -- the API is asked
            await asyncio.sleep(POLL_S)
