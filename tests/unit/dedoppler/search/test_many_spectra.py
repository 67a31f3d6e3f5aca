"""The coarse search of many spectra, beside that of few."""

import numpy as np
import pytest

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
def test_it_finds_what_the_search_of_few_spectra_finds(trials, column, steps, width):
    x, pad = noise(trials)
    add_tone(x, pad + column, steps, width, 25.0)
    best = []
    for kind in (CoarseSearch, ManySpectraSearch):
        above = np.zeros(COLUMNS, np.uint8)
        seeds = kind(trials, N_SPECTRA, 8.0).seeds(x, pad, pad + COLUMNS, above)
        best.append(min(seeds, key=lambda seed: seed.order))
        assert above[column]
    exact, shared = best
    # A line of whole channels along an exact path is the worst case: each sample that is a channel off is lost.
    assert shared.value > 0.85 * exact.value
    assert abs(shared.column - exact.column) <= shared.width + 1
    assert abs(shared.steps - exact.steps) <= shared.steps_reach


def test_noise_has_no_seeds(trials):
    x, pad = noise(trials)
    above = np.zeros(COLUMNS, np.uint8)
    assert ManySpectraSearch(trials, N_SPECTRA, 7.0).seeds(x, pad, pad + COLUMNS, above) == []
    assert not above.any()


def test_pieces_find_the_same(trials):
    x, pad = noise(trials)
    add_tone(x, pad + 1200, 101, 1, 25.0)
    search = ManySpectraSearch(trials, N_SPECTRA, 8.0)
    above = np.zeros(COLUMNS, np.uint8)
    whole = search.seeds(x, pad, pad + COLUMNS, above)
    # Strides and tiles divide 1024.
    parts = search.seeds(x, pad, pad + 1024, np.zeros(1024, np.uint8))
    parts += search.seeds(x, pad + 1024, pad + COLUMNS, np.zeros(COLUMNS, np.uint8))
    assert max(whole, key=lambda seed: seed.value) == max(parts, key=lambda seed: seed.value)
