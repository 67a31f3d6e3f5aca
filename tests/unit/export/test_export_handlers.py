"""All artefacts, registered as they are in the bucket, the same for every repeat."""

import csv
import hashlib
import io
import json

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from services.export.handlers import Handler
from shared.blobs import artefact_key
from shared.errors import PermanentError
from shared.events import JobProgress, ObservationExported, decode

FORMATS = {
    "json": "results.json",
    "classified": "classified.json",
    "catalog_json": "catalog.json",
    "csv": "catalog.csv",
    "fits": "catalog.fits",
    "waterfall": "waterfall.png",
    "waterfall_thumb": "waterfall_thumb.png",
}


def body(job, event, name):
    return job.blobs.objects[artefact_key(event.job_id, name)]


def csv_rows(job, event):
    return list(csv.DictReader(io.StringIO(body(job, event, "catalog.csv").decode())))


async def test_same_event_twice_writes_the_same_bytes_and_events(job, header, signals):
    event = await job.finish(header, signals)
    handler = Handler(job.blobs)
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
    exported, _ = await Handler(job.blobs).handle(event)
    assert {a.format: a.filename for a in exported.artefacts} == FORMATS
    for artefact in exported.artefacts:
        stored = job.blobs.objects[artefact.key]
        assert artefact.key == artefact_key(event.job_id, artefact.filename)
        assert (artefact.size, artefact.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
        assert job.blobs.content_types[artefact.key] == artefact.content_type


async def test_catalogues_hold_every_hit_and_agree(job, header, signals):
    event = await job.finish(header, signals)
    await Handler(job.blobs).handle(event)
    rows = csv_rows(job, event)
    results = json.loads(body(job, event, "results.json"))
    catalog = json.loads(body(job, event, "catalog.json"))["signals"]
    classified = json.loads(body(job, event, "classified.json"))["signals"]
    with fits.open(io.BytesIO(body(job, event, "catalog.fits"))) as hdus:
        hdus.verify("exception")
        table, keywords = hdus["HITS"].data, hdus["HITS"].header
        frequencies = np.array(table["frequency_hz"])
        assert list(table["classification"]) == [row["classification"] for row in rows]
        assert (keywords["OBJECT"], keywords["FCH1"], keywords["TSTART"]) == (
            "Voyager 1",
            header.fch1_mhz,
            header.tstart_mjd,
        )
        units = {column.name: column.unit for column in hdus["HITS"].columns}
    assert (units["frequency_hz"], units["drift_rate"], units["snr"]) == ("Hz", "Hz/s", None)
    assert [float(row["frequency_hz"]) for row in rows] == frequencies.tolist()
    assert [row["frequency_hz"] for row in catalog] == frequencies.tolist()
    assert sorted(frequencies) == sorted(hit["frequency_hz"] for hit in results["raw_hits"])
    assert [row["id"] for row in classified] == [hit["id"] for hit in results["raw_hits"]]
    scores = [float(row["interestingness"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    ranks = {int(row["candidate_rank"]): int(row["id"]) for row in rows if row["candidate_rank"] != "0"}
    assert [ranks[n] for n in sorted(ranks)] == [hit["id"] for hit in results["candidates"]]


async def test_csv_starts_with_the_columns_of_the_contract(job, header, signals):
    event = await job.finish(header, signals)
    await Handler(job.blobs).handle(event)
    text = body(job, event, "catalog.csv").decode()
    assert text.startswith("source_name,frequency_hz,drift_rate,snr,classification,interestingness,")


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x", "\tx"])
async def test_source_name_can_not_be_a_formula(job, header, signals, name):
    event = await job.finish(header, signals[:1], source_name=name)
    await Handler(job.blobs).handle(event)
    (row,) = csv_rows(job, event)
    assert row["source_name"] == "'" + name
    assert float(row["drift_rate"]) < 0


async def test_no_hits(job, header):
    event = await job.finish(header, [], source_name='Ωmega, "quoted" $x_1$\n名')
    exported, _ = await Handler(job.blobs).handle(event)
    assert len(exported.artefacts) == len(FORMATS)
    assert csv_rows(job, event) == []
    assert body(job, event, "catalog.csv").count(b"\n") == 1
    with fits.open(io.BytesIO(body(job, event, "catalog.fits"))) as hdus:
        hdus.verify("exception")
        assert len(hdus["HITS"].data) == 0
    assert json.loads(body(job, event, "classified.json"))["signals"] == []


async def test_pictures_have_the_stated_size(job, header, signals):
    event = await job.finish(header, signals)
    await Handler(job.blobs).handle(event)
    sizes = [Image.open(io.BytesIO(body(job, event, n))).size for n in ("waterfall.png", "waterfall_thumb.png")]
    assert sizes == [(1600, 1000), (400, 250)]


async def test_other_events_are_refused(job):
    stranger = JobProgress.make(job_id="j", producer="x", stage="ingest", done=1, total=1)
    with pytest.raises(PermanentError, match=r"job\.progress"):
        await Handler(job.blobs).handle(stranger)
