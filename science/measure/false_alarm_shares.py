"""The shares of `services.dedoppler.false_alarms`, by importance sampling.

The Poisson clumping heuristic counts some chance boxes too often, the more so the wider they are. For boxes of each
octave of widths, this program compares the hits that the search itself makes of them in noise with the heuristic.
`python -m science.measure.false_alarm_shares` takes about ten minutes.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from science.measure.false_alarms import exceedance, last_of_its_clump, seen_steps
from science.measure.importance import SCENE_CHANNELS, Grid, sampled_hits_per_channel
from science.simulator import make_header

GRIDS = (
    (Grid(), 6.0),
    (Grid(), 7.5),
    (Grid(max_drift_hz_s=0.3), 6.0),
    (Grid(max_drift_hz_s=50.0), 6.0),
    (Grid(n_spectra=4), 7.0),
    (Grid(n_spectra=60, max_drift_hz_s=1.0), 6.5),
    (Grid(averaged_spectra=2.0), 8.0),
)
SAMPLES = 2500
# From one to the next, without the end; named by their geometric middles.
OCTAVES = ((1, 2), (2, 3), (3, 6), (6, 12), (12, 24), (24, 48))
# An octave that contributes less than this to a grid's hits is measured too badly there to count.
LEAST_PART = 0.02


def shares(snr: float, grid: Grid, samples: int, seed: int) -> list[tuple[float, float]]:
    """Return the share of each octave and its standard error; NaN where a grid has hardly any boxes."""
    max_steps = make_header(SCENE_CHANNELS, grid.n_spectra).max_drift_steps(grid.max_drift_hz_s)
    seen = seen_steps(grid.n_spectra, max_steps).sum(axis=1)
    counted = np.array(
        [
            number
            * last_of_its_clump(snr / math.sqrt(width)) ** 3
            * exceedance(snr, width, grid.n_spectra, grid.averaged_spectra)
            for width, number in enumerate(seen)
            if width
        ]
    )
    with ThreadPoolExecutor(1) as pool:
        widths, values = sampled_hits_per_channel(snr, samples, seed, pool, grid)
    found = []
    for low, stop in OCTAVES:
        part = float(counted[low - 1 : stop - 1].sum())
        of_octave = np.where((low <= widths) & (widths < stop), values, 0.0)
        if part < LEAST_PART * counted.sum():
            found.append((math.nan, math.nan))
        else:
            found.append((float(of_octave.mean()) / part, float(of_octave.std()) / math.sqrt(samples) / part))
    return found


def main() -> None:
    """Measure the shares and print them."""
    measured = np.array(
        [shares(snr, grid, SAMPLES, seed) for seed, (grid, snr) in enumerate(track(GRIDS, "Sampling"), start=1)]
    )
    share, error = measured[..., 0], measured[..., 1]
    table = Table("widths", *(f"T {g.n_spectra}, {g.max_drift_hz_s:g} Hz/s, SNR {snr:g}" for g, snr in GRIDS), "median")
    together = np.nanmedian(share, axis=0)
    for k, (low, stop) in enumerate(OCTAVES):
        cells = ["" if math.isnan(s) else f"{s:.2f} ± {e:.2f}" for s, e in zip(share[:, k], error[:, k], strict=True)]
        table.add_row(f"{low} to {stop - 1}", *cells, f"{together[k]:.2f}")
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
