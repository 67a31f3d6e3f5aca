"""What a finer or coarser ladder costs and gives: `python -m science.measure.ladder_tradeoff`.

For each shape: efficiency before refinement of tones of 16 spectra (mean and least, up to 4 Hz/s), and the seconds of
one thread's search of 16 x 2^20 channels of noise. Draws the trade-off into out/science/ladder_tradeoff.png.
"""

import argparse
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from science.measure import curves
from science.measure.efficiency import efficiency, tones
from services.dedoppler.search.boxes import Region, Search
from services.dedoppler.search.width_trials import LADDER, LadderShape, Rung, plan_rungs, widest_box

ROOT = Path(__file__).parents[2]
N_SPECTRA, N_CHANNELS, THRESHOLD = 16, 2**20, 10.0
SHAPES = [
    LadderShape(mantissas, hops, drifts)
    for mantissas, hops, drifts in itertools.product(((4,), (4, 6), (4, 5, 6)), (2, 4, 6, 8), (1, 2, 3, 4))
]


def search_s(x: np.ndarray, pad: int, rungs: tuple[Rung, ...], runs: int) -> float:
    """Least processor time of one thread's search, s."""
    took = []
    with ThreadPoolExecutor(1) as pool:
        for _ in range(runs):
            began = time.process_time()
            Search(x, Region(pad, pad + N_CHANNELS), rungs, THRESHOLD, pool).boxes()
            took.append(time.process_time() - began)
    return min(took)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m science.measure.ladder_tradeoff")
    parser.add_argument("--tones", type=int, default=400)
    parser.add_argument("--runs", type=int, default=3, help="runs per timing, of which the least counts")
    arguments = parser.parse_args()
    console = Console()
    max_steps, made = tones(N_SPECTRA, arguments.tones, seed=60)
    pad = max_steps + 2 * widest_box(plan_rungs(N_SPECTRA, max_steps))
    x = np.zeros((N_SPECTRA, N_CHANNELS + 2 * pad), np.float32)
    x[:, pad:-pad] = np.random.default_rng(1).standard_normal((N_SPECTRA, N_CHANNELS), np.float32)
    results = []
    for shape in track(SHAPES, "Ladders", console=console):
        rungs = plan_rungs(N_SPECTRA, max_steps, shape)
        before = np.array([efficiency(rungs, max_steps, one)[0] for one in made])
        results.append((shape, before.mean(), before.min(), search_s(x, pad, rungs, arguments.runs)))
    results.sort(key=lambda row: row[3])
    table = Table("Octave", "Hops per box", "Drifts per width", "Mean", "Least", "Seconds", title_justify="left")
    for shape, mean, least, seconds in results:
        octave = ", ".join(map(str, shape.mantissas))
        table.add_row(
            octave,
            str(shape.hops_per_box),
            str(shape.drifts_per_width),
            f"{mean:.3f}",
            f"{least:.3f}",
            f"{seconds:.3f}",
            style="bold" if shape == LADDER else None,
        )
    console.print(table)
    path = ROOT / "out" / "science" / "ladder_tradeoff.png"
    curves.tradeoff([(mean, least, seconds, shape == LADDER) for shape, mean, least, seconds in results], path)
    console.print(f"The ladder in use is in bold; {path}")


if __name__ == "__main__":
    main()
