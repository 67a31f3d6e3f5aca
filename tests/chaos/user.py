"""A user of the API who retries every request until it succeeds, with the same idempotency key."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.chaos.cadences import ChaosCadence, ChaosScan
from tests.chaos.observations import Observation

RETRY_S = 0.3
POLL_S = 0.3
TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=3)
CURSOR_HEADER = "X-Next-Cursor"


@dataclass
class Job:
    """A job that the API accepted, with its last state."""

    job_id: str
    observation: Observation
    file_key: str
    body: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        """Return the last status that the API reported, or `unknown`."""
        return str(self.body["status"]) if self.body else "unknown"


@dataclass
class StartedCadence:
    """A cadence that the API accepted, with its last state. `job_ids` are the jobs of its scans, in order of request.

    `shared` counts the scans that were jobs before.
    """

    cadence_id: str
    cadence: ChaosCadence
    job_ids: list[str]
    shared: int
    body: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        """Return the last status that the API reported, or `unknown`."""
        return str(self.body["status"]) if self.body else "unknown"


class User:
    """A user with an API key."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url
        self._headers = {"x-api-key": api_key}
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        self.jobs: list[Job] = []
        self.cadences: list[StartedCadence] = []
        self.uploads: list[str] = []
        self.refusals = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def run(self, observation: Observation, idempotency_key: str) -> Job:
        """Upload a file, start its analysis and poll the job until it has ended. Return the job."""
        file_key = await self._upload(observation)
        started = await self.ask(
            "POST", "/analyze", json={"file_key": file_key}, headers={"Idempotency-Key": idempotency_key}
        )
        job = Job(started["job_id"], observation, file_key)
        self.jobs.append(job)
        await self._follow_job(job)
        return job

    async def run_cadence(self, cadence: ChaosCadence, idempotency_key: str) -> StartedCadence:
        """Upload the scans, start a cadence and poll it and its jobs until all have ended. Return the cadence."""
        before = [self._job_on(scan) for scan in cadence.scans]
        keys = [
            await self._upload(scan.observation) if job is None else job.file_key
            for scan, job in zip(cadence.scans, before, strict=True)
        ]
        scans = [
            ({"file_key": key} if job is None else {"job_id": job.job_id}) | ({"role": scan.role} if scan.role else {})
            for scan, job, key in zip(cadence.scans, before, keys, strict=True)
        ]
        started = await self.ask(
            "POST",
            "/cadences",
            json={"name": cadence.name, "scans": scans},
            headers={"Idempotency-Key": idempotency_key},
        )
        path = f"/cadences/{started['cadence_id']}"
        body = await self.ask("GET", path)
        # The files of a cadence have different names.
        ids = {scan["filename"]: scan["job_id"] for scan in body["scans"]}
        ids_in_order = [ids[scan.observation.name] for scan in cadence.scans]
        shared = sum(job is not None for job in before)
        run = StartedCadence(started["cadence_id"], cadence, ids_in_order, shared, body)
        self.cadences.append(run)
        new = [
            Job(job_id, scan.observation, key)
            for job_id, scan, key, job in zip(ids_in_order, cadence.scans, keys, before, strict=True)
            if job is None
        ]
        self.jobs += new
        while not has_ended(body):
            await asyncio.sleep(POLL_S)
            run.body = body = await self.ask("GET", path)
        for job in new:
            await self._follow_job(job)
        return run

    async def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> Any:
        """Send a request until it succeeds and return the decoded response.

        Raises
        ------
        RuntimeError
            If the status is below 500 and not 429, so that a retry can't succeed.
        """
        return (await self._answer(method, path, headers=headers, **more))[0]

    async def ask_all(self, path: str) -> list[Any]:
        """Return the entries of all pages of a list."""
        entries, cursor = [], ""
        while True:
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            page, headers = await self._answer("GET", path, params=query)
            entries += page
            cursor = headers.get(CURSOR_HEADER, "")
            if not cursor:
                return entries

    async def _answer(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> tuple[Any, Mapping[str, str]]:
        """Send a request until it succeeds and return the decoded response and its headers."""
        while True:
            try:
                async with self._session.request(
                    method, self._url + path, headers=self._headers | (headers or {}), **more
                ) as response:
                    if response.status < 400:
                        return await response.json(), response.headers
                    # A retry may succeed after 5xx (unavailable) and 429 (no free slot).
                    if response.status < 500 and response.status != 429:
                        raise RuntimeError(f"{method} {path}: {response.status} {await response.text()}")
            except (aiohttp.ClientError, TimeoutError):
                pass
            self.refusals += 1
            await asyncio.sleep(RETRY_S)

    async def _follow_job(self, job: Job) -> None:
        while not (job.body and has_ended(job.body)):
            await asyncio.sleep(POLL_S)
            job.body = await self.ask("GET", f"/jobs/{job.job_id}")

    def _job_on(self, scan: ChaosScan) -> Job | None:
        """Return the last job on the file of a scan that is to be shared; it may still run."""
        jobs = self.jobs if scan.is_shared and not scan.observation.is_malformed else []
        return next((job for job in reversed(jobs) if job.observation == scan.observation), None)

    async def _upload(self, observation: Observation) -> str:
        target = await self.ask("POST", "/upload-url", json={"filename": observation.name})
        self.uploads.append(target["file_key"])
        await self._put(target["upload_url"], observation.path.read_bytes())
        return str(target["file_key"])

    async def _put(self, url: str, body: bytes) -> None:
        while True:
            try:
                async with self._session.put(url, data=body) as response:
                    if response.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            self.refusals += 1
            await asyncio.sleep(RETRY_S)


def has_ended(body: Mapping[str, Any]) -> bool:
    """Return whether a job or cadence has failed, or is complete with all its files."""
    return body["status"] == "failed" or (body["status"] == "complete" and bool(body["exports_ready"]))
