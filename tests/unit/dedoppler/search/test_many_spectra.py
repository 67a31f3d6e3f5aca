"""The coarse search of many spectra, beside that of few."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from services.dedoppler.search import many_spectra
from services.dedoppler.search.coarse_search import CoarseSearch
from services.dedoppler.search.many_spectra import ManySpectraSearch
from services.dedoppler.search.width_trials import plan_width_trials, widest_box

N_SPECTRA = 320
COLUMNS = 3000


@pytest.fixture(scope="module")
def trials():
    return plan_width_trials(N_SPECTRA, 1500)


def noise(trials, seed=1):
    pad = 1500 + 2 * widest_box(trials)
    x = np.zeros((N_SPECTRA, COLUMNS + 2 * pad), np.float32)
    x[:, pad : pad + COLUMNS] = np.random.default_rng(seed).standard_normal((N_SPECTRA, COLUMNS))
    return x, pad


def add_tone(x, column, steps, width, snr):
    """Add a line of `width` columns to a path; its exact statistic is `snr`."""
    for t in range(len(x)):
        start = column + int(np.floor(steps * t / (len(x) - 1) + 0.5))
        x[t, start : start + width] += snr / np.sqrt(len(x) * width)


@pytest.mark.parametrize(
    ("column", "steps", "width"), [(1500, 0, 1), (1200, 101, 1), (900, -300, 2), (700, 1100, 4), (2500, -1490, 6)]
)
def test_it_finds_what_the_search_of_few_spectra_finds(pool, trials, column, steps, width):
    x, pad = noise(trials)
    add_tone(x, pad + column, steps, width, 25.0)
    best = []
    for kind in (CoarseSearch, ManySpectraSearch):
        above = np.zeros(x.shape[1], np.uint8)
        seeds = kind(trials, N_SPECTRA, 8.0).seeds(x, [(pad, pad + COLUMNS)], above, pool)
        best.append(min(seeds, key=lambda seed: seed.order))
        assert above[pad + column]
    exact, shared = best
    # A line of whole channels along an exact path is the worst case: each sample that is a channel off is lost.
    assert shared.value > 0.85 * exact.value
    assert abs(shared.column - exact.column) <= shared.width + 1
    assert abs(shared.steps - exact.steps) <= shared.steps_reach


def test_noise_has_no_seeds(pool, trials):
    x, pad = noise(trials)
    above = np.zeros(x.shape[1], np.uint8)
    assert ManySpectraSearch(trials, N_SPECTRA, 7.0).seeds(x, [(pad, pad + COLUMNS)], above, pool) == []
    assert not above.any()


def test_pieces_find_the_same(pool, trials):
    x, pad = noise(trials)
    add_tone(x, pad + 1200, 101, 1, 25.0)
    search = ManySpectraSearch(trials, N_SPECTRA, 8.0)
    above = np.zeros((2, x.shape[1]), np.uint8)
    whole = search.seeds(x, [(pad, pad + COLUMNS)], above[0], pool)
    # Strides and tiles divide 1024.
    parts = search.seeds(x, [(pad, pad + 1024), (pad + 1024, pad + COLUMNS)], above[1], pool)
    assert max(whole, key=lambda seed: seed.value) == max(parts, key=lambda seed: seed.value)
    np.testing.assert_array_equal(*above)


def test_the_number_of_threads_changes_nothing(trials, monkeypatch):
    """Drifts and starts are shared among threads; low enough a threshold, and noise has seeds everywhere."""
    monkeypatch.setattr(many_spectra, "STARTS_PER_TASK", 1024)
    x, pad = noise(trials)
    add_tone(x, pad + 1200, 101, 1, 25.0)
    found, above = [], np.zeros((2, x.shape[1]), np.uint8)
    for k, threads in enumerate((1, 5)):
        with ThreadPoolExecutor(threads) as pool:
            search = ManySpectraSearch(trials, N_SPECTRA, 4.0)
            found.append(search.seeds(x, [(pad, pad + COLUMNS)], above[k], pool))
    assert len(found[0]) > 100
    assert found[0] == found[1]
    np.testing.assert_array_equal(*above)


def test_few_channels_are_shared_among_threads():
    """A file of one tile is several tasks: the drifts are shared."""

    class Counted(ThreadPoolExecutor):
        tasks = 0

        def submit(self, *arguments):
            self.tasks += 1
            return super().submit(*arguments)

    trials = plan_width_trials(2114, 256)
    pad = 256 + 2 * widest_box(trials)
    with Counted(1) as pool:
        x = np.zeros((2114, 256 + 2 * pad), np.float32)
        above = np.zeros(x.shape[1], np.uint8)
        assert ManySpectraSearch(trials, 2114, 8.0).seeds(x, [(pad, pad + 256)], above, pool) == []
        assert pool.tasks >= 2
