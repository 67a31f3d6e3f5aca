"""How much of a tone's best statistic the search sees, without noise.

Efficiency is the statistic found over the best of all boxes: all start channels, steps and widths. Tones have
sub-channel phases and drifts drawn at random; so are the places of the ladder's starts and drifts relative to them.
"""

from dataclasses import dataclass

import numpy as np

from science.measure.search import tone
from science.simulator import make_header, tone_power
from services.dedoppler.kernels.refine import refine
from services.dedoppler.search.width_trials import Rung, plan_rungs, widest_box
from tests.unit.dedoppler.channels import rung_statistics

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
    """(steps at the end of the range, tones), spread evenly over 0 to max_drift with a random place in each interval.

    All observations last as long, whatever their spectra.
    """
    header = make_header(2 * CHANNEL, n_spectra, tsamp_s=DURATION_S / (n_spectra - 1))
    max_steps = header.max_drift_steps(max_drift)
    rng = np.random.default_rng(seed)
    made = []
    for k in range(number):
        steps = max_steps * (k + rng.uniform()) / number * rng.choice([-1, 1])
        # The ladder's widest hop for these drifts divides 512: all phases occur.
        channel = CHANNEL + rng.uniform(0, 512)
        first, power = tone_power(header, tone(header, channel, steps, 1.0))
        made.append(TestTone(header.drift_rate_hz_s(steps), steps, channel, first, power))
    return max_steps, made


def efficiency(rungs: tuple[Rung, ...], max_steps: int, one: TestTone) -> tuple[float, float]:
    """(before refinement, after it) of one tone."""
    n_spectra = len(one.power)
    widest = widest_box(rungs)
    # A grid of starts that does not know of the tone: it begins at a multiple of every hop.
    pad = -(-(2 * max_steps + 2 * widest) // 512) * 512
    x = np.zeros((n_spectra, one.first + one.power.shape[1] + 2 * pad), np.float32)
    x[:, pad + one.first : pad + one.first + one.power.shape[1]] = one.power
    best, seed = 0.0, (0, 0, 1)
    for rung in rungs:
        near = rung.steps[np.abs(rung.steps - one.steps) <= 1.5 * rung.width + 3]
        if len(near):
            reach = 2 * rung.width + 8
            low = (pad + int(one.channel) - reach) // rung.hop * rung.hop
            found = rung_statistics(x, low, 2 * reach // rung.hop, rung.width, rung.hop, near)
            d, i = np.unravel_index(np.argmax(found), found.shape)
            if found[d, i] > best:
                best, seed = float(found[d, i]), (low + int(i) * rung.hop, int(near[d]), rung.width)
    region = pad, x.shape[1] - pad
    after, *_ = refine(x, *region, *seed, seed[2] + 1, max_steps, widest)
    return best, after


def efficiencies(n_spectra: int, number: int, seed: int, max_drift: float = 4.0) -> np.ndarray:
    """(number, 3): |drift| in Hz/s, efficiency before and after refinement."""
    max_steps, made = tones(n_spectra, number, seed, max_drift)
    rungs = plan_rungs(n_spectra, max_steps)
    return np.array([(abs(one.drift_rate_hz_s), *efficiency(rungs, max_steps, one)) for one in made])
