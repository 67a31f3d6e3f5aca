"""Two polarisations of an observation: each emitter once, and Stokes I from the sum."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest

from science.measure.search import tone
from science.simulator import Scene, make_header, simulate
from science.simulator.writers import sigproc_header
from services.classify.classification import classify_observation
from services.classify.model import load_model
from services.classify.noise_warnings import noise_warnings
from services.dedoppler.chunk_power import chunk_power
from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.noise.scratch import Scratch
from services.ingest.chunk_plan import plan_observation
from services.ingest.polarisations import choose_ifs
from shared.events import ChunkReady, SearchParameters, Upload
from shared.filterbank import LocalSource, read_header

N_CHANNELS, LONG = 2**14, 2**15
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


async def chunks_of(source, pool, most=2**27, **choice):
    """Return what was found in the chunks of a job, which have `most` samples at most."""
    header, _ = await read_header(source)
    parameters = SearchParameters(**choice)
    searches = choose_ifs(header, parameters, source.name).searches
    plan = plan_observation(header, parameters, max_chunk_samples=most, searches=searches)
    found = []
    for index in range(plan.count):
        event = ChunkReady.make(
            job_id="j", producer="t", upload=UPLOAD, parameters=parameters, header=header, chunk=plan.chunk(index)
        )
        power = await chunk_power(source, event, pool, Scratch())
        found.append(search_chunk(power, header, event.chunk, parameters, pool, Scratch()))
    return header, parameters, found


async def searched(source, pool, **choice):
    """Return the hits of a job."""
    header, parameters, found = await chunks_of(source, pool, **choice)
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


# Different holes in each IF, and one that both have.
HOLES = (
    (0, np.s_[:, 26_000:29_000]),
    (0, np.s_[10]),
    (1, np.s_[:, 12_000:13_000]),
    (1, np.s_[4:7, 5000:9000]),
    (0, np.s_[:, 15_000:15_500]),
    (1, np.s_[:, 15_000:15_500]),
)
TONES = ((3000, 60, 40.0), (20_000, -45, 30.0))


def with_holes(path, filling, gain=1.0):
    """Write a file of two IFs with two tones, and holes; the second IF is `gain` times as bright from spectrum 8 on."""
    header = make_header(LONG, n_ifs=2)
    powers = [simulate(Scene(header, tuple(tone(header, *one) for one in TONES), seed=seed)) for seed in (1, 2)]
    powers[1][8:] *= np.float32(gain)
    for number, place in HOLES:
        powers[number][place] = filling
    path.write_bytes(sigproc_header(header) + np.stack(powers, axis=1).tobytes())
    return LocalSource(path)


@pytest.mark.parametrize("filling", [0.0, np.nan, 100.0])
@pytest.mark.parametrize("ifs", ["all", "stokes_i"])
async def test_holes_of_either_if_make_no_hit_and_cost_no_tone_elsewhere(tmp_path, pool, filling, ifs):
    """A sum has the tones of both. Without spectrum 10 of the first IF it has 15 of 16 spectra: sqrt(2 * 15 / 16)."""
    hits = await searched(with_holes(tmp_path / "a.fil", filling), pool, ifs=ifs)
    shows = "IF0,IF1" if ifs == "all" else "IF0+IF1"
    assert [(channel, set(text)) for channel, _, text, _ in hits] == [(3000, set(shows)), (20_000, set(shows))]
    more = 1.0 if ifs == "all" else (2 * 15 / 16) ** 0.5
    assert [snr for _, snr, _, _ in hits] == pytest.approx([40.0 * more, 30.0 * more], abs=3)


async def test_warnings_name_the_gaps_of_each_if_and_what_both_have_once(tmp_path, pool):
    header, _, found = await chunks_of(with_holes(tmp_path / "a.fil", 0.0, gain=2.0), pool, ifs="all")
    sentences = noise_warnings(header, [chunk.noise for chunk in found], [chunk.ifs for chunk in found])
    starts = [sentence.partition(" (")[0] for sentence in sentences[1:]]
    assert sorted(starts) == sorted(
        [
            "In IF 0, spectrum 10 holds no signal and was not used.",
            "In IF 0, channels 26000 to 28999",
            "In IFs 0 and 1, channels 15000 to 15499",
            "In IF 1, channels 12000 to 12999",
            "In IF 1, channels 5000 to 8999",
            "In IF 1, spectra 8 to 15",
        ]
    )


@pytest.mark.parametrize("ifs", ["all", "stokes_i"])
async def test_hits_of_ifs_with_holes_do_not_depend_on_chunks_and_threads(tmp_path, pool, ifs):
    """Threads: to the byte. Noise is measured in other blocks beside the edges of chunks: 7 % of SNR, as for one IF."""
    source = with_holes(tmp_path / "a.fil", 0.0, gain=2.0)
    _, _, found = await chunks_of(source, pool, ifs=ifs)
    with ThreadPoolExecutor(1) as one:
        _, _, alone = await chunks_of(source, one, ifs=ifs)
    assert [chunk.to_bytes() for chunk in alone] == [chunk.to_bytes() for chunk in found]
    _, _, cut = await chunks_of(source, pool, most=16 * 9000, ifs=ifs)
    assert len(cut) > 4
    hits, cut_hits = (np.concatenate([chunk.hits for chunk in some]) for some in (found, cut))
    assert len(hits) == (4 if ifs == "all" else 2)
    for name in ("channel", "steps", "width"):
        np.testing.assert_allclose(cut_hits[name], hits[name], rtol=0, atol=2)
    np.testing.assert_allclose(cut_hits["snr"], hits["snr"], rtol=0.07)


@pytest.mark.parametrize("dead", ["zero", "nan", "constant"])
async def test_a_dead_if_leaves_the_other(tmp_path, pool, dead):
    header = make_header(N_CHANNELS, n_ifs=2)
    power = simulate(Scene(header, (tone(header, 3000, 60, 40.0),)))
    other = np.full_like(power, {"zero": 0.0, "nan": np.nan, "constant": 7.0}[dead])
    path = tmp_path / "a.fil"
    path.write_bytes(sigproc_header(header) + np.stack([power, other], axis=1).tobytes())
    source = LocalSource(path)
    ((channel, _, shown, _),) = await searched(source, pool, ifs="all")
    assert (channel, shown) == (3000, "IF0")
    assert await searched(source, pool, ifs="stokes_i") == []
