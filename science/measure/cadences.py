"""Simulated cadences through the services, beside turboSETI's events: `python -m science.measure.cadences`."""

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import structlog
from rich.console import Console
from rich.table import Table

from science.measure import cadence_emitters, cadence_interference, turboseti
from science.measure.cadence_emitters import CLEAR, FAINT_IN_ONE, LEAKING, OFFS, ONS, WEAK
from science.measure.cadence_interference import Counted
from services.classify.cadence.presence import LEAST_PART, normal_below, threshold
from shared.arrays import Floats
from shared.cadence import CadenceParameters

EMITTERS, EMITTERS_SEED = 500, 19
# Their files are searched by turboSETI too.
EMITTERS_BESIDE = 100
INTERFERENCE, INTERFERENCE_SEED = 50, 23
OFF_SNR = CadenceParameters().off_snr
PROBABILITY_EDGES = (0.0, 0.4, 0.7, 0.9, 0.97, 1.001)
SNR_EDGES = (0.0, 2.0, 3.0, 4.0, 5.0, 9.1)

Tell = Callable[[str], None]
Lines = list[tuple[str, str, str]]


def emitter_lines(rows: np.ndarray, false_events: int) -> Lines:
    """Return what was found of emitters, from rows of `cadence_emitters.ROW_DTYPE`."""
    lines: Lines = []
    for kind, what, asked in (
        (CLEAR, "SNR 12 to 30 in every ON scan", "0.99"),
        (WEAK, "SNR 8 to 30 in every ON scan", ""),
        (FAINT_IN_ONE, "SNR 4 to 9 in one ON scan, 12 to 30 in two", "0.9"),
    ):
        of_kind = rows[rows["kind"] == kind]
        lines.append((f"Events of {len(of_kind)} emitters of {what}", f"{of_kind['is_event'].mean():.3f}", asked))
    repeats = int((rows["tracks"] > 1).sum())
    lines.append(("Other events in their files, emitters with two tracks", f"{false_events}, {repeats}", "0, 0"))
    true, snr = rows["true_snr"], rows["snr"]
    for name, scans, least in (("ON scans", ONS, 4.0), ("OFF scans with leakage of SNR 2 or more", OFFS, 2.0)):
        t, s = true[:, scans], snr[:, scans]
        good = np.isfinite(s) & (t >= least)
        what = f"Measured SNR / true, median of {good.sum()} {name}"
        lines.append((what, f"{np.median(s[good] / t[good]):.3f}", "1 ± 0.05"))
    return lines + _clean_lines(rows) + _leakage_lines(rows[rows["kind"] == LEAKING])


def _clean_lines(rows: np.ndarray) -> Lines:
    """Return what was measured in OFF scans that hold nothing."""
    true, snr, trials = (rows[name][:, OFFS] for name in ("true_snr", "snr", "trials"))
    clean = (true == 0) & np.isfinite(snr)
    one = clean & (trials == 1)
    above = snr[clean] >= threshold(2.0, trials[clean])
    chance = float(1 - normal_below(np.array([2.0]))[0])
    return [
        (
            f"SNR in {one.sum()} clean OFF scans where one path was measured, mean",
            f"{snr[one].mean():.3f}",
            f"0 ± {2 / np.sqrt(one.sum()):.2f}",
        ),
        (
            f"All {clean.sum()} clean OFF scans: share above SNR 2, corrected for the paths",
            f"{above.mean():.3f}",
            f"{chance:.3f} ± {2 * np.sqrt(chance / clean.sum()):.3f}",
        ),
        (
            f"All {clean.sum()} clean OFF scans: above {OFF_SNR:g}, so their emitters are lost",
            f"{int((snr[clean] >= threshold(OFF_SNR, trials[clean])).sum())}",
            f"{clean.sum() * float(1 - normal_below(np.array([OFF_SNR]))[0]):.1f}",
        ),
    ]


def vetoed_share(true_snr: Floats, trials: Floats) -> Floats:
    """Return how likely leakage of some SNR is ruled in: it, or noise on another path, exceeds the threshold."""
    limit = threshold(OFF_SNR, trials)
    return np.asarray(1 - normal_below(limit - true_snr) * normal_below(limit) ** (trials - 1))


def _leakage_lines(rows: np.ndarray) -> Lines:
    """Return how leakage was told from absence, beside what was predicted."""
    true, snr, trials, stated = (rows[name][:, OFFS] for name in ("true_snr", "snr", "trials", "probability"))
    measured, lines = np.isfinite(snr), []
    for low, high in pairwise(SNR_EDGES):
        part = measured & (true >= low) & (true < high)
        seen = snr[part] >= threshold(OFF_SNR, trials[part])
        what = f"OFF scans that rule their event out, leakage of SNR {low:g} to {high:g}, {part.sum()}"
        lines.append((what, f"{seen.mean():.2f}", _expected(vetoed_share(true[part], trials[part]))))
    holds = true >= LEAST_PART * rows["true_snr"][:, :1]
    for low, high in pairwise(PROBABILITY_EDGES):
        part = (stated >= low) & (stated < high)
        what = f"OFF scans with a twentieth of the signal or more, stated {low:g} to {min(high, 1.0):g}, {part.sum()}"
        lines.append((what, f"{holds[part].mean():.2f}", _expected(stated[part])))
    return lines


def _expected(chances: Floats) -> str:
    """Return the mean of independent chances, and two standard deviations of the share that comes true."""
    return f"{chances.mean():.2f} ± {2 * np.sqrt((chances * (1 - chances)).sum()) / len(chances):.2f}"


def interference_lines(counted: Counted) -> Lines:
    """Return what was published of interference."""
    others = counted.events - counted.of_chance
    kinds = ", ".join(f"{number} of {kind}" for kind, number in counted.kinds.most_common())
    of = f"{counted.cadences} cadences of interference, {counted.hits} hits"
    return [
        (f"Events in {of}", str(counted.events), ""),
        ("Of transmitters that are by chance on in all ON scans alone", str(counted.of_chance), ""),
        ("Other events: false", f"{others}{f' ({kinds})' if kinds else ''}", ""),
        ("Families of events", str(counted.families), ""),
        ("Candidates, of these by chance", f"{counted.candidates}, {counted.candidates_of_chance}", ""),
    ]


def beside_lines(counted: Counted, rows: np.ndarray, theirs: np.ndarray | None) -> Lines:
    """Return Waterhole's events beside turboSETI's, which are in the third column."""
    none = "not installed"
    others = sum(counted.row_kinds.values())
    lines = [
        (
            f"False events of {counted.cadences} cadences of interference (turboSETI: rows)",
            str(counted.events - counted.of_chance),
            none if counted.rows is None else str(others),
        ),
        (
            "Published of transmitters that are by chance on in all ON scans alone",
            str(counted.of_chance),
            none if counted.rows is None else str(counted.rows_of_chance),
        ),
    ]
    for kind, what in (
        (CLEAR, "SNR 12 to 30 in every ON scan"),
        (WEAK, "SNR 8 to 30 in every ON scan"),
        (FAINT_IN_ONE, "SNR 4 to 9 in one ON scan"),
        (LEAKING, "leakage of 0 to 30 %"),
    ):
        part = rows["kind"] == kind
        found = none if theirs is None else f"{theirs[part].mean():.2f}"
        lines.append((f"Events of {part.sum()} emitters, {what}", f"{rows['is_event'][part].mean():.2f}", found))
    return lines


def quiet_logs() -> None:
    """Leave out what the handlers log of every scan."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def measure(pool: Executor, folder: Path, tell: Tell) -> tuple[Lines, Lines]:
    """Return the lines of Waterhole alone, and those beside turboSETI."""
    found = cadence_emitters.measure(EMITTERS, EMITTERS_SEED, pool, tell)
    counted = cadence_interference.measure(INTERFERENCE, INTERFERENCE_SEED, pool, tell, folder)
    theirs = None
    if turboseti.is_installed():
        tell("emitters: turboSETI")
        theirs = cadence_emitters.found_by_turboseti(EMITTERS_BESIDE, EMITTERS_SEED, folder)
    alone = emitter_lines(found.rows, found.false_events) + interference_lines(counted)
    return alone, beside_lines(counted, found.rows[:EMITTERS_BESIDE], theirs)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m science.measure.cadences", description="Measure simulated cadences."
    )
    parser.parse_args()
    quiet_logs()
    console, began = Console(), time.monotonic()
    with ThreadPoolExecutor(2) as pool, tempfile.TemporaryDirectory() as folder:
        alone, beside = measure(pool, Path(folder), lambda what: console.log(what))
    for head, lines in (
        (("cadences", "Waterhole", "asked or predicted"), alone),
        (("beside turboSETI 2.3.2, filter 3", "Waterhole", "turboSETI"), beside),
    ):
        table = Table(*head)
        for line in lines:
            table.add_row(*line)
        console.print(table)
    console.print(f"{time.monotonic() - began:.0f} s, {time.process_time():.0f} s of processor time")


if __name__ == "__main__":
    main()
