"""Scans of a cadence that are full of interference: nothing in them comes from the sky."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from science.simulator.cadences import BL_SCAN_PERIOD_S, SimulatedCadence
from science.simulator.emissions import Emission, edge_times_s
from science.simulator.scene import Scene
from shared.arrays import Floats
from shared.header import Header

CARRIERS, DRIFTING, INTERMITTENT, COMBS, SATELLITES, WANDERING, BURSTS, WIDE = 8, 8, 12, 1, 3, 4, 3, 4
# Evenly in the logarithm, from below the threshold of hits on: faint lines are what one list has and another has not.
SNRS = (8.0, 200.0)
# Of transmitters on the ground whose oscillators drift.
GROUND_DRIFT_HZ_S = 0.5
# Change of the drift rate of satellites: far from what the bound allows, and what a distant one shows.
SATELLITE_CHANGES_HZ_S2 = (2e-4, 3e-3)
DUTY = (0.3, 0.9)
TEETH, TEETH_HZ = 8, (400.0, 3000.0)
WALKS_HZ = (2.0, 12.0)
BURST_HZ, WIDE_HZ = (2e3, 2e4), (100.0, 5000.0)
# Modulated emissions scatter like noise, averaged as it is.
SELF_NOISE = 51.0


@dataclass(frozen=True)
class Transmitter:
    """A transmitter over all scans.

    Attributes
    ----------
    kind : str
        What it is.
    emissions : tuple of Emission or None
        In each scan, None where it is off. `emissions` of a comb has the lines beside its first as sidebands.
    """

    kind: str
    emissions: tuple[Emission | None, ...]

    @property
    def scans_on(self) -> int:
        """Return in how many scans it is on."""
        return sum(emission is not None for emission in self.emissions)

    def is_in_all_ons_alone(self) -> bool:
        """Return whether it is on in every ON scan, off in every OFF scan of a cadence that begins with ON."""
        return all((emission is not None) == (scan % 2 == 0) for scan, emission in enumerate(self.emissions))


def interference(header: Header, seed: int, scans: int = 6) -> tuple[Transmitter, ...]:
    """Return transmitters at random places of a band, the same for the same seed."""
    rng = np.random.default_rng([seed, 77])
    drawn = _Drawn(header, rng, scans)
    return tuple(
        transmitter
        for number, one in (
            (CARRIERS, drawn.carrier),
            (DRIFTING, drawn.drifting),
            (INTERMITTENT, drawn.intermittent),
            (COMBS, drawn.comb),
            (SATELLITES, drawn.satellite),
            (WANDERING, drawn.wandering),
            (BURSTS, drawn.burst),
            (WIDE, drawn.wide),
        )
        for transmitter in (one() for _ in range(number))
    )


def scenes(cadence: SimulatedCadence, transmitters: tuple[Transmitter, ...]) -> Iterator[Scene]:
    """Yield the scans of a cadence with interference."""
    for scan, scene in enumerate(cadence.scenes()):
        there = (transmitter.emissions[scan] for transmitter in transmitters)
        yield replace(scene, emissions=tuple(emission for emission in there if emission is not None))


def _in_scan(emission: Emission, scan: int) -> Emission:
    """Return an emission whose own noise differs from scan to scan."""
    return replace(emission, seed=emission.seed + scan)


class _Drawn:
    """Draws transmitters, one after another."""

    def __init__(self, header: Header, rng: np.random.Generator, scans: int) -> None:
        self._header, self._rng, self._scans = header, rng, scans
        # Edges of the spectra of each scan, s since the epoch.
        self._times = [scan * BL_SCAN_PERIOD_S + edge_times_s(header) for scan in range(scans)]

    def _place_hz(self) -> float:
        low_hz, high_hz = self._header.band_hz
        return float(self._rng.uniform(low_hz, high_hz))

    def _snr(self) -> float:
        return float(np.exp(self._rng.uniform(*np.log(SNRS))))

    def _duty(self) -> list[bool]:
        """Return the scans in which something that comes and goes is on."""
        on: list[bool] = (self._rng.random(self._scans) < self._rng.uniform(*DUTY)).tolist()
        return on

    def _tracks(self, drift_hz_s: float, change_hz_s2: float = 0.0) -> list[Floats]:
        place, middle = self._place_hz(), self._times[-1][-1] / 2
        return [
            place + drift_hz_s * (times - middle) + change_hz_s2 * (times - middle) ** 2 / 2 for times in self._times
        ]

    def _ground_drift(self) -> float:
        return float(self._rng.uniform(-GROUND_DRIFT_HZ_S, GROUND_DRIFT_HZ_S))

    def _made(self, kind: str, tracks: list[Floats], on: list[bool], **fields: object) -> Transmitter:
        snr = self._snr()
        return Transmitter(
            kind,
            tuple(
                _in_scan(Emission(track, snr, **fields), scan) if there else None  # type: ignore[arg-type]
                for scan, (track, there) in enumerate(zip(tracks, on, strict=True))
            ),
        )

    def carrier(self) -> Transmitter:
        return self._made("carrier at rest", self._tracks(0.0), [True] * self._scans)

    def drifting(self) -> Transmitter:
        return self._made("drifting carrier", self._tracks(self._ground_drift()), [True] * self._scans)

    def intermittent(self) -> Transmitter:
        drift = 0.0 if self._rng.random() < 0.5 else self._ground_drift()
        return self._made("intermittent line", self._tracks(drift), self._duty())

    def comb(self) -> Transmitter:
        spacing = float(self._rng.uniform(*TEETH_HZ))
        sidebands = tuple((tooth * spacing, float(self._rng.uniform(0.3, 1.0))) for tooth in range(1, TEETH))
        return self._made("comb", self._tracks(self._ground_drift()), self._duty(), sidebands=sidebands)

    def satellite(self) -> Transmitter:
        change = float(np.exp(self._rng.uniform(*np.log(SATELLITE_CHANGES_HZ_S2))))
        tracks = self._tracks(float(self._rng.uniform(-2.0, 2.0)), change * float(self._rng.choice((-1, 1))))
        return self._made("satellite", tracks, [True] * self._scans)

    def wandering(self) -> Transmitter:
        """A random walk that goes on between the scans."""
        step = float(np.exp(self._rng.uniform(*np.log(WALKS_HZ))))
        times = np.unique(np.concatenate(self._times))
        moved = self._rng.normal(0.0, step, len(times)) * np.sqrt(
            np.diff(times, prepend=times[0]) / self._header.tsamp_s
        )
        walk = self._place_hz() + np.cumsum(moved)
        tracks = [walk[np.searchsorted(times, part)] for part in self._times]
        return self._made("wandering line", tracks, [True] * self._scans)

    def burst(self) -> Transmitter:
        """A broad pulse in one spectrum of one scan."""
        envelope = np.zeros(self._header.n_spectra)
        envelope[self._rng.integers(len(envelope))] = 1.0
        on = (np.arange(self._scans) == self._rng.integers(self._scans)).tolist()
        width = float(self._rng.uniform(*BURST_HZ))
        return self._made("burst", self._tracks(0.0), on, profile="box", width_hz=width, envelope=envelope)

    def wide(self) -> Transmitter:
        width = float(np.exp(self._rng.uniform(*np.log(WIDE_HZ))))
        return self._made(
            "wide emission",
            self._tracks(0.0),
            self._duty(),
            profile="gaussian",
            width_hz=width,
            self_noise=SELF_NOISE,
            seed=int(self._rng.integers(2**31)),
        )
