"""Tones of many strengths and drifts that cross: how many are found, missed, and how many hits are artefacts."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from science.measure.search import search, tone
from science.simulator import Scene, make_header, simulate
from shared.arrays import Hits

CHANNELS, FAINTEST_SNR, MOST_STEPS = 2**15, 15.0, 390
TABLE = ((64, 5000.0), (128, 5000.0), (256, 5000.0), (256, 100.0))


@dataclass(frozen=True)
class Crossings:
    """Hits that are tones, hits that are not, tones without a hit, and the median of SNR found / true."""

    real: int
    artefacts: int
    missed: int
    median_ratio: float


def crossings(pool: Executor, channels_apart: int, strongest: float, observations: int) -> Crossings:
    """Search observations with one tone per `channels_apart`, of SNR 15 to `strongest` (even in its logarithm).

    A hit is a tone if its middle is within 3 channels and half of the tone's smear, its drift within 4 steps and one
    and a half smears.
    """
    header, hits, ratios = make_header(CHANNELS), 0, []
    for seed in range(observations):
        rng, number = np.random.default_rng(seed), CHANNELS // channels_apart
        channel = rng.uniform(MOST_STEPS, CHANNELS - MOST_STEPS, number)
        steps = rng.uniform(-MOST_STEPS, MOST_STEPS, number)
        snr = np.exp(rng.uniform(np.log(FAINTEST_SNR), np.log(strongest), number))
        truth = list(zip(channel, steps, snr, strict=True))
        found = search(simulate(Scene(header, tuple(tone(header, *one) for one in truth), seed=seed)), header, pool)
        hits += len(found.hits)
        ratios += _ratios(found.hits, truth)
    tones = observations * (CHANNELS // channels_apart)
    return Crossings(len(ratios), hits - len(ratios), tones - len(ratios), float(np.median(ratios)))


def _ratios(hits: Hits, truth: Sequence[tuple[float, float, float]]) -> list[float]:
    """Return SNR found / true of each tone that has a hit."""
    left, ratios = list(truth), []
    for hit in hits[np.argsort(-hits["snr"])]:
        middle = hit["channel"] + (hit["width"] - 1) / 2 + hit["steps"] / 2
        for one in left:
            channel, steps, snr = one
            smear = abs(steps) / (make_header(CHANNELS).n_spectra - 1)
            if abs(channel + steps / 2 - middle) <= 3 + smear / 2 and abs(steps - hit["steps"]) <= 4 + 1.5 * smear:
                ratios.append(float(hit["snr"]) / snr)
                left.remove(one)
                break
    return ratios


def lines(pool: Executor) -> list[tuple[str, str, str]]:
    """Return rows of the table: what, found, asked."""
    rows = []
    for channels_apart, strongest in TABLE:
        found = crossings(pool, channels_apart, strongest, observations=2)
        rows.append(
            (
                f"Tones found / hits that are artefacts / missed: one per {channels_apart} channels, "
                f"SNR {FAINTEST_SNR:.0f} to {strongest:.0f}, ± 4 Hz/s",
                f"{found.real} / {found.artefacts} / {found.missed}",
                "artefacts at most 3 %",
            )
        )
    return rows
