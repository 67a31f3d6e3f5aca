"""All artefacts, registered as they are in the bucket, the same for every repeat."""

import asyncio
import csv
import hashlib
import io
import json
from dataclasses import replace

import pytest
from astropy.io import fits
from PIL import Image
from pyarrow import parquet

from services.export import handlers
from services.export.artefacts import render_tables
from shared.errors import ObjectNotFoundError, PermanentError
from shared.events import ChunkPlan, JobProgress, ObservationExported, decode
from shared.hits import ChunkHits
from shared.object_keys import artefact_key
from tests.unit.export.jobs import JOB, UPLOAD_KEY, UPLOADED

FORMATS = {
    "json": "results.json",
    "classified": "classified.json",
    "catalog_json": "catalog.json",
    "csv": "catalog.csv",
    "fits": "catalog.fits",
    "votable": "catalog.vot",
    "parquet": "catalog.parquet",
    "dat": "hits.dat",
    "waterfall": "waterfall.png",
    "waterfall_thumb": "waterfall_thumb.png",
}


def body(job, event, name):
    return job.blobs.objects[artefact_key(event.job_id, name)]


def csv_rows(job, event):
    return list(csv.DictReader(io.StringIO(body(job, event, "catalog.csv").decode())))


async def test_same_event_twice_writes_the_same_bytes_and_events(job, header, signals):
    event = await job.finish(header, signals)
    handler = job.handler()
    first = await handler.handle(event)
    objects = dict(job.blobs.objects)
    again = await handler.handle(event)
    assert job.blobs.objects == objects
    assert [e.model_dump(exclude={"occurred_at"}) for e in first] == [
        e.model_dump(exclude={"occurred_at"}) for e in again
    ]
    exported, progress = first
    assert isinstance(exported, ObservationExported)
    assert isinstance(progress, JobProgress)
    assert (progress.stage, progress.done, progress.total) == ("export", 1, 1)
    assert all(decode(e.to_bytes()) == e for e in first)


async def test_every_artefact_is_registered_as_it_is(job, header, signals):
    event = await job.finish(header, signals)
    exported, _ = await job.handler().handle(event)
    assert {a.format: a.filename for a in exported.artefacts} == FORMATS
    for artefact in exported.artefacts:
        stored = job.blobs.objects[artefact.key]
        assert artefact.key == artefact_key(event.job_id, artefact.filename)
        assert (artefact.size, artefact.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
        assert job.blobs.content_types[artefact.key] == artefact.content_type


async def test_catalogues_hold_every_hit_in_order_of_interest(job, header, signals):
    event = await job.finish(header, signals)
    await job.handler().handle(event)
    rows = csv_rows(job, event)
    results = json.loads(body(job, event, "results.json"))
    classified = json.loads(body(job, event, "classified.json"))["signals"]
    assert sorted(int(row["id"]) for row in rows) == [hit["id"] for hit in results["raw_hits"]]
    assert [row["id"] for row in classified] == [hit["id"] for hit in results["raw_hits"]]
    scores = [float(row["interestingness"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    ranks = {int(row["candidate_rank"]): int(row["id"]) for row in rows if row["candidate_rank"] != "0"}
    assert [ranks[n] for n in sorted(ranks)] == [hit["id"] for hit in results["candidates"]]


async def test_catalogues_state_the_checksum_of_the_observation(job, header, signals):
    event = await job.finish(header, signals)
    expected = hashlib.sha256(UPLOADED).hexdigest()
    files = await job.export(event)
    assert json.loads(files["catalog.json"])["provenance"]["input_sha256"] == expected
    assert expected.encode() in files["catalog.vot"]
    assert expected.encode() in files["hits.dat"]
    assert fits.getval(io.BytesIO(files["catalog.fits"]), "INSHA256", "HITS") == expected
    assert expected.encode() in parquet.read_schema(io.BytesIO(files["catalog.parquet"])).metadata[b"waterhole"]


async def test_a_checksum_that_the_owner_stated_is_not_computed(job, header, signals):
    event = await job.finish(header, signals)
    event = event.model_copy(update={"upload": event.upload.model_copy(update={"sha256": "ab" * 32})})
    job.uploads.objects.clear()
    files = await job.export(event)
    assert json.loads(files["catalog.json"])["provenance"]["input_sha256"] == "ab" * 32
    assert b"SHA-256 of that file, as its owner stated" in files["catalog.vot"]


@pytest.mark.parametrize("limit", [None, len(UPLOADED) - 1])
async def test_checksum_is_left_out_where_it_is_not_wanted(job, header, signals, limit):
    event = await job.finish(header, signals)
    files = await job.export(event, hash_up_to_bytes=limit)
    with fits.open(io.BytesIO(files["catalog.fits"])) as hdus:
        assert "INSHA256" not in hdus["HITS"].header
    assert "input_sha256" not in json.loads(files["catalog.json"])["provenance"]


async def test_artefacts_do_not_state_the_checksum_of_a_file_that_replaced_the_one_searched(job, header, signals):
    event = await job.finish(header, signals)
    pinned = event.upload.model_copy(update={"etag": (await job.uploads.content(UPLOAD_KEY)).etag})
    event = event.model_copy(update={"upload": pinned})
    expected = hashlib.sha256(UPLOADED).hexdigest()
    assert json.loads((await job.export(event))["catalog.json"])["provenance"]["input_sha256"] == expected
    await job.uploads.put(UPLOAD_KEY, UPLOADED[::-1])
    del job.blobs.objects[artefact_key(JOB, "exported_from")]
    files = await job.export(event)
    assert set(files) == set(FORMATS.values())
    assert "input_sha256" not in json.loads(files["catalog.json"])["provenance"]


async def test_artefacts_are_made_without_a_removed_observation(job, header, signals):
    event = await job.finish(header, signals)
    job.uploads.objects.clear()
    files = await job.export(event)
    assert set(files) == set(FORMATS.values())
    assert "input_sha256" not in json.loads(files["catalog.json"])["provenance"]


async def test_a_failed_export_stops_reading_the_observation(job, header, signals, monkeypatch):
    event = await job.finish(header, signals)
    job.blobs.objects.pop(next(key for key in job.blobs.objects if key.endswith(".npz")))
    stopped = asyncio.Event()

    async def endless(key, start, length, etag):
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    monkeypatch.setattr(job.uploads, "get_range", endless)
    with pytest.raises(ObjectNotFoundError):
        await job.handler().handle(event)
    await asyncio.wait_for(stopped.wait(), 10)


async def test_pictures_have_the_stated_size(job, header, signals):
    event = await job.finish(header, signals)
    await job.handler().handle(event)
    sizes = [Image.open(io.BytesIO(body(job, event, n))).size for n in ("waterfall.png", "waterfall_thumb.png")]
    assert sizes == [(1600, 1000), (400, 250)]


HALVES = ChunkPlan(n_channels=2**20, count=2, stride_channels=2**20, parts=2, overlap_channels=9)


async def test_chunks_lie_where_the_plan_says(job, header, signals):
    event = await job.finish(header, signals)
    from_the_hits_objects = await job.export(event)
    for key, raw in list(job.blobs.objects.items()):
        if key.endswith(".npz"):
            job.blobs.objects[key] = replace(ChunkHits.from_bytes(raw), channels=None).to_bytes()
    assert await job.export(event.model_copy(update={"plan": HALVES})) == from_the_hits_objects
    unequal = event.model_copy(update={"plan": HALVES.model_copy(update={"stride_channels": 1_400_000})})
    assert (await job.export(unequal))["waterfall.png"] != from_the_hits_objects["waterfall.png"]
    with pytest.raises(PermanentError, match="early version") as refused:
        await job.export(event)
    assert refused.value.code == "outdated_results"


async def test_unreadable_results_are_refused_in_a_sentence(job, header, signals):
    event = await job.finish(header, signals)
    results = json.loads(body(job, event, "results.json"))
    job.blobs.objects[event.results_key] = json.dumps(results | {"format_version": 3}).encode()
    with pytest.raises(PermanentError, match=r"results of the job can't be read \(format_version") as refused:
        await job.handler().handle(event)
    assert refused.value.code == "unreadable_results"


async def test_other_events_are_refused(job):
    stranger = JobProgress.make(job_id="j", producer="x", stage="ingest", done=1, total=1)
    with pytest.raises(PermanentError, match=r"job\.progress"):
        await job.handler().handle(stranger)


@pytest.mark.parametrize("change", ["none", "artefact gone", "artefact cut off", "results differ", "record gone"])
async def test_files_are_made_again_only_if_they_are_not_whole_or_would_differ(
    job, header, signals, change, monkeypatch
):
    made, event = [], await job.finish(header, signals)
    monkeypatch.setattr(handlers, "render_tables", lambda *a: made.append(1) or render_tables(*a))
    first = await job.export(event)
    if change == "artefact gone":
        del job.blobs.objects[artefact_key(JOB, "catalog.fits")]
    elif change == "artefact cut off":
        job.blobs.objects[artefact_key(JOB, "catalog.csv")] = b"source_name"
    elif change == "results differ":
        job.blobs.objects[event.results_key] += b"\n"
    elif change == "record gone":
        del job.blobs.objects[artefact_key(JOB, "exported_from")]
    again = await job.export(event)
    assert len(made) == (1 if change == "none" else 2)
    assert again | {"results.json": b""} == first | {"results.json": b""}
