"""What must not change what the search finds: symmetries of the sky and the receiver, threads, chunks."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from science.measure.search import chunk_plan, rows, search, tone
from science.simulator import Scene, make_header, simulate

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

N = 2**14
TRUTH = [
    (1000, 0, 30.0),
    (3000, 7, 15.0),
    (5000, -40, 50.0),
    (8000, 391, 40.0),
    (11_000, -200, 300.0),
    (14_000, 100, 20.0),
]


@pytest.fixture(scope="module")
def header():
    return make_header(N)


@pytest.fixture(scope="module")
def power(header):
    return simulate(Scene(header, tuple(tone(header, *one) for one in TRUTH)))


@pytest.fixture(scope="module")
def hits(header, power, pool):
    found = search(power, header, pool).hits
    assert len(found) == len(TRUTH)
    return found


def test_flipping_the_band_negates_the_drift(header, power, hits, pool):
    """Blocks of noise lie mirrored too, so even SNR stays but for rounding: 1e-4 of it."""
    mirror = search(power[:, ::-1], header, pool).hits[::-1]
    np.testing.assert_array_equal(mirror["steps"], -hits["steps"])
    np.testing.assert_array_equal(mirror["width"], hits["width"])
    np.testing.assert_array_equal(mirror["channel"], N - hits["channel"] - hits["width"])
    np.testing.assert_allclose(mirror["snr"], hits["snr"], rtol=1e-4)


def test_reversing_time_negates_the_drift_and_moves_the_start(header, power, hits, pool):
    """16 spectra have no path with a half-channel step, so the boxes are the same ones: SNR to 1e-4."""
    back = search(power[::-1], header, pool).hits
    back = back[np.argsort(back["channel"] + back["steps"])]
    np.testing.assert_array_equal(back["steps"], -hits["steps"])
    np.testing.assert_array_equal(back["width"], hits["width"])
    np.testing.assert_array_equal(back["channel"] + back["steps"], hits["channel"])
    np.testing.assert_allclose(back["snr"], hits["snr"], rtol=1e-4)


@pytest.mark.parametrize(
    ("scale", "offset", "tolerance"),
    [
        (2.0**-20, 0.0, 1e-6),
        (3e9, 0.0, 1e-4),
        (1e-25, 0.0, 1e-4),
        (1e25, 0.0, 1e-4),
        (1.0, 300.0, 3e-3),
        (1.0, -100.0, 3e-3),
        (0.5, 1e4, 3e-3),
    ],
)
def test_scaling_and_offset_do_not_change_snr(header, power, hits, pool, scale, offset, tolerance):
    """To rounding where only the scale changes.

    With another level, the sigma of a block is smoothed over its neighbours by other weights: 3e-3 of SNR.
    """
    moved = search(power * np.float32(scale) + np.float32(offset), header, pool).hits
    for name in ("channel", "steps", "width"):
        np.testing.assert_array_equal(moved[name], hits[name])
    np.testing.assert_allclose(moved["snr"], hits["snr"], rtol=tolerance)


def test_threads_do_not_change_a_bit(header, pool):
    """Two coarse pieces of 2^17 channels and 60 tones, on 1, 2 and 4 threads: the same bytes."""
    wide = make_header(2**18)
    rng = np.random.default_rng(5)
    places = zip(
        rng.uniform(500, 2**18 - 500, 60), rng.uniform(-390, 390, 60), 10 ** rng.uniform(1.1, 3, 60), strict=True
    )
    power = simulate(Scene(wide, tuple(tone(wide, *place) for place in places)))
    power[3, 1000:5000] = np.nan
    results = []
    for threads in (1, 2, 4):
        with ThreadPoolExecutor(threads) as some:
            results.append(search(power, wide, some).to_bytes())
    assert results[0] == results[1] == results[2]
    assert len(results[0]) > 2**16


def test_searching_twice_gives_the_same_bytes(header, power, pool):
    assert search(power, header, pool).to_bytes() == search(power, header, pool).to_bytes()


def test_power_is_left_as_it_was(header, power, pool):
    before = power.copy()
    search(power, header, pool)
    np.testing.assert_array_equal(power, before)


# Chunks: three of 2^14 channels.

LONG = 3 * 2**14
EDGES = [0, 2**14, 2**15, LONG]


def dense_scene(seed):
    """Tones 1300 channels apart, and some whose tracks cross or start at the inner edges."""
    header = make_header(LONG)
    rng = np.random.default_rng(seed)
    channels = np.arange(700, LONG - 700, 1300) + rng.uniform(-100, 100, len(range(700, LONG - 700, 1300)))
    far = channels[[np.abs(np.array(EDGES) - channel).min() > 1300 for channel in channels]]
    channels = np.concatenate([far, EDGES[1] + np.array([-450, -1, 420]), EDGES[2] + np.array([-430, 3, 460])])
    steps, snrs = rng.uniform(-391, 391, len(channels)), 10 ** rng.uniform(1.2, 2.5, len(channels))
    return header, [tone(header, *one) for one in zip(channels, steps, snrs, strict=True)]


@pytest.mark.parametrize("seed", range(6))
def test_hits_do_not_depend_on_the_chunk_plan(pool, seed):
    """Where there are three whole blocks of noise between a hit and the chunk's edge: the same boxes, and SNR to 1e-3
    of it and 0.1, because offsets of spectra are known no better from the 8 blocks of so small a chunk.

    Beside an edge, level and sigma come from the blocks that are left and what the overlap adds to the last: SNR to
    7 %, and boxes of wide tones may differ by two channels and steps, which is less than their errors.
    """
    header, tones = dense_scene(seed)
    power = simulate(Scene(header, tuple(tones), seed=seed))
    one = search(power, header, pool).hits
    three = np.concatenate([search(power, header, pool, chunk=chunk).hits for chunk in chunk_plan(header, EDGES)])
    assert len(tones) - 2 <= len(one) == len(three)
    reach = 3 * 2048 + 391
    inside = np.array([np.abs(np.array(EDGES[1:-1]) - hit["channel"]).min() > reach for hit in one])
    assert 8 < inside.sum() < len(one)
    for name in ("channel", "steps", "width"):
        np.testing.assert_array_equal(three[name][inside], one[name][inside])
        np.testing.assert_allclose(three[name], one[name], rtol=0, atol=2)
    np.testing.assert_allclose(three["snr"][inside], one["snr"][inside], rtol=1e-3, atol=0.1)
    np.testing.assert_allclose(three["snr"], one["snr"], rtol=0.07, atol=0.1)


@pytest.mark.parametrize("steps", [0, 37, -37, 391, -391])
@pytest.mark.parametrize("place", [-1, 0, 1, 10, 13])
def test_a_tone_at_a_chunks_edge_is_reported_by_one_chunk(pool, steps, place):
    header = make_header(LONG)
    power = simulate(Scene(header, (tone(header, EDGES[1] + place, steps, 60.0),)))
    found = [rows(search(power, header, pool, chunk=chunk)) for chunk in chunk_plan(header, EDGES)]
    assert found[2] == []
    (hit,) = found[0] + found[1]
    assert hit == rows(search(power, header, pool))[0]
    assert (hit in found[0]) == (hit[0] < EDGES[1])


def test_the_waterfalls_of_the_chunks_stand_side_by_side(pool):
    header, tones = dense_scene(1)
    power = simulate(Scene(header, tuple(tones)))
    parts = [search(power, header, pool, chunk=chunk).waterfall for chunk in chunk_plan(header, EDGES)]
    assert [part.shape for part in parts] == [(16, 682)] * 3
    one = search(power, header, pool).waterfall
    assert one.shape == (16, 2048)
    # Bins differ a little in width; their noise maxima do not.
    assert np.median(np.concatenate(parts, axis=1)) == pytest.approx(np.median(one), abs=0.1)


# Edges of the file.


@pytest.mark.parametrize("steps", [0, 12, 390])
@pytest.mark.parametrize("snr", [30.0, 1000.0])
def test_a_tone_at_the_files_edge_is_found_and_leaves_no_ghost(pool, header, steps, snr):
    """Three channels from either end, drifting inwards."""
    bottom = simulate(Scene(header, (tone(header, 3, steps, snr),)))
    top = simulate(Scene(header, (tone(header, N - 4, -steps, snr),)))
    (low,), (high,) = search(bottom, header, pool).hits, search(top, header, pool).hits
    for hit, channel, sign in ((low, 3, 1), (high, N - 4, -1)):
        # The box of a smeared tone begins before the file's first channel, or ends after its last.
        assert 0 <= hit["channel"] < N
        assert hit["steps"] == pytest.approx(sign * steps, abs=2)
        assert abs(hit["frequency_hz"] - header.frequency_hz(channel)) <= 2 * abs(header.foff_hz)
        # Up to half of the smear of the first spectrum is beyond the edge.
        assert 0.93 * snr - 4 <= hit["snr"] <= snr + 4


@pytest.mark.parametrize("beyond", [2, 10, 30])
def test_tones_that_drift_into_the_band_are_found_at_either_edge(pool, header, beyond):
    """They are there from the second or a later spectrum on; start and drift are then rough, but within the file."""
    bottom = simulate(Scene(header, (tone(header, -beyond, 100, 200.0),)))
    top = simulate(Scene(header, (tone(header, N - 1 + beyond, -100, 200.0),)))
    for power, edge, sign in ((bottom, 0, 1), (top, N - 1, -1)):
        (hit,) = search(power, header, pool).hits
        assert 0 <= hit["channel"] < N
        assert abs(hit["channel"] - edge) <= 5
        assert 60 <= sign * hit["steps"] <= 105


def test_what_was_searched_before_does_not_change_a_byte(header, power, pool):
    """Memory goes from chunk to chunk: after a brighter, wider and a narrower one all is as at first."""
    first = search(power, header, pool).to_bytes()
    wide = make_header(2 * N)
    search(100.0 * simulate(Scene(wide, (tone(wide, 9000, 50, 1e4),))), wide, pool)
    narrow = make_header(500)
    search(simulate(Scene(narrow)), narrow, pool)
    assert search(power, header, pool).to_bytes() == first
