"""Emitters of simulated cadences: of which kinds, what is found of them, and what was measured in every scan."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from science.measure.cadence_files import write
from science.measure.cadence_service import RunCadence, run_cadence
from science.measure.turboseti_events import events_of
from science.simulator import make_header
from science.simulator.cadences import Emitter, SimulatedCadence
from shared.cadence import CadenceParameters
from shared.cadence_document import EventRecord
from shared.header import Header

N_CHANNELS = 2**17
PER_CADENCE = 10
ONS, OFFS = (0, 2, 4), (1, 3, 5)
# Emitters that are in the ON scans alone; of SNR from the threshold on; faint in one ON scan; leaking into OFF scans.
CLEAR, WEAK, FAINT_IN_ONE, LEAKING = "clear", "weak", "faint in one", "leaking"
KINDS = (CLEAR,) * 4 + (WEAK,) * 2 + (FAINT_IN_ONE,) * 2 + (LEAKING,) * 2
LEAST_SNR, SURE_SNR, MOST_SNR = 8.0, 12.0, 30.0
FAINT_SNRS = (4.0, 9.0)
MOST_LEAKAGE = 0.3
# In every scan, so that each is within the range of the search.
MOST_DRIFT_HZ_S = 4.0
# In the middle of the cadence, an event is an emitter within so much of it. Emitters are 30 kHz apart.
NEAR_HZ, NEAR_HZ_S = 20.0, 0.05
# turboSETI's frequencies are those at the start of a scan, within the smear of the drift.
NEAR_TURBOSETI_HZ = 200.0

ROW_DTYPE = np.dtype(
    [
        ("kind", "U12"),
        ("true_snr", float, (6,)),
        ("drift_hz_s", float),  # in the middle of the cadence
        ("is_event", bool),
        ("tracks", int),  # events and rejected tracks at its place
        # Of its track: the event, or the rejected track with most hits.
        ("snr", float, (6,)),
        ("trials", float, (6,)),
        ("probability", float, (6,)),
        ("present", bool, (6,)),
    ]
)


@dataclass(frozen=True)
class Found:
    """Of each emitter a row, and how many events belong to none."""

    rows: np.ndarray
    false_events: int


def cadences(number: int, seed: int) -> Iterator[tuple[SimulatedCadence, list[str]]]:
    """Yield cadences of ten emitters each, `number` emitters in all, with the kind of each emitter."""
    bound = CadenceParameters().max_drift_change_hz_s2
    for k in range(-(-number // PER_CADENCE)):
        rng = np.random.default_rng([seed, k])
        header = make_header(N_CHANNELS, source_name="HIP_SIMULATED")
        low_hz, high_hz = header.band_hz
        spacing = (high_hz - low_hz) / PER_CADENCE
        emitters = []
        for place, kind in enumerate(KINDS):
            middle_hz = low_hz + (place + 0.5 + rng.uniform(-0.1, 0.1)) * spacing
            emitters.append(_emitter(kind, middle_hz, rng.uniform(-bound, bound), rng))
        yield SimulatedCadence(header, tuple(emitters), seed=seed * 1000 + k), list(KINDS)


def middle_s(header: Header, cadence: SimulatedCadence) -> float:
    """Return the middle of the cadence, s since its epoch."""
    return ((len(cadence.roles) - 1) * cadence.period_s + header.duration_s) / 2


def _emitter(kind: str, middle_hz: float, change_hz_s2: float, rng: np.random.Generator) -> Emitter:
    cadence = SimulatedCadence(make_header(N_CHANNELS), ())
    middle = middle_s(cadence.header, cadence)
    most = MOST_DRIFT_HZ_S - abs(change_hz_s2) * middle
    drift = rng.uniform(-most, most) - change_hz_s2 * middle
    frequency_hz = middle_hz - drift * middle - change_hz_s2 * middle**2 / 2
    least = LEAST_SNR if kind in (WEAK, LEAKING) else SURE_SNR
    strength = rng.uniform(least, MOST_SNR)
    snrs = {on: rng.uniform(least, MOST_SNR) for on in ONS}
    if kind == FAINT_IN_ONE:
        snrs[int(rng.choice(ONS))] = rng.uniform(*FAINT_SNRS)
    if kind == LEAKING:
        # In each OFF scan another part, so that what is stated of each can be tested by itself.
        snrs = {off: strength * rng.uniform(0.0, MOST_LEAKAGE) for off in OFFS}
    return Emitter(kind, frequency_hz, drift, strength, change_hz_s2, snrs=snrs)


def measure(number: int, seed: int, pool: Executor, tell: Callable[[str], None]) -> Found:
    """Run cadences through the services, and compare what they find with what is in the files."""
    rows, false_events = [], 0
    for k, (cadence, kinds) in enumerate(cadences(number, seed)):
        tell(f"cadence {k + 1} of {-(-number // PER_CADENCE)}")
        of_cadence, other = compared(cadence, kinds, run_cadence(cadence.scenes(), cadence.roles, pool))
        rows.append(of_cadence)
        false_events += other
    return Found(np.concatenate(rows)[:number], false_events)


def compared(cadence: SimulatedCadence, kinds: list[str], run: RunCadence) -> tuple[np.ndarray, int]:
    """Return ROW_DTYPE of each emitter, and the number of events that belong to none or repeat one."""
    document = run.document
    middle = middle_s(cadence.header, cadence)
    rows = np.zeros(len(cadence.emitters), ROW_DTYPE)
    claimed = 0
    for row, emitter, kind in zip(rows, cadence.emitters, kinds, strict=True):
        row["kind"] = kind
        row["true_snr"] = [emitter.snr_in(scan, role) for scan, role in enumerate(cadence.roles)]
        row["drift_hz_s"] = emitter.drift_rate_hz_s + emitter.drift_change_hz_s2 * middle
        mine = [record for record in (*document.events, *document.rejected) if _is_of(record, emitter, middle)]
        row["tracks"] = len(mine)
        for name in ("snr", "trials", "probability"):
            row[name] = np.nan
        if not mine:
            continue
        best = max(
            mine, key=lambda record: (record["is_event"], sum(one["hit"] is not None for one in record["scans"]))
        )
        claimed += best["is_event"]
        _fill(row, best, run)
    return rows, len(document.events) - claimed


def _is_of(record: EventRecord, emitter: Emitter, middle: float) -> bool:
    drift = record["drift_rate"] - emitter.drift_rate_hz_s
    change = record["drift_change_hz_s2"] - emitter.drift_change_hz_s2
    at_middle = record["frequency_hz"] - emitter.frequency_hz + drift * middle + change * middle**2 / 2
    return abs(at_middle) <= NEAR_HZ and abs(drift + change * middle) <= NEAR_HZ_S


def _fill(row: np.void, record: EventRecord, run: RunCadence) -> None:
    row["is_event"] = record["is_event"]
    for scan, one in enumerate(record["scans"]):
        measured = run.measured[scan]
        of_track = measured[measured["track"] == record["track"]][0]
        row["snr"][scan], row["trials"][scan] = of_track["snr"], of_track["trials"]
        probability = one["presence_probability"]
        row["probability"][scan] = np.nan if probability is None else probability
        row["present"][scan] = one["is_present"]


def found_by_turboseti(number: int, seed: int, folder: Path) -> np.ndarray:
    """Return of which emitters turboSETI publishes a row in the first ON scan, bool (n,)."""
    made = list(cadences(number, seed))
    files = [write(cadence.scenes(), folder, f"emitters_{k}") for k, (cadence, _) in enumerate(made)]
    found = []
    for rows, (cadence, _) in zip(events_of(files), made, strict=True):
        of_scan = np.array([row[1] * 1e6 for row in rows if row[0] == 1])
        for emitter in cadence.emitters:
            first_hz = emitter.tone(0.0, cadence.header, 1.0).frequency_hz
            found.append(bool(len(of_scan)) and np.abs(of_scan - first_hz).min() <= NEAR_TURBOSETI_HZ)
    return np.array(found[:number])
