"""Two polarisations of an observation: each emitter once, and Stokes I from the sum."""

from datetime import UTC, datetime

import numpy as np
import pytest

from science.measure.search import tone
from science.simulator import Scene, make_header, simulate
from science.simulator.writers import sigproc_header
from services.classify.classification import classify_observation
from services.classify.model import load_model
from services.dedoppler.chunk_power import chunk_power
from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.noise.scratch import Scratch
from services.ingest.chunk_plan import plan_observation
from services.ingest.polarisations import choose_ifs
from shared.events import ChunkReady, SearchParameters, Upload
from shared.filterbank import LocalSource, read_header

N_CHANNELS = 2**14
UPLOAD = Upload(
    file_key="k", file_name="a.fil", file_size=1, source_name="s", submitted_at=datetime(2026, 1, 1, tzinfo=UTC)
)


@pytest.fixture(scope="module")
def two_ifs(tmp_path_factory):
    """Return a file of two IFs: a tone in both, SNR 40 and 20, one in either alone, and zeros in the second."""
    header = make_header(N_CHANNELS, n_ifs=2)
    one = simulate(Scene(header, (tone(header, 3000, 60, 40.0), tone(header, 6000, -30, 30.0)), seed=1))
    other = simulate(Scene(header, (tone(header, 3000, 60, 20.0), tone(header, 9000, 25, 30.0)), seed=2))
    other[:, 12000:13000] = 0.0
    path = tmp_path_factory.mktemp("ifs") / "a.fil"
    path.write_bytes(sigproc_header(header) + np.stack([one, other], axis=1).tobytes())
    return LocalSource(path)


async def searched(source, pool, **choice):
    """Return the hits of a job."""
    header, _ = await read_header(source)
    parameters = SearchParameters(**choice)
    searches = choose_ifs(header, parameters, source.name).searches
    plan = plan_observation(header, parameters, max_chunk_samples=2**27, searches=searches)
    found = []
    for index in range(plan.count):
        event = ChunkReady.make(
            job_id="j", producer="t", upload=UPLOAD, parameters=parameters, header=header, chunk=plan.chunk(index)
        )
        power = await chunk_power(source, event, pool, Scratch())
        found.append(search_chunk(power, header, event.chunk, parameters, pool, Scratch()))
    return [
        (round(float(hit.values["channel"]), -3), round(hit.evidence.snr), hit.ifs_text, hit.if_index)
        for hit in classify_observation(header, parameters, found, load_model())
    ]


async def test_the_first_if_is_searched_by_default(two_ifs, pool):
    hits = await searched(two_ifs, pool)
    assert [(channel, ifs) for channel, _, ifs, _ in hits] == [(3000, "IF0"), (6000, "IF0")]


async def test_all_ifs_give_each_emitter_once_where_it_is_strongest(two_ifs, pool):
    hits = await searched(two_ifs, pool, ifs="all")
    assert [(channel, ifs, number) for channel, _, ifs, number in hits] == [
        (3000, "IF0,IF1", 0),
        (6000, "IF0", 0),
        (9000, "IF1", 1),
    ]
    assert [snr for _, snr, _, _ in hits] == pytest.approx([40, 30, 30], abs=4)


async def test_stokes_i_adds_the_powers_and_what_is_lost_in_one_is_lost(two_ifs, pool):
    """Check that a sum of equal noise has the SNRs' sum over the root of two, and no hit at the edge of the zeros."""
    hits = await searched(two_ifs, pool, ifs="stokes_i")
    assert [(channel, ifs, number) for channel, _, ifs, number in hits] == [
        (3000, "IF0+IF1", None),
        (6000, "IF0+IF1", None),
        (9000, "IF0+IF1", None),
    ]
    assert [snr for _, snr, _, _ in hits] == pytest.approx([60 / 2**0.5, 30 / 2**0.5, 30 / 2**0.5], abs=4)
