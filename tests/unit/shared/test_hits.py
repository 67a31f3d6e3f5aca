"""The hits object of a chunk is read from storage as it was written, and its bytes are the same each time."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from numpy.lib import recfunctions as rfn

from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise, Cutout, GainChange, Gap


def some_hits(n=3, seed=1):
    rng = np.random.default_rng(seed)
    hits = np.zeros(n, HIT_DTYPE)
    for name in HIT_DTYPE.names:
        hits[name] = rng.integers(-1000, 1000, n) if HIT_DTYPE[name].kind == "i" else rng.normal(size=n)
    # Shapes differ, because cutouts end at the file's edges.
    shapes = [(16, 117), (16, 1), (8, 40)]
    cutouts = [
        Cutout(rng.normal(size=shapes[i % 3]).astype(np.float32), int(hits["channel"][i]), 1 + i) for i in range(n)
    ]
    noise = ChunkNoise(sigma=1.1497335e9, level=1.105755e10, lost_fraction=0.1, dead_channels=3)
    waterfall = rng.normal(size=(16, 64)).astype(np.float32)
    return ChunkHits(hits, cutouts, range(100, 1124), noise, waterfall, ["Größe: 2 spectra masked"])


def assert_same(one, other):
    np.testing.assert_array_equal(one.hits, other.hits)
    assert one.hits.dtype == other.hits.dtype == HIT_DTYPE
    assert len(one.cutouts) == len(other.cutouts)
    for ours, theirs in zip(one.cutouts, other.cutouts, strict=True):
        np.testing.assert_array_equal(ours.power, theirs.power)
        assert ours.power.dtype == theirs.power.dtype == np.float32
        assert (ours.start_channel, ours.spectra_per_row) == (theirs.start_channel, theirs.spectra_per_row)
    assert (one.channels, one.noise, one.warnings) == (other.channels, other.noise, other.warnings)
    np.testing.assert_array_equal(one.waterfall, other.waterfall)
    assert one.waterfall.dtype == other.waterfall.dtype


@pytest.mark.parametrize("n", [1, 3, 7])
def test_hits_are_read_as_they_were_written(n):
    chunk = some_hits(n)
    assert_same(ChunkHits.from_bytes(chunk.to_bytes()), chunk)


def test_a_chunk_without_hits_is_read_too():
    chunk = ChunkHits(np.zeros(0, HIT_DTYPE), [], None, ChunkNoise(), np.zeros((0, 0), np.float32))
    assert_same(ChunkHits.from_bytes(chunk.to_bytes()), chunk)


def test_gaps_and_gains_are_read_as_they_were_written():
    noise = ChunkNoise(
        lost_fraction=0.1,
        lost_elsewhere=4,
        gaps=(Gap(100, 110, 0, 16, 160), Gap(100, 1124, 3, 4, 1024)),
        gain_changes=(GainChange(100, 1124, 8, 16, 1.9987),),
    )
    chunk = replace(some_hits(), noise=noise)
    assert_same(ChunkHits.from_bytes(chunk.to_bytes()), chunk)
    assert set(chunk.statistics()) == {"lost_fraction", "lost_elsewhere", "start_channel", "stop_channel"}


def test_the_same_content_gives_the_same_bytes():
    first = some_hits().to_bytes()
    assert some_hits().to_bytes() == first
    assert ChunkHits.from_bytes(first).to_bytes() == first
    assert some_hits(seed=2).to_bytes() != first


def with_statistics(chunk, statistics):
    """Return the bytes of a hits object with other statistics, as versions 0.3.0 and earlier wrote them."""
    buffer = io.BytesIO()
    with np.load(io.BytesIO(chunk.to_bytes())) as archive:
        arrays = dict(archive)
    text = json.dumps({"noise": statistics, "warnings": chunk.warnings}, sort_keys=True)
    np.savez(buffer, **arrays | {"metadata": np.frombuffer(text.encode(), np.uint8)})
    return buffer.getvalue()


def test_the_bytes_are_those_of_version_0_3_0():
    statistics = {
        "start_channel": 100.0,
        "stop_channel": 1124.0,
        "sigma": 1.1497335e9,
        "level": 1.105755e10,
        "lost_fraction": 0.1,
        "dead_channels": 3.0,
    }
    assert with_statistics(some_hits(), statistics) == some_hits().to_bytes()


@pytest.mark.parametrize("statistics", [{}, {"start_channel": 5.0}, {"mean": 1.0}])
def test_an_object_that_does_not_state_its_channels_has_none(statistics):
    found = ChunkHits.from_bytes(with_statistics(some_hits(), statistics))
    assert found.channels is None
    assert found.noise == ChunkNoise()


def test_the_bytes_do_not_depend_on_the_time():
    with zipfile.ZipFile(io.BytesIO(some_hits().to_bytes())) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_cutouts_may_be_views():
    whole = np.arange(200, dtype=np.float32).reshape(10, 20)
    chunk = ChunkHits(np.zeros(1, HIT_DTYPE), [Cutout(whole[::2, 3:9], 3, 2)], None, ChunkNoise(), whole[:, ::2])
    assert_same(ChunkHits.from_bytes(chunk.to_bytes()), chunk)


def test_reading_executes_nothing_in_the_bytes():
    buffer = io.BytesIO()
    np.savez(buffer, metadata=np.array([{"noise": {}}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        ChunkHits.from_bytes(buffer.getvalue())


def test_hits_from_before_a_field_existed_are_read_without_its_value():
    chunk, buffer = some_hits(), io.BytesIO()
    names = [name for name in HIT_DTYPE.names if name != "false_alarms"]
    with np.load(io.BytesIO(chunk.to_bytes())) as archive:
        np.savez(buffer, **dict(archive) | {"hits": rfn.repack_fields(chunk.hits[names])})
    read = ChunkHits.from_bytes(buffer.getvalue())
    assert read.hits.dtype == HIT_DTYPE
    assert np.all(np.isnan(read.hits["false_alarms"]))
    np.testing.assert_array_equal(read.hits[names], chunk.hits[names])
