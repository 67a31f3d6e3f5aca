"""Run a job to its end, as a user would."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.client import Waterhole

PATIENCE_S = 120


async def until_done(client: Waterhole, job_id: str) -> dict[str, Any]:
    """The job when it has failed, or is complete with all its artefacts."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                job = await client.job(job_id)
            except aiohttp.ClientError:
                # The gateway may be the one that was killed.
                job = {"status": "unknown"}
            if job["status"] == "failed" or job.get("exports_ready"):
                return job
            await asyncio.sleep(0.05)


async def submit(client: Waterhole, path: Path) -> str:
    """Upload a file and start its analysis; the job_id."""
    return await client.analyze(await client.upload(path), path.name)


async def results_of(client: Waterhole, job_id: str, folder: Path) -> dict[str, Any]:
    """`results.json` of a finished job."""
    folder.mkdir(exist_ok=True)
    results: dict[str, Any] = json.loads((await client.download(job_id, "json", folder)).read_text())
    return results


def without_identity(results: dict[str, Any]) -> dict[str, Any]:
    """What two jobs on the same file have in common: all but the job's id and how long it took."""
    kept = {key: value for key, value in results.items() if key not in ("job_id", "processing_time_seconds")}
    kept["summary"] = {key: value for key, value in results["summary"].items() if key != "processing_time_seconds"}
    return kept
