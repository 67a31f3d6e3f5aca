"""Measure what the zoomable waterfall costs: time beside the chunk's search, bytes beside the file.

The same chunk is searched with and without a pyramid, in alternating turns; the cost is the median of the differences.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from rich.console import Console
from rich.table import Table

from science.simulator import simulate, voyager_1
from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.pyramid import ChunkPyramid
from shared.chunks import ChunkPlan
from shared.events import SearchParameters
from shared.header import Header
from shared.waterfall import Manifest

DRIFT_HZ_S = 4.0


def measure(console: Console, *, runs: int) -> None:
    """Measure, and print a table."""
    console.print("Simulating 16 spectra of 2^20 channels (Voyager 1 and its noise) ...")
    scene, _ = voyager_1()
    power, header = simulate(scene), scene.header
    table = Table(title="Pyramid of 16 x 2^20 channels, ±4 Hz/s: milliseconds", title_justify="left")
    for heading in ("Threads", "Search, processor", "Search, wall", "Pyramid, processor", "Pyramid, wall", "% of file"):
        table.add_column(heading, justify="right")
    for threads in (1, 2):
        (processor, wall), (more_processor, more_wall), size = _cost(power, header, threads, max(9, runs))
        times = (processor, wall, more_processor, more_wall)
        table.add_row(str(threads), *(f"{1e3 * seconds:.1f}" for seconds in times), f"{100 * size / power.nbytes:.2f}")
    console.print(table)


def _cost(
    power: np.ndarray, header: Header, threads: int, runs: int
) -> tuple[tuple[float, float], tuple[float, float], int]:
    """Return processor and wall seconds of a search, those that a pyramid adds, and its bytes."""
    n = header.n_channels
    plan = ChunkPlan(n_channels=n, count=1, stride_channels=n, parts=1, overlap_channels=0)
    manifest = Manifest.of(header, DRIFT_HZ_S, plan, power.nbytes)
    parameters, scratch, size = SearchParameters(max_drift_rate_hz_s=DRIFT_HZ_S), Scratch(), 0
    without, added = [], []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(runs + 1):
            took = []
            for pyramid in (None, ChunkPyramid(manifest, plan.chunk(0))):
                began = time.process_time(), time.perf_counter()
                search_chunk(power, header, plan.chunk(0), parameters, pool, scratch, pyramid)
                if pyramid is not None:
                    size = len(pyramid.pyramid) + len(pyramid.samples)
                took.append((time.process_time() - began[0], time.perf_counter() - began[1]))
            without.append(took[0])
            added.append((took[1][0] - took[0][0], took[1][1] - took[0][1]))
    return _medians(without[1:]), _medians(added[1:]), size


def _medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    processor, wall = zip(*pairs, strict=True)
    return statistics.median(processor), statistics.median(wall)
