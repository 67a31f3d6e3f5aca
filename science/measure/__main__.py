"""The accuracy of the search, with its curves: `python -m science.measure`, some minutes on two cores.

Writes figures and a table into out/science/, and two of the figures into docs/figures/ for the README. turboSETI
searches the same files where it is installed. `python -m science.measure.cadences` measures cadences alone.
"""

import argparse
import csv
import itertools
import math
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from science.measure import beside, cadences, crossings, curves, gains, wide_structure
from science.measure.chirps import NUMBER, chirps
from science.measure.efficiency import efficiencies
from science.measure.false_alarms import counted, threshold_for
from science.measure.importance import sampled_false_hits
from science.measure.recovery import header_of, pulls, recover, within_three
from science.simulator import make_header
from services.classify.model import load_model
from services.dedoppler.false_alarms import expected_at
from shared.events import SearchParameters
from shared.hits import ChunkNoise
from shared.labels import NARROWBAND_DRIFTING

ROOT = Path(__file__).parents[2]
SPECTRA = (15, 16, 17, 32, 60)
BITS = (8, 16, 32)
NOISE_SEEDS = range(3000, 3060)
# Levels, and drawn boxes, of the prediction.
FALSE_ALARM_SAMPLES = {6.0: 6000, 6.25: 1500, 6.5: 1500, 7.0: 1500}
NOISE_CHANNELS = 2**20
FALSE_ALARM_SNR = 6.0
# Of tones in observations whose gain changes.
GAIN_SNR, GAIN_SEEDS = 100.0, range(6)
DRIFT_EDGES = (0.0, 0.001, 0.2, 1.0, 2.0, 3.0, 3.9, 4.01)

Tell = Callable[[str], None]
Lines = list[tuple[str, str, str]]
Predicted = dict[float, tuple[float, float]]


def efficiency_lines(tell: Tell) -> tuple[Lines, np.ndarray]:
    """Measure the efficiency; required are a mean of 0.95 and a least of 0.88."""
    lines: Lines = []
    for n_spectra, number in ((16, 1500), (60, 300), (2, 300)):
        tell(f"efficiency, {n_spectra} spectra")
        table = efficiencies(n_spectra, number, seed=50)
        _, before, after = table.T
        for name, values in (("before", before), ("after", after)):
            of = f"Efficiency {name} refinement, T {n_spectra}, {number} tones: mean, least"
            lines.append((of, f"{values.mean():.3f}, {values.min():.3f}", "0.95, 0.88" if n_spectra == 16 else ""))
        if n_spectra == 16:
            kept = table
    return lines, kept


def recovery_lines(pool: Executor, tell: Tell) -> tuple[Lines, np.ndarray]:
    """Measure recovery for every T, sign of foff and number of bits, in half of the scenes by chunks."""
    lines, everything = [], []
    grids = list(itertools.product(SPECTRA, (-1, 1), BITS))
    for snr, asked in ((15.0, "0.99"), (12.5, "0.9")):
        parts, strangers = [], 0
        for k, grid in enumerate(grids):
            tell(f"recovery, SNR {snr:g}, T {grid[0]}, foff {grid[1]:+d}, {grid[2]} bits")
            rows, others = recover(header_of(*grid), snr, int(10 * snr) * 1000 + k, pool, chunked=(k + k // 2) % 2 == 1)
            parts.append(rows)
            strangers += others
        rows = np.concatenate(parts)
        everything.append(rows)
        at = f"SNR {snr:g}"
        lines += [
            (f"Recovered at {at}, {len(rows)} tones", f"{rows['found'].mean():.4f}", asked),
            (f"Least of the {len(grids)} grids at {at}", f"{min(part['found'].mean() for part in parts):.3f}", ""),
            (f"Other hits at {at}", str(strangers), "0"),
            (f"Stated SNR / true at {at}, median", f"{np.nanmedian(rows['snr_ratio']):.3f}", "1 ± 0.05"),
            (f"Frequency within three stated errors at {at}", f"{within_three(rows, 'frequency_pull'):.4f}", "0.99"),
            (f"Drift rate within three stated errors at {at}", f"{within_three(rows, 'drift_pull'):.4f}", "0.99"),
            (f"Scatter over stated error at {at}: frequency, drift", _scatter(rows), "1/3 to 1.2"),
        ]
    return lines, np.concatenate(everything)


def _scatter(rows: np.ndarray) -> str:
    return ", ".join(f"{pulls(rows, name).std():.2f}" for name in ("frequency_pull", "drift_pull"))


def false_alarm_lines(pool: Executor, tell: Tell) -> tuple[Lines, np.ndarray, Predicted]:
    """Count hits in observations of 16 x 2^20 of noise alone, and predict them at some levels."""
    header = make_header(NOISE_CHANNELS)
    predicted = {}
    for level, samples in FALSE_ALARM_SAMPLES.items():
        tell(f"prediction of hits in noise above {level:g}")
        predicted[level] = sampled_false_hits(level, NOISE_CHANNELS, samples, seed=60, pool=pool)
    hits = []
    for k, found in enumerate(counted(header, NOISE_SEEDS, FALSE_ALARM_SNR, pool)):
        tell(f"noise alone, {k + 1} of {len(NOISE_SEEDS)}")
        hits.append(found)
    lines = []
    for number in (10, len(NOISE_SEEDS)):
        mean, error = (number * value for value in predicted[FALSE_ALARM_SNR])
        asked = f"{mean:.1f} ± {math.hypot(math.sqrt(mean), error):.1f}"
        count = sum(map(len, hits[:number]))
        lines.append((f"Hits in noise at SNR {FALSE_ALARM_SNR:g}, {number} x (16 x 2^20)", str(count), asked))
    noise = ChunkNoise(level=51.0, sigma=51.0**0.5)
    stated = expected_at(np.array([FALSE_ALARM_SNR]), header, SearchParameters().max_drift_rate_hz_s, noise)
    of_all = f"{len(NOISE_SEEDS) * stated[0]:.1f}"
    lines.append((f"What hits of that SNR state as false_alarms, times {len(NOISE_SEEDS)}", of_all, asked))
    default = SearchParameters().snr_threshold
    above = sum(int((found > default).sum()) for found in hits)
    lines.append((f"The same at SNR {default:g}, {len(NOISE_SEEDS)} x (16 x 2^20)", str(above), "0"))
    for n_spectra in (2, 16, 60):
        level = threshold_for(0.01, NOISE_CHANNELS, n_spectra=n_spectra)
        what = f"Threshold for 0.01 hits of noise per 2^20 channels at most, T {n_spectra}"
        lines.append((what, f"{level:.2f}", f"below {default:g}"))
    return lines, np.concatenate(hits), predicted


def gain_lines(pool: Executor, tell: Tell) -> Lines:
    """Search one tone in observations whose gain or noise changes with time."""
    lines, model = [], load_model()
    for kind in gains.KINDS:
        for cause in gains.CAUSES:
            tell(f"{cause} that changes: {kind}")
            hits = [gains.recovered(kind, cause, GAIN_SNR, seed, pool, model) for seed in GAIN_SEEDS]
            ratios = [ratio for found in hits for ratio, _ in found]
            right = sum(len(found) == 1 and found[0][1] == NARROWBAND_DRIFTING for found in hits)
            what = f"Stated SNR / matched SNR, {cause}: {kind}; right hits of {len(hits)}"
            lines.append((what, f"{np.mean(ratios):.3f}, {right}" if ratios else "none", f"1 ± 0.05, {len(hits)}"))
    return lines


def chirp_lines(pool: Executor, tell: Tell) -> Lines:
    """Measure tones whose drift rate changes: faint ones that are searched for, and the curvature of strong ones."""
    lines: Lines = []
    for n_spectra in (16, 60):
        tell(f"chirps, T {n_spectra}")
        found = [
            np.sum(chirps(n_spectra, 13.0, 4.0, 5, pool, search_chirps=chosen)["hits"] == 1) for chosen in (False, True)
        ]
        what = f"Chirps of SNR 13, bends up to 4 channels, T {n_spectra}: hits of {NUMBER} without, with the search"
        lines.append((what, f"{found[0]}, {found[1]}", f"with it {round(0.95 * NUMBER)}"))
        strong = chirps(n_spectra, 60.0, 8.0, n_spectra, pool, search_chirps=False)
        pull = strong["curvature_pull"][strong["curved"]]
        what = f"Curvature at SNR 60, bends up to 8 channels, T {n_spectra}: within three stated errors"
        lines.append((what, f"{np.mean(np.abs(pull) < 3):.3f}", "0.97"))
        what = f"Their SNR / true along the curve, along the line, T {n_spectra}: least"
        lines.append((what, f"{strong['snr_ratio'].min():.2f}, {strong['straight_ratio'].min():.2f}", ""))
    return lines


def beside_lines(rows: np.ndarray) -> Lines:
    """Compare Waterhole's hits with turboSETI's, which are in the third column."""

    def share(part: np.ndarray, name: str) -> str:
        seen = np.isfinite(part[name])
        if name == "turboseti" and not np.isfinite(rows["turboseti"]).any():
            return "not installed"
        ratio = f", SNR x {np.median(part[name][seen]):.2f}" if seen.any() else ""
        return f"{seen.mean():.2f}{ratio}"

    lines = []
    for n_bits, snr in sorted({(int(row["n_bits"]), float(row["snr"])) for row in rows}, reverse=True):
        part = rows[(rows["n_bits"] == n_bits) & (rows["snr"] == snr)]
        what = f"Found at true SNR {snr:g}, {n_bits} bits, {len(part)} tones"
        lines.append((what, share(part, "ours"), share(part, "turboseti")))
    clear = rows[(rows["n_bits"] == 32) & (rows["snr"] >= 20)]
    drift = np.abs(clear["drift_rate_hz_s"])
    for low, high in itertools.pairwise(DRIFT_EDGES):
        part = clear[(drift >= low) & (drift < high)]
        where = "0" if high <= 0.001 else f"{low:g} to {min(high, 4.0):g}"
        if len(part):
            what = f"Found at SNR 20 to 100, |drift| {where} Hz/s, {len(part)} tones"
            lines.append((what, share(part, "ours"), share(part, "turboseti")))
    return lines


def write_table(folder: Path, asked: Lines, compared: Lines, console: Console) -> None:
    """Write the two tables as markdown and CSV, and print them."""
    text = []
    with (folder / "accuracy.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        for head, lines in (
            (("measured", "Waterhole", "asked or predicted"), asked),
            (("beside turboSETI 2.3.2, threshold 10", "Waterhole", "turboSETI"), compared),
        ):
            rows.writerows([head, *lines])
            text += [f"| {' | '.join(line)} |" for line in (head, ("---",) * 3, *lines)] + [""]
            table = Table(*head, title_justify="left")
            for line in lines:
                table.add_row(*line)
            console.print(table)
    (folder / "accuracy.md").write_text("\n".join(text))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m science.measure", description="Measure the search's accuracy.")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "science", help="folder of the figures and tables")
    parser.add_argument(
        "--figures", type=Path, default=ROOT / "docs" / "figures", help="folder of the README's figures"
    )
    arguments = parser.parse_args()
    cadences.quiet_logs()
    console, folder = Console(), arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with (
        ThreadPoolExecutor(2) as pool,
        tempfile.TemporaryDirectory() as scratch,
        Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as progress,
    ):
        task = progress.add_task("")

        def tell(what: str) -> None:
            progress.update(task, description=what)

        asked, efficiency = efficiency_lines(tell)
        lines, rows = recovery_lines(pool, tell)
        asked += lines
        lines, noise, predicted = false_alarm_lines(pool, tell)
        asked += lines
        tell("structure wider than any box")
        asked += wide_structure.lines(pool)
        asked += crossings.lines(pool)
        asked += gain_lines(pool, tell)
        asked += chirp_lines(pool, tell)
        of_cadences, cadences_beside = cadences.measure(pool, Path(scratch), lambda what: tell(f"cadences: {what}"))
        asked += of_cadences
        compared = beside.compare(Path(scratch), pool, lambda what: tell(f"beside turboSETI: {what}"))
        tell("figures")
        small = [folder, arguments.figures]
        curves.efficiency(efficiency, compared, [to / "efficiency.png" for to in small])
        curves.recovery(compared, [to / "recovery.png" for to in small])
        curves.false_alarms(noise, len(NOISE_SEEDS), NOISE_CHANNELS, predicted, folder / "false_alarms.png")
        curves.stated_errors(rows, folder / "stated_errors.png")
    write_table(folder, asked, beside_lines(compared) + cadences_beside, console)
    console.print(f"Figures and tables are in {folder} ({time.monotonic() - began:.0f} s).")


if __name__ == "__main__":
    main()
