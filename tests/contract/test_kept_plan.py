"""Test jobs that are submitted again after a change of ingest's settings: one chunk plan, each chunk searched once."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest

from science.simulator import Scene, make_header, spectra, write_fil
from services.classify.handlers import Handler as Classify
from services.classify.model import load_model
from services.dedoppler import handlers
from services.dedoppler.handlers import Handler as Dedoppler
from services.dedoppler.noise.scratch import Scratch
from services.ingest.handlers import Handler as Ingest
from services.ingest.kept_plan import plan_key
from shared.blobs import open_storage
from shared.events import (
    ChunkReady,
    ChunkSearched,
    ObservationClassified,
    ObservationSubmitted,
    SearchParameters,
    Upload,
)
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise
from shared.object_keys import artefact_key, hits_prefix, job_prefix
from shared.settings import ServiceSettings

CHANNELS, SPECTRA, LANES = 2**16, 4, 2
BEFORE, AFTER = 2**16, 2**17


@pytest.fixture
async def storage(embedded):
    names = {name.removeprefix("WATERHOLE_").lower(): value for name, value in embedded.environment.items()}
    settings = ServiceSettings(**{name: value for name, value in names.items() if name in ServiceSettings.model_fields})
    async with open_storage(settings) as storage:
        yield storage


@pytest.fixture
async def submitted(storage, tmp_path):
    """Store a small observation and return the event that submits a job on it."""
    path, job_id = tmp_path / "o.fil", str(uuid.uuid4())
    header = make_header(CHANNELS, SPECTRA)
    write_fil(path, header, spectra(Scene(header)))
    key = f"uploads/user/{job_id}/o.fil"
    await storage.uploads.put(key, path.read_bytes())
    upload = Upload(
        file_key=key,
        file_name="o.fil",
        file_size=path.stat().st_size,
        source_name="o",
        submitted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return ObservationSubmitted.make(job_id=job_id, producer="gateway", upload=upload, parameters=SearchParameters())


def ingest(storage, max_chunk_samples):
    async def lanes():
        return LANES

    return Ingest(storage.uploads, storage.results, max_chunk_samples=max_chunk_samples, lanes=lanes)


@pytest.fixture
def dedoppler(storage, monkeypatch):
    """The real handler with a search that finds no hits. `searched` lists the searched chunks."""
    searched = []

    async def read(_event):
        return np.zeros((SPECTRA, 8), np.float32)

    def search(_power, _header, chunk, *_):
        searched.append(chunk)
        return ChunkHits(np.empty(0, HIT_DTYPE), [], chunk.channels, ChunkNoise(), np.zeros((1, 8), np.float32))

    monkeypatch.setattr(handlers, "search_chunk", search)
    with ThreadPoolExecutor(1) as pool:
        handler = Dedoppler(read, storage.results, pool, Scratch())
        handler.searched = searched
        yield handler


async def run(ready, dedoppler, classify, *, at_most=1000):
    """Handle chunks and the events that follow, as the bus would. Return the events that classify published."""
    queue, published = list(ready), []
    while queue and at_most:
        at_most -= 1
        for event in await dedoppler.handle(queue.pop(0)):
            if isinstance(event, ChunkReady):
                queue.append(event)
            elif isinstance(event, ChunkSearched):
                published += await classify.handle(event)
    return published


async def cut_of_results(storage, submitted):
    """Return the edges of the chunks in the results."""
    document = json.loads(await storage.results.get(artefact_key(submitted.job_id, "results.json")))
    return [(chunk["start_channel"], chunk["stop_channel"]) for chunk in document["noise"]]


def gist(events):
    return [event.model_dump(exclude={"occurred_at"}) for event in events]


async def test_changed_setting_does_not_change_the_chunks_of_a_job(storage, submitted, dedoppler):
    classify = Classify(storage.results, model=load_model(), now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    *ready, _ = first = await ingest(storage, BEFORE).handle(submitted)
    plan = ready[0].plan
    assert plan.count >= 5
    assert await run(ready, dedoppler, classify, at_most=3) != []

    *ready, _ = again = await ingest(storage, AFTER).handle(submitted)
    assert gist(again) == gist(first)
    published = await run(ready, dedoppler, classify)
    assert [event.chunk_count for event in published if isinstance(event, ObservationClassified)] == [plan.count]
    # Each chunk of the plan was searched once, and no chunk of another plan.
    assert sorted(dedoppler.searched, key=lambda chunk: chunk.index) == [plan.chunk(i) for i in range(plan.count)]
    assert len(await storage.results.list_keys(hits_prefix(submitted.job_id))) == plan.count
    # The next job gets a different plan from the new setting.
    next_ready, *_ = await ingest(storage, AFTER).handle(submitted.model_copy(update={"job_id": str(uuid.uuid4())}))
    assert next_ready.plan.count < plan.count


async def test_lost_plan_repeats_work_but_does_not_mix_plans(storage, submitted, dedoppler):
    classify = Classify(storage.results, model=load_model(), now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    *ready, _ = await ingest(storage, BEFORE).handle(submitted)
    lost = ready[0].plan
    published = await run(ready, dedoppler, classify, at_most=lost.count - 1)
    await storage.results.delete(plan_key(submitted.job_id))
    *ready, _ = await ingest(storage, AFTER).handle(submitted)
    plan = ready[0].plan
    assert plan.count < lost.count
    published += await run(ready, dedoppler, classify)
    assert [event.chunk_count for event in published if isinstance(event, ObservationClassified)] == [plan.count]
    assert dedoppler.searched[lost.count - 1 :] == [plan.chunk(i) for i in range(plan.count)]


@pytest.mark.parametrize("at_most", [1, 2, 1000])
async def test_lowered_limit_replaces_the_plan_of_a_job(storage, submitted, dedoppler, at_most):
    """Some or all of the large chunks were searched before. Late events of the old plan change nothing."""
    classify = Classify(storage.results, model=load_model(), now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    *old, _ = await ingest(storage, AFTER).handle(submitted)
    await run(old, dedoppler, classify, at_most=at_most)
    searched = len(dedoppler.searched)
    *ready, _ = await ingest(storage, BEFORE).handle(submitted)
    plan = ready[0].plan
    assert plan.count > old[0].plan.count
    published = await run(ready, dedoppler, classify)
    assert [event.chunk_count for event in published if isinstance(event, ObservationClassified)] == [plan.count]
    assert sorted(dedoppler.searched[searched:], key=lambda chunk: chunk.index) == [
        plan.chunk(i) for i in range(plan.count)
    ]
    cut = [(plan.edge(i), plan.edge(i + 1)) for i in range(plan.count)]
    assert await cut_of_results(storage, submitted) == cut
    # A late event of a large chunk belongs to the old plan, so classify makes no result from it.
    late = await run(old[:1], dedoppler, classify, at_most=1)
    assert not any(isinstance(event, ObservationClassified) for event in late)
    assert await cut_of_results(storage, submitted) == cut
    # After another submission, the chunk that the late event overwrote is searched again.
    published = await run(ready, dedoppler, classify)
    assert [event.chunk_count for event in published if isinstance(event, ObservationClassified)] == [plan.count]


@pytest.mark.parametrize("seed", range(6))
async def test_two_ingests_at_once_complete_a_job_with_one_plan(storage, submitted, dedoppler, seed):
    """Both made their plans before either was stored, and their events are handled in any order."""
    classify = Classify(storage.results, model=load_model(), now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    plans, queue, rng = [], [], np.random.default_rng(seed)
    for setting in (BEFORE, AFTER):
        *ready, _ = await ingest(storage, setting).handle(submitted)
        plans.append(ready[0].plan)
        queue += ready
        kept = await storage.results.get(plan_key(submitted.job_id))
        await storage.results.delete(plan_key(submitted.job_id))
    await storage.results.put(plan_key(submitted.job_id), kept)
    assert plans[0].count != plans[1].count

    cuts = [[(plan.edge(i), plan.edge(i + 1)) for i in range(plan.count)] for plan in plans]
    while queue:
        for event in await dedoppler.handle(queue.pop(rng.integers(len(queue)))):
            if isinstance(event, ChunkReady):
                queue.append(event)
            elif any(isinstance(made, ObservationClassified) for made in await classify.handle(event)):
                assert await cut_of_results(storage, submitted) in cuts
    # An unfinished job sends no events, so the gateway submits it again. Then all services use the stored plan.
    *ready, _ = await ingest(storage, AFTER).handle(submitted)
    assert ready[0].plan == plans[1]
    await run(ready, dedoppler, classify)
    assert await cut_of_results(storage, submitted) in cuts


async def test_plan_has_the_object_prefix_of_its_job(storage, submitted):
    await ingest(storage, BEFORE).handle(submitted)
    assert await storage.results.list_keys(job_prefix(submitted.job_id)) == [plan_key(submitted.job_id)]
