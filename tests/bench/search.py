"""Measure the seconds to search one coarse channel in memory, compared with turboSETI on the same samples.

Our figure is `search_chunk`, from raw power to hits: noise, coarse search and refinement ("search"), cut-outs,
waterfall. The table also shows noise and search alone. turboSETI's figure is `search_coarse_channel` on one core, from
its statistics to the .dat file; see `tests.bench.turboseti`. The last columns are turboSETI's seconds divided by the
seconds of our search, and by our seconds in total.
"""

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from science.simulator import simulate, voyager_1, write_h5
from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.noise.conditioning import condition
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.search.boxes import Region, Search
from services.dedoppler.search.width_trials import plan_width_trials, widest_box
from shared.events import Chunk, SearchParameters
from shared.header import Header
from tests.bench import peer

DRIFT_RANGES_HZ_S = (4.0, 10.0, 50.0)
# turboSETI takes over a minute for a wider range.
PEER_DRIFT_HZ_S = 4.0


def median_s(work: Callable[[], object], runs: int) -> float:
    """Return the median wall time of `work` in seconds over `runs` runs, after one that is not counted."""
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def measure(console: Console, folder: Path, warm: Path, *, runs: int, long: bool) -> None:
    """Measure, and print a table."""
    console.print("Simulating 16 spectra of 2^20 channels (Voyager 1 and its noise) ...")
    scene, _ = voyager_1()
    power, header = simulate(scene), scene.header
    theirs: dict[float, float] = {}
    if peer.is_installed():
        path = folder / "voyager.h5"
        write_h5(path, header, power)
        for drift in DRIFT_RANGES_HZ_S if long else [PEER_DRIFT_HZ_S]:
            console.print(f"turboSETI searches it, ±{drift:g} Hz/s ...")
            times = peer.run(path, warm, what="search", max_drift=drift, runs=3 if drift == PEER_DRIFT_HZ_S else 1)
            theirs[drift] = statistics.median(times.seconds)
        path.unlink()
    table = Table(title="16 x 2^20 channels, SNR threshold 10: median seconds", title_justify="left")
    headings = ("±Hz/s", "Threads", "Noise", "Search", "All", "turboSETI", "/ search", "/ all")
    for heading in headings:
        table.add_column(heading, justify="right")
    for drift in DRIFT_RANGES_HZ_S:
        for threads in sorted({1, os.cpu_count() or 1}):
            noise_s, search_s, all_s = _ours(power, header, drift, threads, runs)
            peer_s = theirs.get(drift)
            beside = ["-", "-", "-"]
            if peer_s is not None:
                beside = [f"{peer_s:.2f}", f"{peer_s / search_s:.1f}", f"{peer_s / all_s:.1f}"]
            table.add_row(f"{drift:g}", str(threads), f"{noise_s:.3f}", f"{search_s:.3f}", f"{all_s:.3f}", *beside)
    console.print(table)


def _ours(power: np.ndarray, header: Header, drift: float, threads: int, runs: int) -> tuple[float, float, float]:
    """Return the seconds of noise, of coarse search and refinement, and of all from raw power to hits."""
    channels = header.n_channels
    chunk = Chunk(
        index=0, count=1, start_channel=0, stop_channel=channels, read_start_channel=0, read_stop_channel=channels
    )
    parameters = SearchParameters(max_drift_rate_hz_s=drift)
    max_steps = header.max_drift_steps(drift)
    trials = plan_width_trials(header.n_spectra, max_steps)
    pad = max_steps + 2 * widest_box(trials)
    scratch = Scratch()
    with ThreadPoolExecutor(threads) as pool:
        conditioned = condition(power, header, 0, pad, pool, scratch)
        assert conditioned is not None
        region = Region(pad, pad + power.shape[1])
        return (
            median_s(lambda: condition(power, header, 0, pad, pool, scratch), runs),
            median_s(lambda: Search(conditioned.x, region, trials, parameters.snr_threshold, pool).boxes(), runs),
            median_s(lambda: search_chunk(power, header, chunk, parameters, pool, scratch), runs),
        )
