"""The part of a tone's best statistic that the search finds, without noise.

Efficiency is the statistic found over the best of all boxes: all start channels, steps and widths. The
sub-channel phases and drifts of the tones are random, and so is their place in the grid of starts and drifts.
"""

from dataclasses import dataclass, replace

import numpy as np

from science.measure.search import tone
from science.measure.trial_statistics import trial_statistics
from science.simulator import make_header, tone_power
from services.dedoppler.kernels.refine import Limits, Place, refine
from services.dedoppler.search.width_trials import WidthTrial, plan_width_trials, widest_box

CHANNEL = 2000
DURATION_S = 273.804


@dataclass(frozen=True)
class TestTone:
    """A tone of best statistic 1: its steps, its channel, and its power from `first` on, (T, channels)."""

    __test__ = False

    drift_rate_hz_s: float
    steps: float
    channel: float
    first: int
    power: np.ndarray


def tones(n_spectra: int, number: int, seed: int, max_drift: float = 4.0) -> tuple[int, list[TestTone]]:
    """Return the largest drift steps, and tones: one at a random place in each of `number` equal intervals of drift.

    All observations have the same duration, whatever their number of spectra.
    """
    header = make_header(2 * CHANNEL, n_spectra, tsamp_s=DURATION_S / (n_spectra - 1))
    max_steps = header.max_drift_steps(max_drift)
    rng = np.random.default_rng(seed)
    made = []
    for k in range(number):
        steps = max_steps * (k + rng.uniform()) / number * rng.choice([-1, 1])
        # The widest stride for these drifts divides 512, so all phases occur.
        channel = CHANNEL + rng.uniform(0, 512)
        first, power = tone_power(header, tone(header, channel, steps, 1.0))
        made.append(TestTone(header.drift_rate_hz_s(steps), steps, channel, first, power))
    return max_steps, made


def efficiency(trials: tuple[WidthTrial, ...], max_steps: int, one: TestTone) -> tuple[float, float]:
    """Return the efficiency of one tone before and after refinement."""
    n_spectra = len(one.power)
    widest = widest_box(trials)
    # The grid of starts is independent of the tone: it begins at a multiple of every stride.
    pad = -(-(2 * max_steps + 2 * widest) // 512) * 512
    x = np.zeros((n_spectra, one.first + one.power.shape[1] + 2 * pad), np.float32)
    x[:, pad + one.first : pad + one.first + one.power.shape[1]] = one.power
    best, seed = 0.0, Place(0, 0, 1)
    for trial in trials:
        near = trial.steps[np.abs(trial.steps - one.steps) <= 1.5 * trial.width + 3]
        if len(near):
            reach = 2 * trial.width + 8
            low = (pad + int(one.channel) - reach) // trial.stride * trial.stride
            found = trial_statistics(x, low, 2 * reach // trial.stride, replace(trial, steps=near))
            d, i = np.unravel_index(np.argmax(found), found.shape)
            if found[d, i] > best:
                best, seed = float(found[d, i]), Place(low + int(i) * trial.stride, int(near[d]), trial.width)
    limits = Limits(pad, x.shape[1] - pad, max_steps, widest)
    after, *_ = refine(x, seed, seed.width + 1, limits)
    return best, after


def efficiencies(n_spectra: int, number: int, seed: int, max_drift: float = 4.0) -> np.ndarray:
    """Return float64 (number, 3): |drift| in Hz/s, efficiency before and after refinement."""
    max_steps, made = tones(n_spectra, number, seed, max_drift)
    trials = plan_width_trials(n_spectra, max_steps)
    return np.array([(abs(one.drift_rate_hz_s), *efficiency(trials, max_steps, one)) for one in made])
