"""Run jobs through the REST API, as a user would."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.client import Waterhole
from deploy.local.stack import Stack

PATIENCE_S = 120


async def until_done(client: Waterhole, job_id: str) -> dict[str, Any]:
    """Poll a job until it has failed, or is complete with all its artefacts. Return the job."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                job = await client.job(job_id)
            except aiohttp.ClientError:
                # The test may have killed the gateway.
                job = {"status": "unknown"}
            if job["status"] == "failed" or job.get("exports_ready"):
                return job
            await asyncio.sleep(0.05)


async def submit(client: Waterhole, path: Path) -> str:
    """Upload a file, start its analysis and return the job id."""
    return await client.analyze(await client.upload(path), path.name)


async def reviewed_table(stack: Stack, path: str) -> list[dict[str, str]]:
    """Ask for the CSV with verdicts of the job or cadence at `path` until it is there; return its rows."""
    query = {"format": "csv", "verdicts": "true"}
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession(headers={"x-api-key": stack.api_key}) as http:
        while True:
            async with http.get(f"{stack.url}{path}/download", params=query) as response:
                assert response.status in (200, 202), await response.text()
                if response.status == 200:
                    return list(csv.DictReader(io.StringIO(await response.text())))
            await asyncio.sleep(0.05)


async def give_verdict(stack: Stack, path: str, verdict: str, note: str) -> None:
    """Give a verdict on the hit or event at `path`."""
    async with (
        aiohttp.ClientSession(headers={"x-api-key": stack.api_key}) as http,
        http.put(f"{stack.url}{path}", json={"verdict": verdict, "note": note}) as response,
    ):
        assert response.status == 200, await response.text()


async def results_of(client: Waterhole, job_id: str, folder: Path) -> dict[str, Any]:
    """Return the parsed `results.json` of a finished job."""
    folder.mkdir(exist_ok=True)
    results: dict[str, Any] = json.loads((await client.download(job_id, "json", folder)).read_text())
    return results


def without_identity(results: dict[str, Any]) -> dict[str, Any]:
    """Return results without the job id and the processing time, which differ between two jobs on the same file."""
    kept = {key: value for key, value in results.items() if key not in ("job_id", "processing_time_seconds")}
    kept["summary"] = {key: value for key, value in results["summary"].items() if key != "processing_time_seconds"}
    return kept
