"""The zoomable waterfall of a chunk: what it shows of an observation, its size, and what must not change it."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

from science.measure.search import tone
from science.simulator import Scene, make_header, simulate
from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.pyramid import ChunkPyramid, Track, windows_of
from shared.chunks import ChunkPlan
from shared.events import SearchParameters
from shared.waterfall import Manifest, code_of, head_bytes, read_windows, z_of

N = 2**14
Z = np.array([z_of(code) for code in range(256)])


def plan_of(header, stride=2**20, overlap=400, searches=((0,),)):
    count = -(-header.n_channels // stride) * len(searches)
    return ChunkPlan(
        n_channels=header.n_channels,
        count=count,
        stride_channels=min(stride, header.n_channels),
        parts=1,
        overlap_channels=overlap,
        searches=searches,
    )


def pyramid_of(power, header, pool, *, plan=None, index=0, drift=4.0):
    """Search a chunk of an observation's power; return its manifest and objects."""
    plan = plan or plan_of(header)
    file_bytes = header.n_spectra * header.n_ifs * header.n_channels * header.n_bits // 8
    manifest, chunk = Manifest.of(header, drift, plan, file_bytes), plan.chunk(index)
    part = np.ascontiguousarray(power[:, chunk.read_start_channel : chunk.read_stop_channel])
    made = ChunkPyramid(manifest, chunk)
    search_chunk(part, header, chunk, SearchParameters(max_drift_rate_hz_s=drift), pool, Scratch(), made)
    layout = manifest.layout(index)
    assert len(made.pyramid) == layout.size
    assert len(made.samples) <= manifest.most_samples_bytes(index) + head_bytes(len(read_windows(made.samples)))
    return manifest, made


def level(manifest, made, statistic, factor, index=0):
    layout = manifest.layout(index)
    offset, length = layout.level(statistic, factor)
    return np.frombuffer(made.pyramid, np.uint8, length, offset).reshape(layout.columns(factor), -1)


def noise_of(manifest, made, index=0):
    return np.frombuffer(made.pyramid, "<f4", manifest.layout(index).noise.length // 4).reshape(-1, 2)


def window(made, channel):
    """Return the codes of the window round a channel, (channels, rows), and its first channel."""
    windows = read_windows(made.samples)
    (found,) = [one for one in windows if one.start_channel <= channel < one.start_channel + one.n_channels]
    later = [one.offset for one in windows if one.offset > found.offset]
    stop = min(later, default=len(made.samples))
    codes = np.frombuffer(made.samples[found.offset : stop], np.uint8)
    return codes.reshape(found.n_channels, -1), found.start_channel


@pytest.fixture(scope="module")
def header():
    return make_header(N)


@pytest.fixture(scope="module")
def power(header):
    return simulate(Scene(header, (tone(header, 3000, 0, 40.0), tone(header, 9000, -60, 100.0))))


def test_raw_samples_are_on_the_same_scale(header, power, pool):
    """(P - level) / sigma from the noise section is what a window round a hit shows, to one step of the codes."""
    manifest, made = pyramid_of(power, header, pool)
    codes, first = window(made, 3000)
    assert first <= 3000 - 128
    assert first + len(codes) > 3000 + 128
    pairs = noise_of(manifest, made)[(first + np.arange(len(codes))) // manifest.noise_factor]
    z = (power[:, first : first + len(codes)].T - pairs[:, :1]) / pairs[:, 1:]
    off = np.abs(codes - [[code_of(float(one)) for one in row] for row in z])
    assert off.max() <= 1
    assert np.mean(off > 0) < 0.1


def test_noise_has_mean_0_and_sigma_1_in_both_statistics(header, power, pool):
    manifest, made = pyramid_of(power, header, pool)
    means = Z[level(manifest, made, "mean", 16)]
    quiet = np.ones(len(means), bool)
    quiet[170:210] = quiet[540:580] = False
    assert np.mean(means[quiet]) == pytest.approx(0.0, abs=0.03)
    assert np.std(means[quiet]) == pytest.approx(1.0, abs=0.03)
    # The largest of 16 normal deviates has mean 1.766; those of gamma noise of 51 degrees lie a little higher.
    assert np.mean(Z[level(manifest, made, "max", 16)][quiet, :-1]) == pytest.approx(1.85, abs=0.1)


def test_a_tone_stands_in_the_column_of_its_channel_at_every_level(header, power, pool):
    manifest, made = pyramid_of(power, header, pool)
    for factor in manifest.factors:
        integrated = level(manifest, made, "max", factor)[:, -1]
        at = 3000 // factor
        # Of the drifting tone, one channel holds little.
        assert Z[integrated[at]] == pytest.approx(40.0, rel=0.06)
        rows = Z[level(manifest, made, "max", factor)[at, :-1]]
        assert np.mean(rows) > 8.0


def test_a_track_is_followed_in_a_window_from_its_first_row_to_its_last(header, power, pool):
    _, made = pyramid_of(power, header, pool)
    codes, first = window(made, 9000)
    at = first + codes.argmax(axis=0)
    np.testing.assert_allclose(at, 9000 - 60 * np.arange(16) / 15, atol=4)


def test_a_wide_emission_and_lost_samples_are_shown(header, pool):
    power = simulate(Scene(header, ()))
    power[:, 6000:7000] *= 1.3
    power[4:6, 2000:2500] = np.nan
    power[:, 12_000:12_040] = np.nan
    manifest, made = pyramid_of(power, header, pool)
    means = level(manifest, made, "mean", 16)
    # 0.3 of the level is two sigma of a sample of gamma noise of 51 degrees, and eight of the mean of 16 channels.
    assert np.median(Z[means[6100 // 16 : 6900 // 16]]) == pytest.approx(8.5, abs=1.0)
    assert (means[2016 // 16 : 2480 // 16, 4:6] == 0).all()
    assert (means[2016 // 16 : 2480 // 16, 6:] > 0).all()
    assert (level(manifest, made, "max", 16)[12_000 // 16 : 12_032 // 16] == 0).all()
    assert np.mean(Z[level(manifest, made, "max", 64)[12_000 // 64, :-1]]) < 4.0


def test_a_steep_edge_of_the_band_is_in_the_noise_that_raw_samples_are_drawn_with(header, pool):
    """Where the search flattens the level more finely than by its blocks, the noise section follows."""
    shape = 1 / (1 + np.exp((np.arange(N) - 15_800) / 60)) + 0.05
    power = simulate(Scene(header, ())) * shape.astype(np.float32)
    manifest, made = pyramid_of(power, header, pool)
    for pair in (20, 55, 60, 63):
        channels = slice(256 * pair, 256 * (pair + 1))
        middle = np.mean(power[:, 256 * pair + 120 : 256 * pair + 136])
        found = noise_of(manifest, made)[pair]
        assert found[0] == pytest.approx(middle, rel=0.1), channels


def test_all_samples_lost_are_no_samples(header, pool):
    manifest, made = pyramid_of(np.full((16, N), np.nan, np.float32), header, pool)
    assert not any(made.pyramid)
    assert read_windows(made.samples) == []
    assert manifest.layout(0).size == len(made.pyramid)


def test_threads_do_not_change_a_byte(pool):
    wide = make_header(2**17)
    tones = tuple(tone(wide, 700.0 + 2100 * k, 10 * k - 300, 12.0 + k) for k in range(60))
    power = simulate(Scene(wide, tones))
    power[3, 1000:5000] = np.nan
    made = []
    for threads in (1, 3):
        with ThreadPoolExecutor(threads) as some:
            made.append(pyramid_of(power, wide, some)[1])
    assert made[0].pyramid == made[1].pyramid
    assert made[0].samples == made[1].samples
    assert len(read_windows(made[0].samples)) > 3


def test_what_is_read_beside_a_chunk_does_not_change_what_it_shows(pool):
    """The noise of the outer blocks, half of these few, is measured on what was read: some codes differ by a step."""
    header = make_header(3 * N)
    power = simulate(Scene(header, (tone(header, N + 3000, 0, 30.0), tone(header, 2 * N - 5, 20, 60.0))))
    made = [pyramid_of(power, header, pool, plan=plan_of(header, N, overlap), index=1) for overlap in (400, 9000)]
    for statistic in ("max", "mean"):
        one, other = (level(*of, statistic, 16, 1).astype(int) for of in made)
        assert np.abs(one - other).max() <= 3
        assert np.mean(one != other) < 0.2
        assert np.mean(np.abs(one - other) > 1) < 0.01
    # Whatever chunk lists a signal, all that its track crosses keep it whole.
    assert [read_windows(of[1].samples)[-1].start_channel for of in made] == [2 * N - 5 - 128] * 2
    after = pyramid_of(power, header, pool, plan=plan_of(header, N, 400), index=2)[1]
    assert read_windows(after.samples)[0].start_channel == 2 * N


@pytest.mark.parametrize(
    ("n_spectra", "n_channels", "tsamp_s"), [(4096, 512, 0.07), (65_536, 64, 0.004), (300, 1000, 1.0), (700, 2000, 0.4)]
)
def test_many_spectra_have_at_most_128_rows_that_show_a_tone(n_spectra, n_channels, tsamp_s, pool):
    header = make_header(n_channels, n_spectra, tsamp_s=tsamp_s)
    power = np.random.default_rng(3).gamma(51.0, 1.0, (n_spectra, n_channels)).astype(np.float32)
    power[:, n_channels // 3] += np.float32(40.0 * math.sqrt(51 / n_spectra))
    manifest, made = pyramid_of(power, header, pool)
    assert 64 < manifest.rows <= 128
    integrated = level(manifest, made, "max", 16)[:, -1]
    assert integrated.argmax() == n_channels // 3 // 16
    assert Z[integrated.max()] == pytest.approx(40.0, rel=0.1)
    assert np.std(Z[level(manifest, made, "mean", 16)]) < 2.0
    # In units of the file's own spectra.
    assert np.median(noise_of(manifest, made)[:, 1]) == pytest.approx(math.sqrt(51), rel=0.1)


@pytest.mark.parametrize("n_channels", [1, 2, 30, 300])
def test_few_channels(n_channels, pool):
    header = make_header(n_channels)
    power = np.random.default_rng(3).gamma(51.0, 1.0, (16, n_channels)).astype(np.float32)
    manifest, made = pyramid_of(power, header, pool)
    assert len(level(manifest, made, "max", 16)) == -(-n_channels // 16)


@pytest.mark.parametrize("n_bits", [1, 2, 8])
def test_few_bits(n_bits, pool):
    header = make_header(N, n_bits=n_bits)
    power = np.random.default_rng(3).normal(2 ** (n_bits - 1), 2 ** (n_bits - 2), (16, N))
    power = np.clip(np.rint(power), 0, 2**n_bits - 1).astype(np.float32)
    manifest, made = pyramid_of(power, header, pool)
    means = Z[level(manifest, made, "mean", manifest.factors[0])]
    assert abs(np.mean(means)) < 0.3
    assert 0.7 < np.std(means) < 1.3


def test_crowded_chunks_keep_the_strongest_signals_whole_as_far_as_there_is_room(pool):
    header = make_header(2**17)
    tones = tuple(tone(header, 200.0 + 400 * k, 0, 15.0 + k % 100) for k in range(320))
    _, made = pyramid_of(simulate(Scene(header, tones)), header, pool)
    kept = sum(one.n_channels for one in read_windows(made.samples))
    # 64 KiB of 16 rows: 4096 channels; a window has 257.
    assert 4096 - 258 < kept <= 4096
    channels = np.array([one.start_channel for one in read_windows(made.samples)])
    strength = 15 + ((channels - 72) // 400) % 100
    assert strength.min() > 100


def test_windows_join_and_stay_within_the_chunk():
    own = range(1000, 5000)
    tracks = [Track(1050, 1060, 20.0), Track(1100, 1101, 30.0), Track(4990, 5200, 12.0), Track(5200, 5201, 50.0)]
    assert windows_of(tracks, own, 4000) == [range(1000, 1229), range(4862, 5000)]
    # The strongest first; one that does not fit leaves room for weaker ones.
    assert windows_of([Track(2000, 2100, 90.0), Track(3000, 3001, 10.0)], own, 300) == [range(2872, 3129)]
    assert windows_of([Track(1000, 4800, 90.0), Track(3000, 3001, 10.0)], range(9000), 9000) == [range(872, 4928)]
    assert windows_of([Track(1000, 6000, 90.0)], range(9000), 9000) == []
    assert windows_of([], own, 100) == []


@pytest.mark.slow
def test_a_tone_of_snr_20_is_the_highest_column_of_its_file_at_every_level(pool):
    """16 x 2^22 in four chunks.

    A level's `integrated` is the largest of the same sums over time, so what is true of the sums of all channels is
    true at every level of any file. Of 2^26 channels of noise (mean of 16 spectra, each of 51 exponential deviates),
    the highest reaches the value below.
    """
    header = make_header(2**22)
    channel, plan = 2 * 2**20 + 345_678, plan_of(header, 2**20)
    highest = {}
    for index in range(plan.count):
        chunk = plan.chunk(index)
        rng = np.random.default_rng(index)
        part = rng.standard_gamma(51.0, (16, chunk.read_stop_channel - chunk.read_start_channel), np.float32)
        if channel in chunk.channels:
            part[:, channel - chunk.read_start_channel] += np.float32(20.0 * math.sqrt(51 / 16))
        manifest = Manifest.of(header, 4.0, plan, 16 * 2**22 * 4)
        made = ChunkPyramid(manifest, chunk)
        search_chunk(part, header, chunk, SearchParameters(), pool, Scratch(), made)
        for factor in manifest.factors:
            columns = level(manifest, made, "max", factor, index)[:, -1]
            first = manifest.layout(index).start_channel
            highest.setdefault(factor, []).extend(
                (int(code), range(first + k * factor, first + (k + 1) * factor)) for k, code in enumerate(columns)
            )
    of_2_26 = (stats.gamma(16 * 51).isf(1e-3 / 2**26) - 16 * 51) / math.sqrt(16 * 51)
    assert 6 < of_2_26 < 9
    for columns in highest.values():
        (first, channels), (second, _) = sorted(columns, key=lambda column: -column[0])[:2]
        assert channel in channels
        assert first >= code_of(of_2_26) + 10
        assert second <= code_of(of_2_26)
