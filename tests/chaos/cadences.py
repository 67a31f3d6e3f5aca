"""Cadences of a chaos run: few small scans each, with a known answer. Some have a scan that can't be searched."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from science.simulator import make_header, spectra, write_fil
from science.simulator.cadences import Emitter, SimulatedCadence
from shared.cadence import Role
from tests.chaos.observations import SPECTRA, Observation

# Each scan has 2^EXPONENT channels: two or three chunks.
EXPONENT = 13
SIX: tuple[Role, ...] = ("on", "off") * 3


@dataclass(frozen=True)
class ChaosScan:
    """One scan. A role that is None is left out of the request, so that it is proposed."""

    observation: Observation
    role: Role | None
    # Whether the user gives a job of theirs on this file, if there is one, in place of the file.
    is_shared: bool = False


@dataclass(frozen=True)
class ChaosCadence:
    """A cadence to start. `events_hz` are the frequencies of its events; None says that it must fail."""

    name: str
    scans: tuple[ChaosScan, ...]
    events_hz: tuple[float, ...] | None


def cadences(folder: Path) -> list[ChaosCadence]:
    """Return a cadence of six scans, one of three, one of these without its OFF scan, and one that must fail."""
    header = make_header(2**EXPONENT, SPECTRA, source_name="CHAOS")
    low_hz, high_hz = header.band_hz

    def at(part: float) -> float:
        return low_hz + part * (high_hz - low_hz)

    target = Emitter("in the ON scans alone", at(0.8), -0.354, 40.0, drift_change_hz_s2=-2e-5)
    weak = Emitter("in the ON scans alone, too", at(0.2), 0.21, 25.0)
    others = (
        Emitter("at rest in all scans", at(0.45), 0.0, 60.0, off_fraction=1.0),
        Emitter("leaks into the OFF scans", at(0.6), 0.25, 60.0, off_fraction=0.3),
    )
    six = _files(folder, "six", SimulatedCadence(header, (target, weak, *others), SIX, seed=61))
    three = _files(folder, "three", SimulatedCadence(header, (target, *others), SIX[:3], seed=31))
    text = folder / "text_scan.fil"
    text.write_bytes(b"I am no scan.\n" * 20)
    malformed = ChaosScan(Observation(text, is_malformed=True), "off")
    on = tuple(ChaosScan(one, "on") for one in (three[0], three[2]))
    return [
        ChaosCadence(
            "three",
            tuple(ChaosScan(one, role) for one, role in zip(three, SIX[:3], strict=True)),
            (target.frequency_hz,),
        ),
        # Roles are proposed from the sources.
        ChaosCadence("six", tuple(ChaosScan(one, None) for one in six), (target.frequency_hz, weak.frequency_hz)),
        # No scan tells what is elsewhere, so whatever drifts in both ON scans is an event.
        ChaosCadence(
            "without_off",
            (on[0], malformed, on[1]),
            (target.frequency_hz, others[1].frequency_hz),
        ),
        ChaosCadence("hopeless", (on[0], malformed), None),
    ]


def _files(folder: Path, name: str, simulated: SimulatedCadence) -> Sequence[Observation]:
    """Write the scans that are not there yet and return them, in order of time."""
    made = []
    for number, scene in enumerate(simulated.scenes(), 1):
        path = folder / f"{name}_{number}.fil"
        if not path.exists():
            write_fil(path, scene.header, spectra(scene))
        made.append(Observation(path))
    return made
