"""How long the search takes on this machine, and how many requests the gateway answers: `python -m tests.bench`.

Every figure of the search is the median of several runs after one that is not counted; kernels are compiled before.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from rich.console import Console
from rich.table import Table

from services.dedoppler.domain import plan_rungs, widest_box
from services.dedoppler.measure import search_chunk
from services.dedoppler.noise import condition
from services.dedoppler.search import Region, Search
from shared.events import Chunk, SearchParameters
from shared.simulator import simulate, voyager_1
from tests.bench import gateway

DRIFT_RANGES_HZ_S = (4.0, 10.0, 50.0)


def median_s(work: Callable[[], object], runs: int) -> float:
    """Median wall time of `work` over `runs` runs, s, after one for warming up."""
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Time the search on this machine.")
    parser.add_argument("--runs", type=int, default=5, help="runs per figure (default 5)")
    runs = parser.parse_args().runs
    console = Console()
    console.print("Simulating 16 spectra of 2^20 channels (Voyager 1 and its noise) ...")
    scene, _ = voyager_1()
    power, header = simulate(scene), scene.header
    channels = header.n_channels
    chunk = Chunk(
        index=0, count=1, start_channel=0, stop_channel=channels, read_start_channel=0, read_stop_channel=channels
    )
    table = Table(title="16 x 2^20 channels, SNR threshold 10: median seconds", title_justify="left")
    for heading in ("Drift range, Hz/s", "Threads", "Conditioning", "Search", "All, power to hits", "Channels per s"):
        table.add_column(heading, justify="right")
    for drift in DRIFT_RANGES_HZ_S:
        for threads in sorted({1, os.cpu_count() or 1}):
            table.add_row(f"±{drift:g}", str(threads), *_row(power, header, chunk, drift, threads, runs))
    console.print(table)
    asyncio.run(gateway.measure(console))


def _row(power: np.ndarray, header, chunk: Chunk, drift: float, threads: int, runs: int) -> list[str]:
    parameters = SearchParameters(max_drift_rate_hz_s=drift)
    max_steps = header.max_drift_steps(drift)
    rungs = plan_rungs(header.n_spectra, max_steps)
    pad = max_steps + 2 * widest_box(rungs)
    with ThreadPoolExecutor(threads) as pool:
        conditioned = condition(power, header, 0, pad, pool)
        assert conditioned is not None
        region = Region(pad, pad + power.shape[1])
        conditioning_s = median_s(lambda: condition(power, header, 0, pad, pool), runs)
        search_s = median_s(lambda: Search(conditioned.x, region, rungs, parameters.snr_threshold, pool).boxes(), runs)
        all_s = median_s(lambda: search_chunk(power, header, chunk, parameters, pool), runs)
    return [f"{conditioning_s:.3f}", f"{search_s:.3f}", f"{all_s:.3f}", f"{power.shape[1] / all_s:,.0f}"]


if __name__ == "__main__":
    main()
