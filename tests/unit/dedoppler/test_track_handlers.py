"""From `track.ready` to `track.measured`: what is read and stored, repeats, and events that contradict themselves."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from science.measure.search import tone
from science.simulator import Scene, make_header, simulate, write_fil, write_h5
from services.dedoppler import track_handlers
from services.dedoppler.track_handlers import TrackHandler
from services.dedoppler.tracks.reads import LOOK_UP_BYTES
from shared.averaging import spectra_per_average
from shared.cadence_events import TrackMeasured, TrackReady
from shared.errors import ObjectNotFoundError, PermanentError
from shared.event import Upload
from shared.events import JobProgress, decode
from shared.filterbank import LocalSource, read_header
from shared.object_keys import measured_key
from shared.tracks import LOST, MEASURED, OUTSIDE, MeasuredTracks, TrackList
from tests.unit.dedoppler.stand_ins import MemoryBlobs
from tests.unit.dedoppler.tracks.simulated import EPOCH_MJD, measure, track_through

JOB = "a1b2c3d4-0000-4000-8000-000000000001"
TRACKS_KEY = f"jobs/{JOB}/tracks.npz"
HEADER = make_header(2**16)
PLACES = [(9000.3, 20.0), (9400.0, -35.0), (-900.0, 0.0), (40_000.4, 0.0), (61_000.0, 4.0)]


class CountingSource(LocalSource):
    """A file that counts the bytes that are read of it."""

    def __init__(self, path):
        super().__init__(path)
        object.__setattr__(self, "ranges", [])

    async def read(self, start, length):
        self.ranges.append((start, length))
        return await super().read(start, length)

    async def read_into(self, start, buffer):
        self.ranges.append((start, len(buffer)))
        return await super().read_into(start, buffer)

    @property
    def n_bytes(self):
        """Bytes of all ranges."""
        return sum(length for _, length in self.ranges)


class WaitingSource(LocalSource):
    """A file that counts the reads of different channels at the same time, and with `in_all` the files being read."""

    def __init__(self, path, row_bytes, in_all=None):
        super().__init__(path)
        values = {
            "waiting": Counter(),
            "row_bytes": row_bytes,
            "most": 0,
            "in_all": Counter() if in_all is None else in_all,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    async def read_into(self, start, buffer):
        channels = start % self.row_bytes
        self.in_all["now"] += not self.waiting
        self.in_all["most"] = max(self.in_all["most"], self.in_all["now"])
        self.waiting[channels] += 1
        object.__setattr__(self, "most", max(self.most, len(self.waiting)))
        try:
            return await super().read_into(start, buffer)
        finally:
            self.waiting[channels] -= 1
            if not self.waiting[channels]:
                del self.waiting[channels]
            self.in_all["now"] -= not self.waiting


def ready(header, **fields):
    defaults = {"scan": 2, "part": 7, "parts": 9, "first_track": 0, "stop_track": len(PLACES)}
    upload = Upload(
        file_key="uploads/u/1/o.fil",
        file_name="o.fil",
        file_size=1,
        source_name="Voyager 1",
        submitted_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return TrackReady.make(
        job_id=JOB,
        producer="classify",
        step="7",
        upload=upload,
        header=header,
        tracks_key=TRACKS_KEY,
        **defaults | fields,
    )


def blobs_with(tracks):
    blobs = MemoryBlobs()
    blobs.objects[TRACKS_KEY] = TrackList(EPOCH_MJD, tracks).to_bytes()
    return blobs


def shown_tracks(header=HEADER):
    tracks = track_through(header, PLACES)
    for i in (0, 3):
        ends = (header.frequency_hz(PLACES[i][0] + far) for far in (-60, 60))
        tracks[i]["view_low_hz"], tracks[i]["view_high_hz"] = sorted(ends)
    return tracks


@pytest.fixture(scope="module")
def power():
    return simulate(Scene(HEADER, (tone(HEADER, *PLACES[0], 30.0), tone(HEADER, *PLACES[3], 15.0))))


@pytest.fixture(scope="module")
async def scan(power, tmp_path_factory):
    """The file's path, and its header as an event has it."""
    return await written(tmp_path_factory.mktemp("scan") / "scan.fil", HEADER, power)


async def written(path, header, power, **options):
    """Write a file; return its path, and its header as an event has it."""
    (write_fil if path.suffix == ".fil" else write_h5)(path, header, power, **options)
    header, _ = await read_header(LocalSource(path))
    return path, header


def of(path):
    return lambda _upload: LocalSource(path)


def stored(blobs):
    return MeasuredTracks.from_bytes(blobs.objects[measured_key(JOB, 7)])


def gist(events):
    return [(event.event_id, event.model_dump(exclude={"occurred_at"})) for event in events]


async def test_measurements_are_stored_and_announced(power, scan, pool):
    blobs = blobs_with(shown_tracks())
    (event,) = await TrackHandler(of(scan[0]), blobs, pool).handle(ready(scan[1]))
    assert isinstance(event, TrackMeasured)
    assert decode(event.to_bytes()) == event
    assert (event.scan, event.part, event.parts, event.producer) == (2, 7, 9, "dedoppler")
    assert event.measured_key == measured_key(JOB, 7)
    found = stored(blobs)
    assert (found.scan, found.warnings) == (2, [])
    assert found.measurements["track"].tolist() == [100, 101, 102, 103, 104]
    assert found.measurements["state"].tolist() == [MEASURED, MEASURED, OUTSIDE, MEASURED, MEASURED]
    for row, one in zip(found.measurements, measure(power, HEADER, shown_tracks()), strict=True):
        for name, value in one.values.items():
            assert row[name] == pytest.approx(value, nan_ok=True)
    assert found.measurements["snr"][0] == pytest.approx(30, abs=3.5)
    assert list(found.cutout_tracks) == [100, 103]
    assert [cutout.start_channel for cutout in found.cutouts] == [8940, 39_940]


async def test_a_repeat_gives_the_same_bytes_and_events(scan, pool):
    blobs = blobs_with(shown_tracks())
    first = await TrackHandler(of(scan[0]), blobs, pool).handle(ready(scan[1]))
    objects = dict(blobs.objects)
    for threads in (pool, None):
        again = await TrackHandler(of(scan[0]), blobs, threads or pool).handle(ready(scan[1]))
        assert gist(again) == gist(first)
        assert blobs.objects == objects


async def test_a_part_holds_its_own_tracks(scan, pool):
    blobs = blobs_with(shown_tracks())
    await TrackHandler(of(scan[0]), blobs, pool).handle(ready(scan[1]))
    whole = stored(blobs).measurements
    await TrackHandler(of(scan[0]), blobs, pool).handle(ready(scan[1], first_track=3, stop_track=5))
    part = stored(blobs).measurements
    assert part["track"].tolist() == [103, 104]
    # The other tracks are too far away to share the noise.
    assert part["snr"].tolist() == whole["snr"][3:].tolist()


@pytest.fixture(scope="module")
def wide_power():
    header = make_header(2**18)
    return simulate(Scene(header, (tone(header, *PLACES[0], 30.0), tone(header, *PLACES[3], 15.0))))


@pytest.mark.parametrize("kind", ["fil", "h5"])
@pytest.mark.parametrize("n_bits", [8, 32])
async def test_only_the_channels_around_tracks_are_read(tmp_path, pool, wide_power, kind, n_bits):
    header = make_header(2**18, n_bits=n_bits)
    path, header = await written(tmp_path / f"scan.{kind}", header, np.rint(wide_power) if n_bits == 8 else wide_power)
    source, blobs = CountingSource(path), blobs_with(shown_tracks(header))
    await TrackHandler(lambda _: source, blobs, pool).handle(ready(header))
    found = stored(blobs).measurements
    assert found["snr"][[0, 3]] == pytest.approx([30, 15], abs=3.5)
    # A window of three blocks for two neighbours, and one for each of two others; one track is outside.
    wanted = 16 * 3 * 3 * 2048 * n_bits // 8
    assert wanted < 0.12 * path.stat().st_size
    # An HDF5 file's samples have to be found too: once for how they are stored, and for each window.
    assert source.n_bytes <= wanted + (6 * LOOK_UP_BYTES if kind == "h5" else 0)


async def test_a_compressed_storage_chunk_is_read_once(tmp_path, pool, wide_power):
    path, header = await written(tmp_path / "scan.h5", make_header(2**18), wide_power, bitshuffle=True)
    source, blobs = CountingSource(path), blobs_with(shown_tracks(header))
    await TrackHandler(lambda _: source, blobs, pool).handle(ready(header))
    assert stored(blobs).measurements["snr"][[0, 3]] == pytest.approx([30, 15], abs=3.5)
    assert source.n_bytes <= path.stat().st_size + 6 * LOOK_UP_BYTES


async def test_ifs_are_summed(pool, tmp_path):
    place = (8000.3, 12.0)
    one = make_header(2**14)
    parts = [simulate(Scene(one, (tone(one, *place, 20.0),), seed=seed)) for seed in (1, 2)]
    both = np.stack(parts, axis=1).reshape(32, -1)
    path, header = await written(tmp_path / "two.fil", make_header(2**14, n_ifs=2), both)
    assert (header.n_ifs, header.n_spectra) == (2, 16)
    snr, strength = [], []
    for ifs in [(0,), (1,), (0, 1)]:
        blobs = blobs_with(track_through(header, [place]))
        await TrackHandler(of(path), blobs, pool).handle(ready(header, stop_track=1, ifs=ifs))
        (row,) = stored(blobs).measurements
        snr.append(row["snr"])
        strength.append(row["strength_hz"])
    assert snr == pytest.approx([20, 20, 20 * np.sqrt(2)], abs=3.5)
    # Of the noise of both: half of the power in each.
    assert strength[2] == pytest.approx((strength[0] + strength[1]) / 2, rel=0.03)


async def test_many_spectra_are_averaged_as_in_a_search(pool, tmp_path):
    header = make_header(2048, 4096, tsamp_s=0.02)
    place = (1000.3, 12.0)
    assert spectra_per_average(header, 4.0) > 1
    power = simulate(Scene(header, (tone(header, *place, 25.0),)))
    path, header = await written(tmp_path / "many.fil", header, power)
    tracks = track_through(header, [place])
    tracks["view_low_hz"], tracks["view_high_hz"] = sorted(header.frequency_hz(c) for c in (950, 1050))
    blobs = blobs_with(tracks)
    await TrackHandler(of(path), blobs, pool).handle(ready(header, stop_track=1))
    (row,), (cutout,) = stored(blobs).measurements, stored(blobs).cutouts
    assert row["snr"] == pytest.approx(25, abs=3.5)
    assert row["frequency_hz"] == pytest.approx(header.frequency_hz(place[0]), abs=0.1 * 2.8)
    assert cutout.spectra_per_row * len(cutout.power) >= 4096
    assert cutout.power[:, :30].std() == pytest.approx(1 / np.sqrt(cutout.spectra_per_row), rel=0.1)


async def test_a_lost_scan_is_no_error(pool, tmp_path):
    path, header = await written(tmp_path / "lost.fil", HEADER, np.full((16, 2**16), np.nan, np.float32))
    blobs = blobs_with(shown_tracks())
    await TrackHandler(of(path), blobs, pool).handle(ready(header))
    assert stored(blobs).measurements["state"].tolist() == [LOST, LOST, OUTSIDE, LOST, LOST]
    assert stored(blobs).cutouts == []


async def test_a_track_that_is_hardly_known_is_said(scan, pool):
    blobs = blobs_with(track_through(HEADER, [(30_000.0, 0.0)], channel_error=5000.0))
    await TrackHandler(of(scan[0]), blobs, pool).handle(ready(scan[1], stop_track=1))
    (warning,) = stored(blobs).warnings
    assert warning == (
        "Where some of the tracks are in scan 3 is known only to more than 2048 channels (5.72 kHz); no signal farther "
        "away was measured."
    )


async def test_a_track_with_too_many_paths_is_said(scan, pool):
    blobs = blobs_with(track_through(HEADER, [(30_000.0, 0.0)], channel_error=500.0, steps_error=100.0))
    await TrackHandler(of(scan[0]), blobs, pool).handle(ready(scan[1], stop_track=1))
    (warning,) = stored(blobs).warnings
    assert warning == (
        "Some of the tracks have more than 32768 paths in scan 3, since it is long before or after their hits or "
        "max_drift_change_hz_s2 is large; only the paths nearest to the prediction were tried."
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stop_track": 6}, "ends with track 6, and the list with 5"),
        ({"ifs": (1,)}, "needs IF 1, and the file has 1"),
    ],
)
async def test_events_that_contradict_their_tracks_or_file_are_refused(scan, pool, fields, message):
    blobs = blobs_with(shown_tracks())
    with pytest.raises(PermanentError, match=message) as caught:
        await TrackHandler(of(scan[0]), blobs, pool).handle(ready(scan[1], **fields))
    assert caught.value.code == "inconsistent_event"
    assert list(blobs.objects) == [TRACKS_KEY]


async def test_tracks_that_are_not_finite_are_refused(scan, pool):
    tracks = shown_tracks()
    tracks["covariance"][2, 1, 1] = np.nan
    with pytest.raises(PermanentError, match="not finite"):
        await TrackHandler(of(scan[0]), blobs_with(tracks), pool).handle(ready(scan[1]))


async def test_other_events_and_missing_tracks_are_refused(scan, pool):
    stranger = JobProgress.make(job_id=JOB, producer="x", stage="ingest", done=1, total=1)
    with pytest.raises(PermanentError, match=r"job\.progress"):
        await TrackHandler(of(scan[0]), MemoryBlobs(), pool).handle(stranger)
    with pytest.raises(ObjectNotFoundError):
        await TrackHandler(of(scan[0]), MemoryBlobs(), pool).handle(ready(scan[1]))


async def test_few_reads_are_in_hand(pool, tmp_path, wide_power):
    path, header = await written(tmp_path / "scan.fil", make_header(2**18), wide_power)
    tracks = track_through(header, [(float(channel), 0.0) for channel in range(3000, 2**18, 20_000)])
    source = WaitingSource(path, header.n_channels * 4)
    handler = TrackHandler(lambda _: source, blobs_with(tracks), pool)
    await handler.handle(ready(header, stop_track=len(tracks)))
    assert source.most == track_handlers.READS_AT_ONCE
    # Parts of several scans.
    files = []

    def other(_upload):
        files.append(WaitingSource(path, header.n_channels * 4, in_all))
        return files[-1]

    in_all = Counter()
    handler = TrackHandler(other, blobs_with(tracks), pool)
    await asyncio.gather(*(handler.handle(ready(header, part=part, stop_track=len(tracks))) for part in range(6)))
    assert len(files) == 6
    assert 1 <= in_all["most"] <= track_handlers.PARTS_IN_HAND
