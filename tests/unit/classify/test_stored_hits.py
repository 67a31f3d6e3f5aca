"""Hits objects are read within a bound of memory, and a job lists a limited number of hits."""

import asyncio
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from services.classify import handlers, stored_hits
from services.classify.handlers import Handler
from services.classify.model import load_model
from services.classify.stored_hits import StoredHits
from shared import hits_reader
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise, Cutout
from shared.object_keys import artefact_key, hits_key
from tests.unit.classify.test_handlers import JOB, MemoryBlobs, gist, searched

CHUNKS, PER_CHUNK = 4, 30


class CountingBlobs(MemoryBlobs):
    """A bucket that counts whole reads, and how many of them are under way at once."""

    def __init__(self):
        super().__init__()
        self.whole, self.now, self.most = 0, 0, 0

    async def get(self, key):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        self.whole += 1
        return await super().get(key)

    async def get_range(self, key, start, length):
        return self.objects[key][start : start + length]


def crowded_chunk(header, index):
    """A chunk of steady tones, each 40 channels from the next, weaker from chunk to chunk."""
    hits, cutouts = np.zeros(PER_CHUNK, HIT_DTYPE), []
    for at, hit in enumerate(hits):
        channel = 100 + 40 * (index * PER_CHUNK + at)
        power = np.random.default_rng(channel).normal(size=(header.n_spectra, 69)).astype(np.float32)
        power[:, 34] += 10
        cutouts.append(Cutout(power, channel - 34))
        hit["channel"], hit["width"], hit["snr"], hit["snr_error"] = channel, 1, 100 - 10 * index - 0.1 * at, 1
        hit["frequency_hz"], hit["bandwidth_hz"] = header.frequency_hz(channel), abs(header.foff_hz)
        hit["drift_rate_error_hz_s"] = header.drift_resolution_hz_s
    return ChunkHits(hits, cutouts, None, ChunkNoise(), np.zeros((1, 8), np.float32))


@pytest.fixture
async def blobs(header):
    found = CountingBlobs()
    for index in range(CHUNKS):
        await found.put(hits_key(JOB, index), crowded_chunk(header, index).to_bytes())
    return found


async def finish(blobs, header, **options):
    handler = Handler(blobs, model=load_model(), now=lambda: datetime(2026, 1, 3, tzinfo=UTC), **options)
    event = searched(header, CHUNKS - 1, CHUNKS)
    out = await handler.handle(event)
    return out, json.loads(blobs.objects[artefact_key(JOB, "results.json")])


async def test_a_job_lists_its_strongest_hits_and_says_so(header, blobs):
    out, document = await finish(blobs, header, max_hits=45)
    listed = [hit["snr"] for hit in document["raw_hits"]]
    assert len(listed) == out[-1].summary.raw_hits == 45
    every = sorted((hit["snr"] for i in range(CHUNKS) for hit in crowded_chunk(header, i).hits), reverse=True)
    assert sorted(listed, reverse=True) == every[:45]
    assert [hit["channel"] for hit in document["raw_hits"]] == sorted(hit["channel"] for hit in document["raw_hits"])
    (warning,) = [text for text in document["warnings"] if "strongest" in text]
    assert warning == (
        "The search found 120 signals; only the 45 strongest are listed. Raise snr_threshold to list fewer."
    )
    assert gist((await finish(blobs, header, max_hits=45))[0]) == gist(out)


async def test_without_too_many_hits_there_is_no_warning(header, blobs):
    _, document = await finish(blobs, header, max_hits=CHUNKS * PER_CHUNK)
    assert len(document["raw_hits"]) == CHUNKS * PER_CHUNK
    assert not [text for text in document["warnings"] if "strongest" in text]


async def test_results_do_not_depend_on_what_stays_in_memory(header, blobs, monkeypatch):
    _, plenty = await finish(blobs, header)
    monkeypatch.setattr(hits_reader, "LARGE_BYTES", 1000)
    monkeypatch.setattr(stored_hits, "KEPT_BYTES", 0)
    del blobs.objects[artefact_key(JOB, "classified_from")]
    blobs.whole = blobs.most = 0
    _, little = await finish(blobs, header)
    assert little == plenty
    # Each chunk twice, one at a time, and three small objects of the handler.
    assert 2 * CHUNKS <= blobs.whole <= 2 * CHUNKS + 3
    assert blobs.most == 1


async def test_only_chunks_with_listed_hits_are_read_again(header, blobs, monkeypatch):
    monkeypatch.setattr(stored_hits, "KEPT_BYTES", 0)
    read = []
    kept = StoredHits.cutouts_of
    monkeypatch.setattr(StoredHits, "cutouts_of", lambda self, index: read.append(index) or kept(self, index))
    await finish(blobs, header, max_hits=35)
    assert read == [0, 1]


@pytest.fixture
def classified(monkeypatch):
    """Count how often a job is classified."""
    calls = []
    kept = handlers.classify_observation
    monkeypatch.setattr(handlers, "classify_observation", lambda *a, **o: calls.append(1) or kept(*a, **o))
    return calls


async def test_what_is_finished_is_not_done_again(header, blobs, classified):
    first, document = await finish(blobs, header)
    again, same = await finish(blobs, header)
    assert (gist(again), same) == (gist(first), document)
    assert len(classified) == 1


@pytest.mark.parametrize("damage", ["cut off", "gone", "record gone", "record of another version"])
async def test_what_is_not_whole_is_done_again(header, blobs, classified, damage):
    _, document = await finish(blobs, header)
    results, record = artefact_key(JOB, "results.json"), artefact_key(JOB, "classified_from")
    if damage == "cut off":
        blobs.objects[results] = blobs.objects[results].replace(b'"snr"', b'"snR"', 1)
    elif damage == "gone":
        del blobs.objects[results]
    elif damage == "record gone":
        del blobs.objects[record]
    else:
        blobs.objects[record] = b'{"made": "by another version"}'
    _, same = await finish(blobs, header)
    assert same["raw_hits"] == document["raw_hits"]
    assert len(classified) == 2


async def test_other_inputs_are_classified_anew(header, blobs, classified):
    await finish(blobs, header)
    await finish(blobs, header, max_hits=10)
    await blobs.put(hits_key(JOB, 2), crowded_chunk(header, 7).to_bytes())
    _, document = await finish(blobs, header, max_hits=10)
    assert len(classified) == 3
    assert len(document["raw_hits"]) == 10
