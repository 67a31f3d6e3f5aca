"""A client of Waterhole's public REST API: upload an observation, analyze it, follow the job, download the results.

    async with Waterhole("http://127.0.0.1:8080", "sk_live_...") as waterhole:
        file_key = await waterhole.upload(Path("observation.fil"))
        job_id = await waterhole.analyze(file_key, "observation.fil")
        job = await waterhole.job(job_id)

It needs only aiohttp, so you may copy it into your own program.
"""

import asyncio
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

PARTS_AT_ONCE = 4
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)

Progress = Callable[[int], None]


class ApiError(RuntimeError):
    """The API refused a request; the message is that of the API."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} (HTTP {status})")
        self.status = status


async def _checked(response: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
    """Return the response; raise `ApiError` if its status is an error."""
    if response.status < 400:
        return response
    text = await response.text()
    try:
        message = str(json.loads(text)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        # The answer is not from the API: the object store sent it, or a proxy.
        message = text
    raise ApiError(response.status, message[:500])


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Waterhole:
    """The API, used with the key of one user."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url.rstrip("/")
        self._api = aiohttp.ClientSession(headers={"x-api-key": api_key}, timeout=TIMEOUT)
        # Presigned URLs carry their own signature; the object store must not see the API key.
        self._storage = aiohttp.ClientSession(timeout=TIMEOUT)
        # Of the files uploaded: to state it saves the service a read of the file.
        self._sha256: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()
        await self._storage.close()

    async def upload(self, path: Path, on_progress: Progress = lambda _bytes: None) -> str:
        """Upload an observation, in parts if it is large, and return its file_key.

        Parameters
        ----------
        path
            File to upload.
        on_progress
            Called after each request with the number of bytes that it has sent.

        Raises
        ------
        ApiError
            The API or the object store refused the file.
        """
        size = path.stat().st_size  # noqa: ASYNC240 -- a local file
        target = await self._post("/upload-url", {"filename": path.name, "file_size": size})
        hashing = asyncio.create_task(asyncio.to_thread(_sha256_of, path))
        if target["multipart"]:
            await self._upload_parts(path, target, on_progress)
        else:
            with path.open("rb") as file:
                await self._put(target["upload_url"], file)
            on_progress(size)
        self._sha256[target["file_key"]] = await hashing
        return str(target["file_key"])

    async def analyze(self, file_key: str, filename: str, source_name: str | None = None, **parameters: float) -> str:
        """Start the analysis of an uploaded file and return the job_id; `parameters` are search parameters."""
        body: dict[str, Any] = {"file_key": file_key, "filename": filename, **parameters}
        if file_key in self._sha256:
            body["sha256"] = self._sha256[file_key]
        if source_name is not None:
            body["source_name"] = source_name
        return str((await self._post("/analyze", body))["job_id"])

    async def start_cadence(self, scans: Sequence[Mapping[str, Any]], name: str = "", **parameters: float) -> str:
        """Start a cadence and return its cadence_id.

        Parameters
        ----------
        scans
            As POST /cadences takes them: a `file_key` or a `job_id` each, and a `role` unless it is to be proposed.
        name
            For display.
        parameters
            Of the rule and of the search of new files.
        """
        body: dict[str, Any] = {"scans": [self._with_checksum(scan) for scan in scans], "parameters": parameters}
        if name:
            body["name"] = name
        return str((await self._post("/cadences", body))["cadence_id"])

    async def cadence(self, cadence_id: str) -> dict[str, Any]:
        """Return the status of a cadence, with its results if it is complete."""
        return await self._get(f"/cadences/{cadence_id}")

    async def job(self, job_id: str) -> dict[str, Any]:
        """Return the status of a job, with its results if it is complete."""
        return await self._get(f"/jobs/{job_id}")

    async def download(self, job_id: str, artefact_format: str, folder: Path) -> Path:
        """Save one artefact in `folder` under its own name and return its path."""
        return await self._download(f"/jobs/{job_id}/download", artefact_format, folder / "catalog.csv")

    async def download_cadence(self, cadence_id: str, artefact_format: str, folder: Path) -> Path:
        """Save one file of a cadence in `folder` under its own name and return its path."""
        return await self._download(f"/cadences/{cadence_id}/download", artefact_format, folder / "events.csv")

    async def _download(self, path: str, artefact_format: str, csv: Path) -> Path:
        """Save an artefact beside `csv`, which is where CSV goes: it is answered inline."""
        async with self._api.get(f"{self._url}{path}", params={"format": artefact_format}) as response:
            await _checked(response)
            if response.content_type != "application/json":
                return self._save(csv, await response.read())
            link = await response.json()
        async with self._storage.get(link["download_url"]) as response:
            await _checked(response)
            # Only the last part of the name: a name from the network must not choose a folder.
            return self._save(csv.parent / Path(link["filename"]).name, await response.read())

    def _with_checksum(self, scan: Mapping[str, Any]) -> dict[str, Any]:
        sha256 = self._sha256.get(scan.get("file_key", ""))
        return dict(scan) if sha256 is None else {**scan, "sha256": sha256}

    async def _upload_parts(self, path: Path, target: dict[str, Any], on_progress: Progress) -> None:
        upload = {"file_key": target["file_key"], "upload_id": target["upload_id"]}
        free = asyncio.Semaphore(PARTS_AT_ONCE)

        async def send(part: dict[str, Any]) -> dict[str, Any]:
            async with free:
                with path.open("rb") as file:
                    file.seek((part["partNumber"] - 1) * target["part_size"])
                    chunk = file.read(target["part_size"])
                etag = await self._put(part["url"], io.BytesIO(chunk))
                on_progress(len(chunk))
                return {"partNumber": part["partNumber"], "etag": etag}

        try:
            async with asyncio.TaskGroup() as group:
                sending = [group.create_task(send(part)) for part in target["parts"]]
        except* (ApiError, aiohttp.ClientError) as errors:
            await self._post("/abort-upload", upload)
            raise errors.exceptions[0] from None
        await self._post("/complete-upload", upload | {"parts": [task.result() for task in sending]})

    async def _put(self, url: str, body: io.IOBase) -> str:
        async with self._storage.put(url, data=body, headers={"Content-Type": "application/octet-stream"}) as response:
            await _checked(response)
            return response.headers["ETag"]

    async def _get(self, path: str) -> dict[str, Any]:
        async with self._api.get(f"{self._url}{path}") as response:
            content: dict[str, Any] = await (await _checked(response)).json()
            return content

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._api.post(f"{self._url}{path}", json=body) as response:
            content: dict[str, Any] = await (await _checked(response)).json()
            return content

    @staticmethod
    def _save(path: Path, content: bytes) -> Path:
        path.write_bytes(content)
        return path
