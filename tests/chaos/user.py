"""A user of the API who retries every request until it succeeds, with the same idempotency key."""

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.chaos.observations import Observation

RETRY_S = 0.3
POLL_S = 0.3
TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=3)


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


class User:
    """A user with an API key."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url
        self._headers = {"x-api-key": api_key}
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        self.jobs: list[Job] = []
        self.uploads: list[str] = []
        self.refusals = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def run(self, observation: Observation, idempotency_key: str) -> Job:
        """Upload a file, start its analysis and poll the job until it has ended. Return the job."""
        target = await self.ask("POST", "/upload-url", json={"filename": observation.name})
        self.uploads.append(target["file_key"])
        await self._put(target["upload_url"], observation.path.read_bytes())
        started = await self.ask(
            "POST", "/analyze", json={"file_key": target["file_key"]}, headers={"Idempotency-Key": idempotency_key}
        )
        job = Job(started["job_id"], observation, target["file_key"])
        self.jobs.append(job)
        while not (job.status == "failed" or (job.status == "complete" and job.body and job.body["exports_ready"])):
            await asyncio.sleep(POLL_S)
            job.body = await self.ask("GET", f"/jobs/{job.job_id}")
        return job

    async def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> Any:
        """Send a request until it succeeds and return the decoded response.

        Raises
        ------
        RuntimeError
            If the status is below 500 and not 429, so that a retry can't succeed.
        """
        while True:
            try:
                async with self._session.request(
                    method, self._url + path, headers=self._headers | (headers or {}), **more
                ) as response:
                    if response.status < 400:
                        return await response.json()
                    # A retry may succeed after 5xx (unavailable) and 429 (no free slot).
                    if response.status < 500 and response.status != 429:
                        raise RuntimeError(f"{method} {path}: {response.status} {await response.text()}")
            except (aiohttp.ClientError, TimeoutError):
                pass
            self.refusals += 1
            await asyncio.sleep(RETRY_S)

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
