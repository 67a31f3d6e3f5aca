"""Simulated cadences: emitters whose tracks run through all scans of a target, ON and OFF."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from science.simulator.scene import Scene, make_header
from science.simulator.tones import Tone
from shared.cadence import Role
from shared.header import Header
from shared.tracks import SECONDS_PER_DAY

# From the start of one scan to that of the next, as at Green Bank: 292 s and the time to move to the other source.
BL_SCAN_PERIOD_S = 318.0
# The demo's band: 1624.6 to 1627.5 MHz. Iridium ends at 1626.5 MHz.
DEMO_FCH1_MHZ = 1627.5
COMB_TEETH, COMB_SPACING_HZ = 8, 1250.0


@dataclass(frozen=True)
class Emitter:
    """One transmitter.

    Attributes
    ----------
    name : str
        What it stands for.
    frequency_hz, drift_rate_hz_s : float
        At the epoch, the start of the first scan.
    drift_change_hz_s2 : float
        Change of the drift rate. Within a scan the drift is constant: that of the scan's middle.
    snr : float
        In each ON scan.
    off_fraction : float
        Part of that SNR in each OFF scan.
    snrs : mapping of int to float
        SNR in single scans, by their places, in place of the above.
    """

    name: str
    frequency_hz: float
    drift_rate_hz_s: float
    snr: float
    drift_change_hz_s2: float = 0.0
    off_fraction: float = 0.0
    snrs: Mapping[int, float] = field(default_factory=dict)

    def snr_in(self, scan: int, role: Role) -> float:
        """Return the SNR in one scan."""
        return self.snrs.get(scan, self.snr if role == "on" else self.snr * self.off_fraction)

    def tone(self, start_s: float, header: Header, snr: float) -> Tone:
        """Return the tone in a scan that starts `start_s` after the epoch."""
        first_s, middle_s = start_s + header.tsamp_s / 2, start_s + header.duration_s / 2
        drift = self.drift_rate_hz_s + self.drift_change_hz_s2 * middle_s
        middle_hz = self.frequency_hz + self.drift_rate_hz_s * middle_s + self.drift_change_hz_s2 * middle_s**2 / 2
        return Tone(middle_hz + drift * (first_s - middle_s), drift, snr)


@dataclass(frozen=True)
class SimulatedCadence:
    """A list of scans with the same header but for source and time. `roles` are in order of time."""

    header: Header
    emitters: tuple[Emitter, ...]
    roles: tuple[Role, ...] = ("on", "off") * 3
    period_s: float = BL_SCAN_PERIOD_S
    seed: int = 1

    def scenes(self) -> Sequence[Scene]:
        """Return the scene of each scan."""
        return [self._scene(scan, role) for scan, role in enumerate(self.roles)]

    def _scene(self, scan: int, role: Role) -> Scene:
        start_s = scan * self.period_s
        source = self.header.source_name if role == "on" else f"{self.header.source_name}_OFF"
        header = self.header.model_copy(
            update={
                "tstart_mjd": self.header.tstart_mjd + start_s / SECONDS_PER_DAY,
                "source_name": source,
                "dec_deg": (self.header.dec_deg or 0.0) + (0.0 if role == "on" else 2.0),
            }
        )
        snrs = [(emitter, emitter.snr_in(scan, role)) for emitter in self.emitters]
        tones = tuple(emitter.tone(start_s, header, snr) for emitter, snr in snrs if snr > 0)
        return Scene(header, tones, seed=self.seed * 1000 + scan)


def demo_cadence(n_channels: int = 2**20, seed: int = 1) -> SimulatedCadence:
    """Return a cadence of six scans with one emitter of each kind.

    The first is what is looked for: it drifts, its drift changes, and it is in the ON scans alone. A comb is in the ON
    scans alone too, but is a family of lines. A satellite and a carrier at rest are in all scans, and a transmitter on
    the ground is so strong that it leaks into the OFF scans.
    """
    header = make_header(n_channels, fch1_mhz=DEMO_FCH1_MHZ, source_name="HIP_DEMO", tstart_mjd=59046.926342592)
    low_hz, high_hz = header.band_hz
    span_hz = high_hz - low_hz

    def at(part: float) -> float:
        return low_hz + part * span_hz

    comb = tuple(
        Emitter(f"comb, line {tooth + 1}", at(0.55) + tooth * COMB_SPACING_HZ, -0.21, 28.0)
        for tooth in range(COMB_TEETH)
    )
    return SimulatedCadence(
        header,
        (
            Emitter("ET-like emitter", at(0.85), -0.354, 30.0, drift_change_hz_s2=-2e-5),
            *comb,
            Emitter("satellite", at(0.3), -2.6, 60.0, drift_change_hz_s2=6e-4, off_fraction=1.0),
            Emitter("carrier at rest", at(0.45), 0.0, 90.0, off_fraction=1.0),
            Emitter("leaks into the OFF scans", at(0.72), 0.25, 80.0, off_fraction=0.15),
        ),
        seed=seed,
    )
