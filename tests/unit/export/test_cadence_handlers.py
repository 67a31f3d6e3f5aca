"""Every file of a cadence is registered as it is, and the same for every repeat."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from services.export.cadence_handlers import CadenceHandler
from services.export.drawing import LOST
from shared.errors import PermanentError
from shared.events import CadenceClassified, CadenceExported, JobProgress, decode
from shared.object_keys import artefact_key, measured_key
from shared.tracks import MEASUREMENT_DTYPE, MeasuredTracks
from tests.unit.export.example_cadence import CADENCE_ID, cutouts, document
from tests.unit.export.jobs import MemoryBlobs
from tests.unit.shared.example_events import RULE, SCANS

EVENTS_KEY = artefact_key(CADENCE_ID, "events.json")


def classified(parts=5):
    on = SCANS[0]
    off = SCANS[1].model_copy(update={"results_key": f"jobs/{SCANS[1].job_id}/results.json", "failure": None})
    return CadenceClassified.make(
        job_id=CADENCE_ID,
        producer="classify",
        name="Voyager 1, 2020",
        scans=(on, off),
        parameters=RULE,
        parts=parts,
        events_key=EVENTS_KEY,
        summary=document().summary,
    )


@pytest.fixture
def blobs():
    """A bucket with the events, and one part of measured tracks for each scan that has results."""
    found = MemoryBlobs()
    found.objects[EVENTS_KEY] = document().to_bytes()
    track = document().events[0]["track"]
    for index, cutout in cutouts().items():
        measured = MeasuredTracks(np.zeros(1, MEASUREMENT_DTYPE), [track, 99], [cutout, cutout], scan=index)
        found.objects[measured_key(CADENCE_ID, index)] = measured.to_bytes()
    return found


async def test_every_file_is_registered_as_it_is(blobs):
    exported, progress = await CadenceHandler(blobs).handle(classified())
    assert isinstance(exported, CadenceExported)
    assert isinstance(progress, JobProgress)
    assert [artefact.filename for artefact in exported.artefacts] == [
        "events.json",
        "events.csv",
        "events.fits",
        "events.vot",
        "events.parquet",
        "overview.png",
        "event_0001.png",
    ]
    for artefact in exported.artefacts:
        stored = blobs.objects[artefact.key]
        assert artefact.key == artefact_key(CADENCE_ID, artefact.filename)
        assert (artefact.size, artefact.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert decode(exported.to_bytes()) == exported


async def test_the_same_event_twice_writes_the_same_bytes(blobs):
    first = await CadenceHandler(blobs).handle(classified())
    objects = dict(blobs.objects)
    again = await CadenceHandler(blobs).handle(classified())
    assert blobs.objects == objects
    assert [e.model_dump(exclude={"occurred_at"}) for e in first] == [
        e.model_dump(exclude={"occurred_at"}) for e in again
    ]


async def test_a_picture_shows_the_cut_outs_of_all_parts(blobs):
    await CadenceHandler(blobs).handle(classified())
    with_parts = blobs.objects[artefact_key(CADENCE_ID, "event_0001.png")]
    await CadenceHandler(blobs).handle(classified(parts=0))
    without = blobs.objects[artefact_key(CADENCE_ID, "event_0001.png")]
    lost = [int(LOST[1:3], 16)] * 3
    grey = [
        (np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) == lost).all(axis=2).mean()
        for png in (with_parts, without)
    ]
    # Panels without a cut-out are grey: one of six, and all.
    assert grey[1] == pytest.approx(6 * grey[0], rel=0.05)


async def test_events_that_can_not_be_read_are_refused_with_a_sentence(blobs):
    blobs.objects[EVENTS_KEY] = b"{}"
    with pytest.raises(PermanentError, match="start the cadence again"):
        await CadenceHandler(blobs).handle(classified())


async def test_another_event_is_refused(blobs):
    with pytest.raises(PermanentError, match=r"can't handle job\.progress"):
        await CadenceHandler(blobs).handle(
            JobProgress.make(job_id=CADENCE_ID, producer="x", stage="export", done=1, total=1)
        )
