"""Labels, sources and ranks in whole observations: Voyager 1, and an L band full of transmitters."""

from pathlib import Path

import numpy as np
import pytest

from science.measure.search import search
from science.simulator import Scene, Tone, make_header, simulate, voyager_1
from science.simulator.emissions import Emission, pass_track, straight_track
from science.simulator.voyager import VOYAGER_MEAN, VOYAGER_N_CHANNELS, VOYAGER_SIGMA
from services.classify.classification import classify_observation
from services.classify.model import load_model
from services.classify.selection import candidates, filtered, ranked
from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.noise.scratch import Scratch
from shared.events import Chunk, SearchParameters
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise

STAMPS = Path(__file__).parents[2].parent / "shared" / "data" / "voyager1_hits.npz"
PARAMETERS = SearchParameters()
MODEL = load_model()
LOOKS_SENT = {"NARROWBAND_DRIFTING", "CANDIDATE_ET"}


def test_the_twin_of_voyager_1(pool):
    scene, truth = voyager_1()
    hits = classify_observation(scene.header, PARAMETERS, [search(simulate(scene), scene.header, pool)], MODEL)
    top = ranked(hits)[:5]
    assert sorted(round(hit.evidence.frequency_hz / 10) for hit in top) == sorted(
        round(hz / 10) for hz in truth["frequency_hz"]
    )
    assert {hit.verdict.label for hit in top} <= LOOKS_SENT
    assert {hit.verdict.rfi_source for hit in hits} == {""}
    assert candidates(hits)[:5] == top


def test_the_real_stamps_of_voyager_1(pool):
    if not STAMPS.exists():
        pytest.skip("the stamps of Voyager 1 (voyager1_hits.npz) are not beside this checkout")
    full = make_header(VOYAGER_N_CHANNELS)
    header = make_header(2**15, fch1_mhz=full.frequency_hz(360 * 2048) / 1e6)
    power = simulate(Scene(header, mean=VOYAGER_MEAN, averaged_spectra=(VOYAGER_MEAN / VOYAGER_SIGMA) ** 2))
    starts = []
    with np.load(STAMPS) as stamps:
        for k in range(5):
            at = round((stamps[f"m{k}"][5] * 1e6 - header.frequency_hz(0)) / header.foff_hz)
            power[:, at : at + stamps[f"d{k}"].shape[1]] = stamps[f"d{k}"]
            starts.append(stamps[f"m{k}"][0] * 1e6)
    hits = classify_observation(header, PARAMETERS, [search(power, header, pool)], MODEL)
    order = ranked(hits)
    assert {hit.verdict.label for hit in order[:5]} <= LOOKS_SENT
    # Between the lines of each sideband lies the broad spectrum of the telemetry, which is as strong.
    lines = [hit for hit in order[:7] if hit.verdict.label == "CANDIDATE_ET"]
    np.testing.assert_allclose(sorted(hit.evidence.frequency_hz for hit in lines), sorted(starts), rtol=0, atol=10)
    assert abs(order[0].evidence.frequency_hz - starts[2]) < 10
    assert {hit.verdict.rfi_source for hit in hits} == {""}


# An L band: 94 MHz in 32 chunks of 2^20 channels. Five windows hold signals; the rest has nothing to find.
N_CHUNKS, CHUNK, WINDOW = 32, 2**20, 2**15
L_BAND = make_header(N_CHUNKS * CHUNK, fch1_mhz=1630.0)
TONE_HZ = 1592.3e6


def line(mhz, snr, *, drift=0.0, width=0.0):
    profile = {"profile": "gaussian", "width_hz": width} if width else {}
    return Emission(straight_track(L_BAND, mhz * 1e6, drift), snr, **profile)


def gps():
    """Return the lines of a code that repeats every millisecond, broadened by its data, around mid-band."""
    return [line(1575.42 + k * 1e-3, 90 * np.sinc(k / 1023) ** 2, drift=-0.45, width=100.0) for k in range(-35, 36)]


def iridium():
    """Return opening tones of a low satellite's bursts, 10 min from its nearest: 300 Hz wide, drifting, bending."""
    return [Emission(pass_track(L_BAND, 1621.3e6, -525.0, 8e5), 300.0, profile="gaussian", width_hz=300.0)]


WINDOWS = {
    "gps": (1575.42, gps()),
    "iridium": (1621.3 - 0.0385, iridium()),
    "inmarsat": (1545.0, [line(1544.98, 80), line(1545.0031, 40, width=30.0), line(1545.02, 200)]),
    "comb": (1594.0, [line(1593.98 + 0.005 * k, 40 + 5 * k) for k in range(8)]),
    "carriers": (1589.0, [line(1588.99, 150), line(1589.013, 60)]),
    "tone": (TONE_HZ / 1e6, []),
}


def window(name, pool):
    """Search the window around one group of transmitters, as part of the whole observation."""
    mhz, emissions = WINDOWS[name]
    middle = round((mhz * 1e6 - L_BAND.frequency_hz(0)) / L_BAND.foff_hz)
    start = middle - WINDOW // 2
    header = make_header(WINDOW, fch1_mhz=L_BAND.frequency_hz(start) / 1e6)
    tones = (Tone(TONE_HZ, -1.1, 60.0),) if name == "tone" else ()
    power = simulate(Scene(header, tones, emissions=tuple(emissions), seed=len(name)))
    chunk = Chunk(
        index=middle // CHUNK,
        count=N_CHUNKS,
        start_channel=start,
        stop_channel=start + WINDOW,
        read_start_channel=start,
        read_stop_channel=start + WINDOW,
    )
    return chunk.index, search_chunk(power, L_BAND, chunk, PARAMETERS, pool, Scratch())


@pytest.fixture(scope="module")
def l_band(pool):
    """Return all hits of the observation, with labels."""
    nothing = ChunkHits(np.empty(0, HIT_DTYPE), [], None, ChunkNoise(), np.zeros((1, 1), np.float32))
    chunks = dict.fromkeys(range(N_CHUNKS), nothing)
    for name in WINDOWS:
        at, found = window(name, pool)
        # Two windows may lie in one chunk. The chunks of a job may be searched in parts, and classify accepts that.
        while len(chunks[at].hits):
            at += N_CHUNKS
            chunks.setdefault(at, nothing)
        chunks[at] = found
    return classify_observation(L_BAND, PARAMETERS, list(chunks.values()), MODEL)


def of(hits, name):
    """Return the hits in one window."""
    reach = WINDOW / 2 * abs(L_BAND.foff_hz)
    return [hit for hit in hits if abs(hit.evidence.frequency_hz - WINDOWS[name][0] * 1e6) <= reach]


def verdicts(hits, name):
    return {(hit.verdict.label, hit.verdict.rfi_source) for hit in of(hits, name)}


def test_code_lines_of_gps(l_band):
    found = of(l_band, "gps")
    assert len(found) >= 60
    assert verdicts(l_band, "gps") == {("RFI_SATELLITE", "GPS/Galileo L1")}


def test_a_passing_satellite(l_band):
    assert len(of(l_band, "iridium")) >= 1
    assert verdicts(l_band, "iridium") == {("RFI_SATELLITE", "Iridium")}


def test_carriers_in_and_out_of_a_satellites_band(l_band):
    assert len(of(l_band, "inmarsat")) >= 3
    assert verdicts(l_band, "inmarsat") == {("RFI_SATELLITE", "Inmarsat")}
    assert len(of(l_band, "carriers")) == 2
    assert verdicts(l_band, "carriers") == {("NARROWBAND_STATIONARY", "")}


def test_a_stationary_comb_is_terrestrial(l_band):
    assert len(of(l_band, "comb")) == 8
    assert verdicts(l_band, "comb") == {("RFI_TERRESTRIAL", "")}
    assert all("8 lines 5000.0 Hz" in " ".join(hit.verdict.reasons) for hit in of(l_band, "comb"))


def test_the_tone_ranks_first_and_all_other_hits_are_rfi_noise_or_stationary(l_band):
    first = ranked(l_band)[0]
    assert abs(first.evidence.frequency_hz - TONE_HZ) < 5
    assert (first.verdict.label, first.verdict.rfi_source) == ("CANDIDATE_ET", "")
    assert candidates(l_band) == [first]
    assert sorted({hit.verdict.label for hit in filtered(l_band)}) == ["CANDIDATE_ET", "NARROWBAND_STATIONARY"]
