"""Measure the time from file to hits for observations of many spectra, beside 16 spectra of as many samples.

Each file holds noise alone in 8 bits, or in one bit as pulsar surveys store it, and is searched up to 4 Hz/s. In the
files of many spectra that is a range as wide as the band. The coarse search alone is measured by the processor time of
one thread, which other work on the machine disturbs little.
"""

import asyncio
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from science.simulator import make_header
from science.simulator.writers import sigproc_header
from services.dedoppler.search.many_spectra import ManySpectraSearch
from services.dedoppler.search.width_trials import plan_width_trials, widest_box
from shared.header import Header
from tests.bench.files import file_to_hits

RUNS = 3
THRESHOLD = 8.0
# Spectra by channels, all of 2^24 samples but the last, and bits.
SHAPES = ((16, 2**20, 8), (4096, 4096, 8), (16_384, 1024, 8), (65_536, 256, 8), (262_144, 64, 8), (1_000_000, 1024, 1))
# Spectra, channels, and drift steps of the coarse search alone.
SEARCHED = ((2114, 256, 256), (16_384, 1024, 1024), (1024, 16_384, 1023), (4096, 4096, 4095))
ONE_BIT = {"foff_mhz": -1.0, "tsamp_s": 64e-6}


def measure(console: Console, folder: Path) -> None:
    """Measure, and print the tables."""
    _measure_search(console)
    table = Table(title="Noise of many spectra, file to hits: median seconds", title_justify="left")
    for heading in ("Spectra x channels", "Bits", "Seconds", "ns / sample", "Hits"):
        table.add_column(heading, justify="right")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for n_spectra, n_channels, n_bits in SHAPES:
            header = make_header(n_channels, n_spectra, n_bits=n_bits, **(ONE_BIT if n_bits == 1 else {}))
            path = folder / "many.fil"
            write_noise(path, header)
            asyncio.run(file_to_hits(path, pool))
            results = [asyncio.run(file_to_hits(path, pool)) for _ in range(RUNS)]
            path.unlink()
            took = statistics.median(seconds for seconds, _ in results)
            table.add_row(
                f"{n_spectra} x {n_channels}",
                str(n_bits),
                f"{took:.2f}",
                f"{took / n_spectra / n_channels * 1e9:.1f}",
                str(results[0][1]),
            )
    console.print(table)


def _measure_search(console: Console) -> None:
    table = Table(title="Coarse search alone: processor time on one thread", title_justify="left")
    for heading in ("Spectra x channels", "Drift steps", "Seconds", "ns / sample"):
        table.add_column(heading, justify="right")
    with ThreadPoolExecutor(1) as pool:
        for n_spectra, n_channels, max_steps in SEARCHED:
            trials = plan_width_trials(n_spectra, max_steps)
            pad = max_steps + 2 * widest_box(trials)
            x = np.zeros((n_spectra, n_channels + 2 * pad), np.float32)
            x[:, pad:-pad] = np.random.default_rng(1).standard_normal((n_spectra, n_channels), np.float32)
            above = np.zeros(x.shape[1], np.uint8)
            search = ManySpectraSearch(trials, n_spectra, THRESHOLD)
            search.seeds(x, [(pad, pad + 64)], above, pool)
            began = time.process_time()
            search.seeds(x, [(pad, pad + n_channels)], above, pool)
            took = time.process_time() - began
            per_sample = f"{took / n_spectra / n_channels * 1e9:.1f}"
            table.add_row(f"{n_spectra} x {n_channels}", str(max_steps), f"{took:.2f}", per_sample)
    console.print(table)


def write_noise(path: Path, header: Header) -> None:
    """Write a SIGPROC file of noise: Gaussian in 8 bits, or random bits."""
    rng = np.random.default_rng(1)
    rows = max(1, 2**22 // header.n_channels)
    with path.open("wb") as file:
        file.write(sigproc_header(header))
        for first in range(0, header.n_spectra, rows):
            shape = min(rows, header.n_spectra - first), header.n_channels
            if header.n_bits == 1:
                file.write(rng.bytes(shape[0] * shape[1] // 8))
            else:
                noise = rng.standard_normal(shape, np.float32) * 15 + 100
                file.write(noise.clip(1, 254).astype(np.uint8).tobytes())
