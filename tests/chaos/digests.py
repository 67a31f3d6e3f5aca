"""Checksums of what a job or cadence left in the results bucket, without what is its own: ids and times."""

import asyncio
import hashlib
import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
from astropy.io import fits

from shared.blobs import Blobs
from shared.object_keys import artefact_key, hits_prefix, job_prefix

# The chunk plan and the number of the last chunk or part depend partly on chance. `cadence.json` is a bus event.
NO_ARTEFACTS = frozenset({"plan.json", "finished_by_chunk", "classified_from", "exported_from"})
NO_FILES_OF_CADENCE = frozenset({"cadence.json", "closed_by_part"})
# Ids and times, which differ between two runs on the same file.
OWN_FIELDS = frozenset({"job_id", "processing_time_seconds", "processing_time_s", "completed_at", "created_at", "date"})

Digests = dict[str, str]


async def digests_of(results: Blobs, job_id: str) -> Digests:
    """Return the SHA-256 of each artefact of a job, without the ids and times that are specific to the job."""
    keys = await results.list_keys(job_prefix(job_id))
    names = [key.removeprefix(job_prefix(job_id)) for key in keys if not key.startswith(hits_prefix(job_id))]
    return await _digests(results, job_id, [name for name in names if name not in NO_ARTEFACTS], {job_id: "JOB"})


async def digests_of_cadence(results: Blobs, cadence_id: str, job_ids: Sequence[str]) -> Digests:
    """Return the SHA-256 of each object of a cadence, without its id, those of its scans' jobs, and times."""
    keys = await results.list_keys(job_prefix(cadence_id))
    names = [key.removeprefix(job_prefix(cadence_id)) for key in keys]
    ids = {cadence_id: "CADENCE"} | {job_id: f"JOB {number}" for number, job_id in enumerate(job_ids)}
    return await _digests(results, cadence_id, [name for name in names if name not in NO_FILES_OF_CADENCE], ids)


async def _digests(results: Blobs, job_id: str, names: Sequence[str], ids: dict[str, str]) -> Digests:
    bodies = await asyncio.gather(*(results.get(artefact_key(job_id, name)) for name in names))
    return {name: _digest(name, body, ids) for name, body in zip(names, bodies, strict=True)}


def _digest(name: str, body: bytes, ids: dict[str, str]) -> str:
    if name.endswith(".json"):
        body = json.dumps(_without_own(json.loads(body)), sort_keys=True).encode()
    elif name.endswith(".fits"):
        body = _fits_content(body)
    elif name.endswith(".parquet"):
        body = _parquet_content(body)
    for one, shown in ids.items():
        body = body.replace(one.encode(), shown.encode())
    return hashlib.sha256(body).hexdigest()


def _fits_content(body: bytes) -> bytes:
    """Return the cards and data of a FITS file without its checksums, which depend on the ids."""
    with fits.open(io.BytesIO(body)) as units:
        for unit in units:
            for card in ("CHECKSUM", "DATASUM"):
                unit.header.remove(card, ignore_missing=True)
        parts = [(unit.header.tostring(sep="\n").encode(), unit.data) for unit in units]
        return b"".join(header + (b"" if data is None else data.tobytes()) for header, data in parts)


def _parquet_content(body: bytes) -> bytes:
    """Return the metadata and rows of a Parquet file, without Arrow's encoded copy of the metadata."""
    table = pq.read_table(io.BytesIO(body))
    return repr((sorted((table.schema.metadata or {}).items()), table.schema.names, table.to_pylist())).encode()


def _without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_own(one) for key, one in value.items() if key not in OWN_FIELDS}
    if isinstance(value, list):
        return [_without_own(one) for one in value]
    return value
