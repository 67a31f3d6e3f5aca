"""Tones in observations whose receiver's gain, or noise, changes with time."""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Literal

import numpy as np

from science.measure.search import search, tone
from science.simulator import Scene, make_header, simulate
from services.classify.classification import classify_observation
from services.classify.model import ShapeModel
from shared.arrays import Floats
from shared.events import SearchParameters

Cause = Literal["gain", "noise"]
CAUSES: tuple[Cause, ...] = ("gain", "noise")
N_SPECTRA, N_CHANNELS = 16, 2**13
# 0.3 Hz/s in the observations of `make_header`.
STEPS = 29.4


def _with(**changes: float) -> Floats:
    factor = np.ones(N_SPECTRA)
    for where, value in changes.items():
        first, _, stop = where.removeprefix("s").partition("_")
        factor[int(first) : int(stop or int(first) + 1)] = value
    return factor


# The factor of each spectrum.
KINDS: dict[str, Callable[[], Floats]] = {
    "steady": _with,
    "doubled from spectrum 8 on, spectrum 3 ten times": lambda: _with(s3=10.0, s8_16=2.0),
    "step to 4": lambda: _with(s8_16=4.0),
    "step to 0.5": lambda: _with(s8_16=0.5),
    "ramp from 1 to 3": lambda: np.asarray(np.linspace(1, 3, N_SPECTRA), np.float64),
    "one spectrum 1000 times": lambda: _with(s5=1000.0),
    "one dead spectrum": lambda: _with(s5=0.0),
    "one spectrum without a signal": lambda: _with(s5=1e-3),
    "four dead spectra": lambda: _with(s4_8=0.0),
    "periodic, 1 ± 0.5": lambda: np.tile([1.0, 1.5, 1.0, 0.5], N_SPECTRA // 4),
    "1 and 3 in turns": lambda: np.tile([1.0, 3.0], N_SPECTRA // 2),
}


def matched_share(factor: Floats, cause: Cause) -> float:
    """Return the SNR of the best sum over spectra as a part of that of a steady observation.

    Spectra of signal s_t and noise n_t give sqrt(sum (s_t / n_t)^2). A gain changes both alike; added noise leaves the
    signal as it is. A spectrum below a hundredth of the usual holds nothing.
    """
    alive = factor > 0.01
    ratio = alive * 1.0 if cause == "gain" else np.divide(1.0, factor, out=np.zeros_like(factor), where=alive)
    return float(np.sqrt(np.mean(ratio**2)))


def recovered(
    kind: str, cause: Cause, snr: float, seed: int, pool: Executor, model: ShapeModel
) -> list[tuple[float, str]]:
    """Return (stated SNR / matched SNR, shape) of each hit of an observation with one tone of 0.3 Hz/s.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    cause : Cause
        "gain": the factors are those of all samples. "noise": those of the noise, and the tone stays as it is.
    snr : float
        Of the tone in a steady observation.
    seed : int
        Of the noise.
    pool : Executor
        Threads of the search.
    model : ShapeModel
        Labels the hits.
    """
    header, factor = make_header(N_CHANNELS, N_SPECTRA), KINDS[kind]()
    scene = Scene(header, (tone(header, 3000.3, STEPS, snr),), seed=seed)
    both, noise = simulate(scene), simulate(Scene(header, seed=seed))
    column = factor[:, None].astype(np.float32)
    # A dead spectrum has no signal either.
    power = both * column if cause == "gain" else noise * column + (both - noise) * (column > 0.01)
    found = search(power, header, pool)
    hits = classify_observation(header, SearchParameters(), [found], model)
    matched = snr * matched_share(factor, cause)
    return [(float(hit.values["snr"]) / matched, hit.verdict.shape) for hit in hits]
