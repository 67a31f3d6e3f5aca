"""How much of a tone's best statistic the ladder sees before refinement, without noise.

Tones with random sub-channel phase and drift; 1 is the best over all widths, phases and drifts.
"""

import numpy as np
import pytest

from services.dedoppler.domain import LADDER_EFFICIENCY, plan_rungs
from services.dedoppler.kernels.ladder import rung_statistics
from shared.simulator import tone_power
from tests.unit.dedoppler.scenes import make_header, tone

CHANNEL = 2000
N_CHANNELS = 4096


def efficiencies(n_spectra, n_tones, seed, max_drift=4.0):
    """Largest statistic on any rung for each of `n_tones` tones of statistic 1."""
    header = make_header(N_CHANNELS, n_spectra, tsamp_s=273.804 / (n_spectra - 1))
    max_steps = header.max_drift_steps(max_drift)
    rungs = plan_rungs(n_spectra, max_steps)
    rng = np.random.default_rng(seed)
    pad = 2 * max_steps + 1024
    found = []
    for k in range(n_tones):
        # Half of them over all the range, half where one channel per spectrum is not reached.
        steps = rng.uniform(-max_steps, max_steps) if k % 2 else rng.uniform(-1, 1) * (n_spectra - 1)
        first, power = tone_power(header, tone(header, CHANNEL + rng.uniform(0, 1), steps, 1.0))
        x = np.zeros((n_spectra, N_CHANNELS + 2 * pad), np.float32)
        x[:, pad + first : pad + first + power.shape[1]] = power
        # Starts on the grid that a search from the file's first channel has.
        best = 0.0
        for rung in rungs:
            reach = 8 * rung.width + 16
            low = (CHANNEL - reach) // rung.hop * rung.hop
            near = rung.steps[np.abs(rung.steps - steps) <= 2 * rung.width + 4]
            if len(near):
                count = 2 * reach // rung.hop
                best = max(best, rung_statistics(x, pad + low, count, rung.width, rung.hop, near).max())
        found.append(best)
    return np.array(found)


def test_efficiency_of_sixteen_spectra():
    """Mean at least 0.93 and least at least 0.85, over 400 tones."""
    efficiency = efficiencies(16, 400, seed=1)
    assert efficiency.mean() >= 0.93
    assert efficiency.min() >= 0.85
    # Nothing is counted twice: the best of all is 1, to rounding.
    assert efficiency.max() <= 1 + 1e-5


@pytest.mark.parametrize("n_spectra", [2, 3, 4, 8, 15, 17, 60])
def test_seeds_are_kept_whatever_the_number_of_spectra(n_spectra):
    """No tone falls below what the search of seeds allows for, so none at the threshold is lost before refinement."""
    efficiency = efficiencies(n_spectra, 60, seed=2)
    assert efficiency.mean() >= 0.92
    assert efficiency.min() >= LADDER_EFFICIENCY + 0.04


def test_efficiency_up_to_fifty():
    efficiency = efficiencies(16, 60, seed=3, max_drift=50.0)
    assert efficiency.mean() >= 0.93
    assert efficiency.min() >= 0.85
