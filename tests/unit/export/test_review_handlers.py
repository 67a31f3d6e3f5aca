"""Catalogues with verdicts: the rows of the first ones unchanged, two columns more, the same for every repeat."""

import asyncio
import hashlib
import io
import json

import pandas as pd
import pytest
from astropy.io import fits, votable
from pyarrow import parquet

from services.export.artefacts import render_tables
from services.export.review_handlers import ReviewHandler
from shared.errors import PermanentError
from shared.events import CadenceReviewed, ObservationReviewed, ReviewExported, decode
from shared.formats import REVIEWED_EVENT_FORMATS, REVIEWED_FORMATS
from shared.object_keys import artefact_key, reviewed_key, verdicts_key
from shared.results import Results
from shared.verdicts import NumberedVerdict, VerdictsDocument
from tests.unit.export.example_cadence import CADENCE_ID, document
from tests.unit.export.jobs import JOB, UPLOADED, MemoryBlobs

NOTE = 'Größe, "<b>"; =1+1'
GIVEN = (
    NumberedVerdict(number=2, verdict="rfi", note=NOTE),
    NumberedVerdict(number=5, verdict="candidate", note=""),
    NumberedVerdict(number=10**9, verdict="unsure", note="of a hit that is gone"),
)


async def reviewed(blobs, kind, *, given=GIVEN, job_id=JOB, **more):
    """Store verdicts as the gateway does, and return its event."""
    verdicts = VerdictsDocument(job_id=job_id, results_sha256="0" * 64, verdicts=given)
    key = verdicts_key(job_id, verdicts.revision)
    await blobs.put(key, verdicts.to_bytes())
    return kind.make(
        job_id=job_id,
        producer="gateway",
        step=verdicts.revision,
        revision=verdicts.revision,
        verdicts_key=key,
        **more,
    )


async def reviewed_job(job, event, **more):
    fields = {"upload": event.upload, "results_key": event.results_key}
    return await reviewed(job.blobs, ObservationReviewed, **(fields | more))


async def files_of(blobs, event):
    (exported,) = await ReviewHandler(blobs, asyncio.Lock()).handle(event)
    return {artefact.format: blobs.objects[artefact.key] for artefact in exported.artefacts}


def frames(files):
    """Return the tables in all formats but JSON; a text that is missing is an empty one."""
    binary = fits.open(io.BytesIO(files["fits"]))[1].data
    table = votable.parse_single_table(io.BytesIO(files["votable"])).to_table(use_names_over_ids=True)
    return {
        "csv": pd.read_csv(io.BytesIO(files["csv"]), keep_default_na=False),
        "fits": pd.DataFrame({name: list(binary[name]) for name in binary.names}),
        "votable": table.to_pandas(),
        "parquet": parquet.read_table(io.BytesIO(files["parquet"])).to_pandas(),
    }


async def test_every_catalogue_has_the_verdicts_beside_unchanged_rows(job, header, signals):
    event = await job.finish(header, signals)
    before = await job.export(event)
    plain = frames({name: before[made.filename] for name, made in REVIEWED_FORMATS.items()})
    files = await files_of(job.blobs, await reviewed_job(job, event))
    assert set(files) == set(REVIEWED_FORMATS)
    for name, frame in frames(files).items():
        assert list(frame.columns) == [*plain[name].columns, "verdict", "verdict_note"]
        pd.testing.assert_frame_equal(frame[plain[name].columns], plain[name])
        rows = frame.set_index("id")
        assert list(rows.loc[[2, 5], "verdict"]) == ["rfi", "candidate"]
        assert set(rows.drop([2, 5])["verdict"]) == set(rows.drop([2])["verdict_note"]) == {""}
        # FITS holds ASCII alone, and the CSV's spreadsheets evaluate no cell: the note begins with a letter.
        expected = NOTE if name != "fits" else 'Gr??e, "<b>"; =1+1'
        assert rows.loc[2, "verdict_note"] == expected


async def test_the_json_documents_have_the_verdicts_and_the_same_provenance(job, header, signals):
    event = await job.finish(header, signals)
    before = await job.export(event)
    files = await files_of(job.blobs, await reviewed_job(job, event))
    for name, made in (("catalog_json", "catalog.json"), ("classified", "classified.json")):
        plain, found = json.loads(before[made]), json.loads(files[name])
        verdicts = {row["id"]: (row.pop("verdict"), row.pop("verdict_note")) for row in found["signals"]}
        assert found == plain
        assert verdicts[2] == ("rfi", NOTE)
        assert verdicts[5] == ("candidate", "")
    assert json.loads(files["catalog_json"])["provenance"]["input_sha256"] == hashlib.sha256(UPLOADED).hexdigest()


async def test_without_verdicts_only_empty_columns_are_added(job, header, signals):
    event = await job.finish(header, signals)
    before = await job.export(event)
    files = await files_of(job.blobs, await reviewed_job(job, event, given=()))
    lines = files["csv"].decode().splitlines()
    assert lines == [
        f"{line},{end}"
        for line, end in zip(
            before["catalog.csv"].decode().splitlines(),
            ["verdict,verdict_note", *[","] * (len(lines) - 1)],
            strict=True,
        )
    ]


async def test_a_checksum_that_the_owner_stated_is_called_so_again(job, header, signals):
    event = await job.finish(header, signals)
    stated = event.upload.model_copy(update={"sha256": "ab" * 32})
    files = await files_of(job.blobs, await reviewed_job(job, event, upload=stated))
    header = fits.open(io.BytesIO(files["fits"]))[0].header
    assert (header["INSHA256"], header.comments["INSHA256"]) == ("ab" * 32, "")
    assert b"as its owner stated" in files["votable"]


async def test_catalogues_from_before_provenance_had_a_checksum_are_reviewed(job, header, signals):
    event = await job.finish(header, signals)
    files = await files_of(job.blobs, await reviewed_job(job, event))
    assert "input_sha256" not in json.loads(files["catalog_json"])["provenance"]


async def test_the_same_event_twice_writes_the_same_bytes(job, header, signals):
    event = await job.finish(header, signals)
    asked = await reviewed_job(job, event)
    handler = ReviewHandler(job.blobs, asyncio.Lock())
    (first,) = await handler.handle(asked)
    objects = dict(job.blobs.objects)
    (again,) = await handler.handle(asked)
    assert job.blobs.objects == objects
    assert first.model_dump(exclude={"occurred_at"}) == again.model_dump(exclude={"occurred_at"})
    assert isinstance(first, ReviewExported)
    assert decode(first.to_bytes()) == first
    for artefact in first.artefacts:
        stored = objects[artefact.key]
        assert artefact.key == reviewed_key(JOB, asked.revision, artefact.filename)
        assert (artefact.size, artefact.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
        assert job.blobs.content_types[artefact.key] == artefact.content_type


async def test_other_verdicts_leave_the_first_catalogues_as_they_are(job, header, signals):
    event = await job.finish(header, signals)
    before = await job.export(event)
    await files_of(job.blobs, await reviewed_job(job, event))
    await files_of(job.blobs, await reviewed_job(job, event, given=()))
    results = Results.from_bytes(job.blobs.objects[event.results_key])
    sha256 = hashlib.sha256(UPLOADED).hexdigest()
    assert {file.format.filename: file.body for file in render_tables(event, results, sha256)}.items() <= before.items()
    assert all(job.blobs.objects[artefact_key(JOB, name)] == body for name, body in before.items())


@pytest.fixture
def cadence():
    """A bucket with the events of a cadence."""
    blobs = MemoryBlobs()
    blobs.objects[artefact_key(CADENCE_ID, "events.json")] = document().to_bytes()
    return blobs


async def test_tables_of_events_have_the_verdicts(cadence):
    given = (NumberedVerdict(number=1, verdict="instrument", note="n"),)
    events_key = artefact_key(CADENCE_ID, "events.json")
    asked = await reviewed(cadence, CadenceReviewed, given=given, job_id=CADENCE_ID, events_key=events_key)
    files = await files_of(cadence, asked)
    assert set(files) == set(REVIEWED_EVENT_FORMATS)
    for frame in frames(files).values():
        assert list(frame.columns[-2:]) == ["verdict", "verdict_note"]
        assert frame.loc[frame["id"] == 1, ["verdict", "verdict_note"]].to_numpy().tolist() == [["instrument", "n"]]


async def test_verdicts_of_another_revision_or_job_are_refused(job, header, signals):
    event = await job.finish(header, signals)
    asked = await reviewed_job(job, event)
    for update in ({"job_id": CADENCE_ID}, {"verdicts": ()}):
        other = VerdictsDocument.from_bytes(job.blobs.objects[asked.verdicts_key]).model_copy(update=update)
        kept, job.blobs.objects[asked.verdicts_key] = job.blobs.objects[asked.verdicts_key], other.to_bytes()
        with pytest.raises(PermanentError, match="another revision"):
            await files_of(job.blobs, asked)
        job.blobs.objects[asked.verdicts_key] = kept


async def test_a_review_that_is_not_wanted_any_more_is_no_failure(job, header, signals):
    asked = await reviewed_job(job, await job.finish(header, signals))
    # The gateway deletes the verdicts of a revision once two later ones are asked for, maybe before export is there.
    del job.blobs.objects[asked.verdicts_key]
    before = dict(job.blobs.objects)
    assert await ReviewHandler(job.blobs, asyncio.Lock()).handle(asked) == []
    assert job.blobs.objects == before


async def test_other_events_are_refused(job, header, signals):
    event = await job.finish(header, signals)
    with pytest.raises(PermanentError, match=r"can't handle observation\.classified"):
        await ReviewHandler(job.blobs, asyncio.Lock()).handle(event)
