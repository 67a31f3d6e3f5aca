"""A cadence: nothing is decided before all tracks are measured, and a repeat gives the same bytes and bus events."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.classify.cadence_handlers import TRACKS_PER_PART, CadenceHandler
from services.classify.handlers import Handler
from services.classify.model import load_model
from shared.cadence import CadenceParameters, CadenceScan
from shared.cadence_document import CadenceDocument
from shared.errors import PermanentError
from shared.events import (
    CadenceClassified,
    CadenceReady,
    Chunk,
    ChunkSearched,
    JobProgress,
    SearchParameters,
    TrackMeasured,
    TrackReady,
    Upload,
    decode,
)
from shared.object_keys import artefact_key, hits_key, measured_key
from shared.tracks import MEASURED, MEASUREMENT_DTYPE, MeasuredTracks, TrackList
from tests.unit.classify.conftest import Observation
from tests.unit.classify.test_handlers import MemoryBlobs, gist

CADENCE = "c0ffee00-0000-4000-8000-000000000001"
SUBMITTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PERIOD_S = 318.0
# Start channel in the first scan, steps over 16 spectra, SNR; the track moves on between the scans.
TONES = [(300_000, 36, 40.0), (700_000, -12, 25.0)]


def job_of(place):
    return f"a1b2c3d4-0000-4000-8000-00000000000{place}"


def upload_of(place):
    return Upload(
        file_key=f"uploads/u/{place}/s.fil",
        file_name=f"s{place}.fil",
        file_size=1,
        source_name="HIP 1",
        submitted_at=SUBMITTED,
    )


def header_of(header, place):
    source = "HIP1" if place % 2 == 0 else "HIP1_OFF"
    start = header.tstart_mjd + place * PERIOD_S / 86_400
    return header.model_copy(update={"tstart_mjd": start, "source_name": source})


async def search(blobs, header, place, tones):
    """Store the results of one scan, in which the tones have moved on since the first."""
    spans = PERIOD_S * place / ((header.n_spectra - 1) * header.tsamp_s)
    signals = [(channel + round(steps * spans), steps, snr, {}) for channel, steps, snr in tones]
    found = Observation(header, seed=place).chunk(signals)
    blobs.objects[hits_key(job_of(place), 0)] = found.to_bytes()
    chunk = Chunk(
        index=0,
        count=1,
        start_channel=0,
        stop_channel=header.n_channels,
        read_start_channel=0,
        read_stop_channel=header.n_channels,
    )
    searched = ChunkSearched.make(
        job_id=job_of(place),
        producer="dedoppler",
        step="0",
        upload=upload_of(place),
        parameters=SearchParameters(),
        header=header_of(header, place),
        chunk=chunk,
        hits_key=hits_key(job_of(place), 0),
        n_hits=len(signals),
    )
    await Handler(blobs, model=load_model(), now=lambda: SUBMITTED).handle(searched)


def ready(*, failed=(), roles=None):
    scans = [
        CadenceScan(
            role=None if roles is None else roles[place],
            job_id=job_of(place),
            upload=upload_of(place),
            results_key=None if place in failed else artefact_key(job_of(place), "results.json"),
            failure="'s.fil' is empty." if place in failed else None,
            failure_code="bad_observation" if place in failed else None,
        )
        for place in range(4)
    ]
    return CadenceReady.make(
        job_id=CADENCE,
        producer="gateway",
        name="HIP 1",
        scans=scans,
        parameters=CadenceParameters(),
        submitted_at=SUBMITTED,
    )


@pytest.fixture
async def blobs(header):
    """A bucket with the results of four scans, of which the second and the fourth are empty."""
    found = MemoryBlobs()
    for place in range(4):
        await search(found, header, place, TONES if place % 2 == 0 else [])
    return found


@pytest.fixture
def handler(blobs):
    times = iter(range(20, 10_000, 10))
    return CadenceHandler(blobs, now=lambda: SUBMITTED + timedelta(seconds=next(times)))


def measure(blobs, event, off_snr=0.3):
    """Do what dedoppler does: SNR 20 in the scans of the target, and next to nothing elsewhere."""
    listed = TrackList.from_bytes(blobs.objects[event.tracks_key])
    tracks = listed.tracks[event.first_track : event.stop_track]
    is_off = event.header.source_name.endswith("OFF")
    start_s = (event.header.tstart_mjd - listed.epoch_mjd) * 86_400 + event.header.tsamp_s / 2
    found = np.zeros(len(tracks), MEASUREMENT_DTYPE)
    found["track"], found["state"], found["coverage"] = tracks["id"], MEASURED, 1.0
    found["snr"], found["snr_error"] = off_snr if is_off else 20.0, 1.0
    found["snr_limit"] = found["snr"] + 3
    found["strength_hz"], found["strength_error_hz"], found["trials"] = found["snr"], 1.0, 1.0
    found["drift_rate_hz_s"] = tracks["drift_rate_hz_s"] + tracks["drift_change_hz_s2"] * start_s
    found["frequency_hz"] = tracks["frequency_hz"] + tracks["drift_rate_hz_s"] * start_s
    found["frequency_error_hz"], found["drift_rate_error_hz_s"] = 1.0, 0.005
    blobs.objects[measured_key(event.job_id, event.part)] = MeasuredTracks(found, scan=event.scan).to_bytes()
    return TrackMeasured.make(
        job_id=event.job_id,
        producer="dedoppler",
        step=str(event.part),
        scan=event.scan,
        part=event.part,
        parts=event.parts,
        measured_key=measured_key(event.job_id, event.part),
    )


def document_of(blobs):
    return CadenceDocument.from_bytes(blobs.objects[artefact_key(CADENCE, "events.json")])


async def test_every_scan_is_measured_along_every_track(blobs, handler):
    *parts, progress = await handler.handle(ready())
    assert [(part.scan, part.part, part.parts) for part in parts] == [(place, place, 4) for place in range(4)]
    assert all(decode(part.to_bytes()) == part for part in parts)
    assert [(part.header.source_name, part.upload.file_name) for part in parts] == [
        ("HIP1", "s0.fil"),
        ("HIP1_OFF", "s1.fil"),
        ("HIP1", "s2.fil"),
        ("HIP1_OFF", "s3.fil"),
    ]
    tracks = TrackList.from_bytes(blobs.objects[parts[0].tracks_key]).tracks
    assert {(part.first_track, part.stop_track) for part in parts} == {(0, len(tracks))}
    assert len(tracks) == len(TONES)
    assert (progress.stage, progress.done, progress.total) == ("dedoppler", 0, 4)


async def test_the_last_part_closes_the_cadence(blobs, handler):
    *parts, _ = await handler.handle(ready())
    for part in parts[:-1]:
        (progress,) = await handler.handle(measure(blobs, part))
        assert isinstance(progress, JobProgress)
        assert (progress.stage, progress.done, progress.total) == ("dedoppler", part.part + 1, 4)
    _, closed, classified = await handler.handle(measure(blobs, parts[-1]))
    assert (closed.stage, closed.done) == ("classify", 1)
    assert isinstance(classified, CadenceClassified)
    assert decode(classified.to_bytes()) == classified
    assert [scan.role for scan in classified.scans] == ["on", "off", "on", "off"]
    document = document_of(blobs)
    assert document.summary == classified.summary
    assert (classified.parts, classified.summary.events) == (4, 2)
    assert [event["on_scans_present"] for event in document.events] == [2, 2]
    assert any("OFF" in warning for warning in document.warnings)


@pytest.mark.parametrize("parts", [1, 2, 3])
async def test_an_event_that_counts_fewer_parts_closes_nothing(blobs, handler, parts):
    *ready_parts, _ = await handler.handle(ready())
    for part in ready_parts:
        measure(blobs, part)
    forged = measure(blobs, ready_parts[0]).model_copy(update={"parts": parts})
    (progress,) = await handler.handle(forged)
    assert isinstance(progress, JobProgress)
    assert artefact_key(CADENCE, "events.json") not in blobs.objects


async def test_a_repeat_gives_the_same_bytes_and_bus_events(blobs, handler):
    begun = ready()
    started = await handler.handle(begun)
    measured = [measure(blobs, part) for part in started[:-1]]
    # All parts are stored, so the first bus event that comes closes the cadence.
    closed = await handler.handle(measured[0])
    assert isinstance(closed[-1], CadenceClassified)
    objects = dict(blobs.objects)
    assert gist(await handler.handle(begun)) == gist(started)
    assert gist(await handler.handle(measured[0])) == gist(closed)
    # Bus events of other parts don't close the cadence once more.
    for event in measured[1:]:
        assert [type(one) for one in await handler.handle(event)] == [JobProgress]
    assert blobs.objects == objects
    assert document_of(blobs).processing_time_seconds == 20.0


async def test_parts_may_be_measured_in_any_order(blobs, handler):
    *parts, _ = await handler.handle(ready())
    for part in parts[::-1]:
        last = await handler.handle(measure(blobs, part))
    assert isinstance(last[-1], CadenceClassified)


async def test_a_signal_in_an_off_scan_is_no_event(blobs, handler):
    *parts, _ = await handler.handle(ready())
    for part in parts:
        last = await handler.handle(measure(blobs, part, off_snr=8.0))
    assert (last[-1].summary.events, last[-1].summary.rejected) == (0, 2)


async def test_a_scan_without_results_is_left_out_and_said(blobs, handler):
    *parts, _ = await handler.handle(ready(failed=(3,), roles=["on", "off", "on", "off"]))
    assert [part.scan for part in parts] == [0, 1, 2]
    for part in parts:
        last = await handler.handle(measure(blobs, part))
    assert last[-1].summary.events == 2
    assert any("'s.fil' is empty." in warning for warning in document_of(blobs).warnings)


async def test_a_cadence_without_hits_is_closed_at_once(header):
    blobs = MemoryBlobs()
    for place in range(4):
        await search(blobs, header, place, [])
    _, classified = await CadenceHandler(blobs, now=lambda: SUBMITTED).handle(ready())
    assert (classified.parts, classified.summary.events, classified.summary.rejected) == (0, 0, 0)
    assert document_of(blobs).scans[1]["source_name"]


async def test_many_tracks_are_measured_in_several_parts(header, blobs):
    tones = [(1000 + 2000 * number, 0, 30.0) for number in range(TRACKS_PER_PART + 10)]
    await search(blobs, header, 0, tones)
    *parts, _ = await CadenceHandler(blobs, now=lambda: SUBMITTED).handle(ready())
    assert {part.parts for part in parts} == {8}
    assert all(isinstance(part, TrackReady) for part in parts)
    for place in range(4):
        covered = [range(part.first_track, part.stop_track) for part in parts if part.scan == place]
        assert [track for some in covered for track in some] == list(range(parts[1].stop_track))


async def test_scans_that_are_no_cadence_are_refused(handler):
    with pytest.raises(PermanentError, match="ON"):
        await handler.handle(ready(roles=["off"] * 4))


async def test_another_event_is_refused(handler):
    with pytest.raises(PermanentError, match=r"can't handle job\.progress"):
        await handler.handle(JobProgress.make(job_id=CADENCE, producer="x", stage="export", done=1, total=1))
