"""Cadences that hold nothing but noise and interference: every event of theirs is false."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from science.measure import turboseti
from science.measure.cadence_files import write
from science.measure.cadence_service import run_cadence
from science.measure.turboseti_events import Rows, events_of
from science.simulator import make_header
from science.simulator.cadences import SimulatedCadence
from science.simulator.interference import Transmitter, interference, scenes
from shared.cadence_document import CadenceDocument
from shared.labels import CANDIDATE_ET

N_CHANNELS = 2**17
# An event is of a transmitter that is within so much of it, and half of its width.
NEAR_HZ = 100.0
NOISE = "noise"


@dataclass
class Counted:
    """What was published of some cadences of interference.

    `chance`: transmitters that happened to be on in all ON scans and off in all OFF scans, which are events by the rule
    of any finder. `families`, `events`, `candidates`, `of_chance` (events of such transmitters), `kinds` (of the
    others) are Waterhole's; `rows`, `rows_of_chance` turboSETI's, None if it was not run.
    """

    cadences: int = 0
    hits: int = 0
    chance: int = 0
    events: int = 0
    families: int = 0
    candidates: int = 0
    of_chance: int = 0
    candidates_of_chance: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    rows: int | None = None
    rows_of_chance: int = 0
    row_kinds: Counter[str] = field(default_factory=Counter)


def measure(number: int, seed: int, pool: Executor, tell: Callable[[str], None], folder: Path | None = None) -> Counted:
    """Run cadences of interference through the services, and with a `folder` through turboSETI too."""
    counted, files = Counted(), []
    truths = []
    for k in range(number):
        tell(f"interference, cadence {k + 1} of {number}")
        header = make_header(N_CHANNELS, source_name="HIP_NOTHING")
        cadence = SimulatedCadence(header, (), seed=seed * 1000 + k)
        transmitters = interference(header, seed * 1000 + k)
        scans = list(scenes(cadence, transmitters))
        add(counted, run_cadence(scans, cadence.roles, pool).document, transmitters)
        truths.append(transmitters)
        if folder is not None:
            files.append(write(scans, folder, f"rfi_{k}"))
    if folder is not None and turboseti.is_installed():
        tell("interference: turboSETI")
        counted.rows = 0
        for rows, transmitters in zip(events_of(files), truths, strict=True):
            add_rows(counted, rows, transmitters)
    return counted


def add(counted: Counted, document: CadenceDocument, transmitters: Sequence[Transmitter]) -> None:
    """Count the events of one cadence."""
    counted.cadences += 1
    counted.hits += sum(scan["hits"] for scan in document.scans)
    counted.chance += sum(one.is_in_all_ons_alone() for one in transmitters)
    counted.events += document.summary.events
    counted.families += document.summary.families
    counted.candidates += document.summary.candidates
    for event in document.events:
        at = [scan["predicted_frequency_hz"] for scan in event["scans"]]
        kind, by_chance = _origin(transmitters, {scan: hz for scan, hz in enumerate(at) if hz is not None})
        counted.of_chance += by_chance
        counted.candidates_of_chance += by_chance and event["classification"] == CANDIDATE_ET
        if not by_chance:
            counted.kinds[kind] += 1


def add_rows(counted: Counted, rows: Rows, transmitters: Sequence[Transmitter]) -> None:
    """Count the rows that turboSETI published of one cadence."""
    counted.rows = (counted.rows or 0) + len(rows)
    for on_scan, frequency_mhz, _, _ in rows:
        kind, by_chance = _origin(transmitters, {2 * (round(on_scan) - 1): frequency_mhz * 1e6})
        counted.rows_of_chance += by_chance
        if not by_chance:
            counted.row_kinds[kind] += 1


def _origin(transmitters: Sequence[Transmitter], at_hz: dict[int, float]) -> tuple[str, bool]:
    """Return the kind of the transmitter that is nearest to an event in some scans, and whether chance made it one."""
    away = np.array([_away_hz(one, at_hz) for one in transmitters])
    near: list[int] = np.flatnonzero(away <= NEAR_HZ).tolist()
    if not near:
        return NOISE, False
    # Where several are near: one that chance made an event, else what is on in most scans, for a burst may cover it.
    nearest = transmitters[
        min(near, key=lambda i: (not transmitters[i].is_in_all_ons_alone(), -transmitters[i].scans_on, away[i]))
    ]
    return nearest.kind, nearest.is_in_all_ons_alone()


def _away_hz(one: Transmitter, at_hz: dict[int, float]) -> float:
    """Return how far a transmitter is from an event, the nearest of its lines, in the scan where that is least."""
    away = [np.inf]
    for scan, frequency_hz in at_hz.items():
        emission = one.emissions[scan]
        if emission is not None:
            lines = np.array([0.0, *(offset for offset, _ in emission.sidebands)])
            away.append(float(np.abs(emission.track_hz[0] + lines - frequency_hz).min()) - emission.width_hz / 2)
    return min(away)
