"""Hits with known shapes: simulated observations, searched by the real search."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from science.simulator.emissions import emission_power
from science.simulator.scene import simulate
from science.simulator.tones import path_offsets
from science.training.signals import Observation, draw_observation
from services.classify.evidence import Evidence
from services.classify.measurement import measure_hits
from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.noise.scratch import Scratch
from shared.events import Chunk, SearchParameters
from shared.header import Header
from shared.hits import ChunkHits
from shared.labels import NOISE

# A hit belongs to the emission that explains at least half of its SNR. It counts if it has at least half the SNR of
# that emission's strongest hit. A hit that no emission explains, but that is near one, is an artefact and is left out.
EXPLAINED, WORTH = 0.5, 0.5
# The noise is measured per 2048 channels, so a strong wide emission leaves wide artefacts farther away.
NEAR_CHANNELS, NEAR_WIDE_CHANNELS, WIDE_CHANNELS = 600, 6000, 48
MOST_FALSE_ALARMS = 40

Placed = Sequence[tuple[int, npt.NDArray[np.float64]]]


@dataclass(frozen=True)
class Labelled:
    """A hit, its true shape, and whether it is the strongest of its emission."""

    evidence: Evidence
    truth: str
    strongest: bool


def search(power: npt.NDArray[np.float32], header: Header, parameters: SearchParameters) -> ChunkHits:
    """Search a whole observation as one chunk, on one thread."""
    n = header.n_channels
    chunk = Chunk(index=0, count=1, start_channel=0, stop_channel=n, read_start_channel=0, read_stop_channel=n)
    with ThreadPoolExecutor(1) as pool:
        return search_chunk(power, header, chunk, parameters, pool, Scratch())


def _expected(hit: npt.NDArray[np.void], placed: Placed, n_spectra: int) -> npt.NDArray[np.float64]:
    """Return the SNR that each emission alone leaves in a hit's box."""
    offsets = int(hit["channel"]) + path_offsets(n_spectra, int(hit["steps"]))
    width = int(hit["width"])
    shares = np.zeros(len(placed))
    for i, (first, power) in enumerate(placed):
        low, high = offsets.min() - first, offsets.max() + width - first
        if high < 0 or low > power.shape[1]:
            continue
        columns = offsets[:, None] - first + np.arange(width)
        inside = (columns >= 0) & (columns < power.shape[1])
        rows = np.arange(n_spectra)[:, None]
        shares[i] = float(np.where(inside, power[rows, np.clip(columns, 0, power.shape[1] - 1)], 0.0).sum())
    shares /= np.sqrt(n_spectra * width)
    return shares


def match(hits: npt.NDArray[np.void], placed: Placed, n_spectra: int) -> list[int | None]:
    """Return for each hit the emission that it belongs to, -1 if none is near, None if that is unclear."""
    owners: list[int | None] = []
    for hit in hits:
        expected = _expected(hit, placed, n_spectra)
        best = int(np.argmax(expected)) if len(expected) else -1
        reach = NEAR_WIDE_CHANNELS if hit["width"] > WIDE_CHANNELS else NEAR_CHANNELS
        low = int(hit["channel"]) + min(0, int(hit["steps"])) - reach
        high = int(hit["channel"]) + max(0, int(hit["steps"])) + int(hit["width"]) + reach
        near = any(first < high and first + power.shape[1] > low for first, power in placed)
        if len(expected) and expected[best] >= EXPLAINED * hit["snr"]:
            owners.append(best)
        else:
            owners.append(None if near else -1)
    return owners


def label_hits(
    evidence: Sequence[Evidence], hits: npt.NDArray[np.void], owners: Sequence[int | None], truths: Sequence[str]
) -> list[Labelled]:
    """Return hits with their true shape; those of no emission are NOISE, at most the first 40 of them."""
    brightest: dict[int, float] = {}
    for hit, owner in zip(hits, owners, strict=True):
        if owner is not None and owner >= 0:
            brightest[owner] = max(brightest.get(owner, 0.0), float(hit["snr"]))
    found, false_alarms = [], 0
    for item, hit, owner in zip(evidence, hits, owners, strict=True):
        if owner is None:
            continue
        if owner < 0:
            false_alarms += 1
            if false_alarms <= MOST_FALSE_ALARMS:
                found.append(Labelled(item, NOISE, True))
        elif hit["snr"] >= WORTH * brightest[owner]:
            found.append(Labelled(item, truths[owner], bool(hit["snr"] == brightest[owner])))
    return found


def observe(observation: Observation) -> list[Labelled]:
    """Simulate and search an observation; return its labelled hits."""
    header = observation.scene.header
    parameters = SearchParameters(
        snr_threshold=observation.snr_threshold, max_drift_rate_hz_s=observation.max_drift_hz_s
    )
    found = search(simulate(observation.scene), header, parameters)
    measured = measure_hits(header, parameters, [found])
    placed = [emission_power(header, emission) for emission in observation.scene.emissions]
    owners = match(measured.hits, placed, header.n_spectra)
    return label_hits(measured.evidence, measured.hits, owners, observation.truths)


def observe_seed(seed: int) -> list[Labelled]:
    """Return the labelled hits of the observation of one seed."""
    return observe(draw_observation(seed))
