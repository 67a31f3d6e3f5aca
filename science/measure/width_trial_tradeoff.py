"""Cost and efficiency of denser or sparser width trials: `python -m science.measure.width_trial_tradeoff`.

For each density: efficiency before refinement of tones of 16 spectra (mean and least, up to 4 Hz/s), and the seconds of
one thread's search of 16 x 2^20 channels of noise. Draws the trade-off into out/science/width_trial_tradeoff.png.
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
from services.dedoppler.search.width_trials import WIDTH_TRIALS, TrialDensity, WidthTrial, plan_width_trials, widest_box

ROOT = Path(__file__).parents[2]
N_SPECTRA, N_CHANNELS, THRESHOLD = 16, 2**20, 10.0
DENSITIES = [
    TrialDensity(mantissas, strides, drifts)
    for mantissas, strides, drifts in itertools.product(((4,), (4, 6), (4, 5, 6)), (2, 4, 6, 8), (1, 2, 3, 4))
]


def search_s(x: np.ndarray, pad: int, trials: tuple[WidthTrial, ...], runs: int) -> float:
    """Return the least processor time of a search on one thread, s."""
    took = []
    with ThreadPoolExecutor(1) as pool:
        for _ in range(runs):
            began = time.process_time()
            Search(x, Region(pad, pad + N_CHANNELS), trials, THRESHOLD, pool).boxes()
            took.append(time.process_time() - began)
    return min(took)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m science.measure.width_trial_tradeoff")
    parser.add_argument("--tones", type=int, default=400)
    parser.add_argument("--runs", type=int, default=3, help="runs per timing, of which the least counts")
    arguments = parser.parse_args()
    console = Console()
    max_steps, made = tones(N_SPECTRA, arguments.tones, seed=60)
    pad = max_steps + 2 * widest_box(plan_width_trials(N_SPECTRA, max_steps))
    x = np.zeros((N_SPECTRA, N_CHANNELS + 2 * pad), np.float32)
    x[:, pad:-pad] = np.random.default_rng(1).standard_normal((N_SPECTRA, N_CHANNELS), np.float32)
    results = []
    for density in track(DENSITIES, "Densities", console=console):
        trials = plan_width_trials(N_SPECTRA, max_steps, density)
        before = np.array([efficiency(trials, max_steps, one)[0] for one in made])
        results.append((density, before.mean(), before.min(), search_s(x, pad, trials, arguments.runs)))
    results.sort(key=lambda row: row[3])
    table = Table("Octave", "Strides per box", "Drifts per width", "Mean", "Least", "Seconds", title_justify="left")
    for density, mean, least, seconds in results:
        octave = ", ".join(map(str, density.mantissas))
        table.add_row(
            octave,
            str(density.strides_per_box),
            str(density.drifts_per_width),
            f"{mean:.3f}",
            f"{least:.3f}",
            f"{seconds:.3f}",
            style="bold" if density == WIDTH_TRIALS else None,
        )
    console.print(table)
    path = ROOT / "out" / "science" / "width_trial_tradeoff.png"
    curves.tradeoff(
        [(mean, least, seconds, density == WIDTH_TRIALS) for density, mean, least, seconds in results], path
    )
    console.print(f"The density in use is in bold; {path}")


if __name__ == "__main__":
    main()
