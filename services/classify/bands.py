"""The bands of services that transmit on Earth and from satellites, and what their emissions look like.

A hit is attributed to a service only where both the band and the shape agree: a narrow drifting tone between two
satellites' spread-spectrum signals is not theirs. Allocations differ by region; the table has those that matter at the
observatories whose data are public. Protected bands are a table of their own and never name an interferer.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

Found = TypeVar("Found")
Category = Literal["terrestrial", "satellite"]


@dataclass(frozen=True)
class Band:
    """One service's band and the shapes of its emissions.

    `widths_hz`: smallest and largest width of one emission as a whole. `carriers`: whether it radiates narrow lines
    (carriers, pilots) that do not drift. `lines_hz`: smallest and largest width of the lines that its spectrum is made
    of (code lines, preambles), None for none. `moving`: whether Doppler makes these lines drift. `comb_hz`: if it is
    positive, the lines form a comb whose spacing is a whole multiple of it. `pulsed`: whether it comes in bursts.
    """

    name: str
    region: str
    category: Category
    low_mhz: float
    high_mhz: float
    widths_hz: tuple[float, float]
    carriers: bool = False
    lines_hz: tuple[float, float] | None = None
    comb_hz: float = 0.0
    moving: bool = False
    pulsed: bool = False


def _navigation(name: str, low_mhz: float, high_mhz: float, widths_hz: tuple[float, float]) -> Band:
    """Return a band of lines 1 kHz apart (codes repeat every millisecond), widened by 50 to 250 bit/s of data."""
    lines = (40.0, 600.0)
    return Band(name, "world", "satellite", low_mhz, high_mhz, widths_hz, lines_hz=lines, comb_hz=1000.0, moving=True)


BANDS = (
    Band("FM radio", "world", "terrestrial", 87.5, 108.0, (50e3, 300e3), carriers=True),
    Band("Aircraft voice", "world", "terrestrial", 118.0, 137.0, (3e3, 25e3), carriers=True),
    Band("Orbcomm", "world", "satellite", 137.0, 138.0, (5e3, 50e3), lines_hz=(100.0, 5e3), moving=True),
    Band("UHF television", "world", "terrestrial", 470.0, 698.0, (5e6, 8e6), carriers=True),
    Band("LTE 600", "Americas", "terrestrial", 617.0, 652.0, (180e3, 20e6)),
    Band("LTE 700 lower", "Americas", "terrestrial", 729.0, 756.0, (180e3, 20e6)),
    Band("LTE 700 upper", "Americas", "terrestrial", 746.0, 787.0, (180e3, 20e6)),
    Band("LTE 850", "Americas", "terrestrial", 869.0, 894.0, (180e3, 20e6)),
    Band("GSM 900", "outside the Americas", "terrestrial", 925.0, 960.0, (180e3, 400e3), pulsed=True),
    Band("Aircraft distance measuring", "world", "terrestrial", 960.0, 1164.0, (100e3, 2e6), pulsed=True),
    _navigation("GPS/Galileo L5", 1164.0, 1214.0, (10e6, 51e6)),
    _navigation("GPS L2", 1215.0, 1240.0, (1e6, 24e6)),
    _navigation("GLONASS L2", 1242.0, 1249.0, (500e3, 10e6)),
    Band("Air surveillance radar", "world", "terrestrial", 1215.0, 1400.0, (100e3, 10e6), pulsed=True),
    Band("Inmarsat", "world", "satellite", 1525.0, 1559.0, (5e3, 200e3), carriers=True),
    _navigation("BeiDou B1", 1559.0, 1563.0, (2e6, 4.1e6)),
    _navigation("GPS/Galileo L1", 1563.0, 1587.0, (1e6, 24e6)),
    _navigation("GLONASS L1", 1598.0, 1606.0, (500e3, 10e6)),
    Band("Globalstar uplink", "world", "satellite", 1610.0, 1618.7, (1e6, 2e6)),
    # The bursts open with an unmodulated tone of 2.6 ms.
    Band(
        "Iridium", "world", "satellite", 1616.0, 1626.5, (20e3, 50e3), lines_hz=(100.0, 2e3), moving=True, pulsed=True
    ),
    Band("Weather satellites", "world", "satellite", 1670.0, 1710.0, (20e3, 5e6), carriers=True),
    Band("LTE 1900", "Americas", "terrestrial", 1930.0, 1995.0, (180e3, 20e6)),
    Band("LTE 2100", "world", "terrestrial", 2110.0, 2170.0, (180e3, 20e6)),
    Band("Wi-Fi 2.4 GHz", "world", "terrestrial", 2400.0, 2483.5, (1e6, 40e6), pulsed=True),
    Band("Globalstar downlink", "world", "satellite", 2483.5, 2500.0, (1e6, 2e6)),
    Band("Weather radar", "world", "terrestrial", 2700.0, 3000.0, (100e3, 10e6), pulsed=True),
    Band("Wi-Fi 5 GHz", "world", "terrestrial", 5150.0, 5850.0, (1e6, 160e6), pulsed=True),
    Band("Starlink/OneWeb", "world", "satellite", 10700.0, 12700.0, (10e6, 250e6), carriers=True),
)

PROTECTED_MHZ = (
    ("H I", 1400.0, 1427.0),
    ("OH", 1610.6, 1613.8),
    ("OH", 1660.0, 1670.0),
    ("continuum", 2690.0, 2700.0),
    ("continuum", 4990.0, 5000.0),
    ("continuum", 10680.0, 10700.0),
)

# The longest bursts of these services last some 10 ms: nothing so short is narrower than this.
NARROWEST_BURST_HZ = 100.0
# A transmitter in a low orbit changes its frequency by at most v^2 / (c d) of it a second: 8 km/s, 350 km away.
MOVING_DRIFT_PER_HZ = 0.6e-6


@dataclass(frozen=True)
class Appearance:
    """The properties of a hit that are compared with a service: widths in Hz, drift in Hz/s (0: stationary).

    `emission_width_hz` is the width of the emission as a whole, of which a `broad` hit may be a piece.
    `comb_spacing_hz` is 0 for a line that is not part of a comb.
    """

    width_hz: float
    emission_width_hz: float
    drift_rate_hz_s: float
    broad: bool
    pulsed: bool
    comb_spacing_hz: float = 0.0


def _services_at(mhz: float) -> tuple[Band, ...]:
    return tuple(band for band in BANDS if band.low_mhz <= mhz <= band.high_mhz)


def _protected_at(mhz: float) -> str:
    return next((name for name, low, high in PROTECTED_MHZ if low <= mhz <= high), "")


def _by_place(edges: Iterable[float], at: Callable[[float], Found]) -> tuple[list[float], list[Found]]:
    """Return the edges of bands, and what `at` says before the first one, at it, between it and the second, and so on.

    Each hit is looked up several times, and ten thousand hits would go through the tables for a tenth of a second.
    """
    ordered = sorted(set(edges))
    found = [at(ordered[0] - 1)]
    for low, high in zip(ordered, [*ordered[1:], ordered[-1] + 2], strict=True):
        found += [at(low), at((low + high) / 2)]
    return ordered, found


def _look_up(edges: Sequence[float], found: Sequence[Found], mhz: float) -> Found:
    before = bisect_left(edges, mhz)
    is_edge = before < len(edges) and edges[before] == mhz
    return found[2 * before + is_edge]


_SERVICES = _by_place([edge for band in BANDS for edge in (band.low_mhz, band.high_mhz)], _services_at)
_PROTECTED = _by_place([edge for _, low, high in PROTECTED_MHZ for edge in (low, high)], _protected_at)


def bands_at(frequency_hz: float) -> tuple[Band, ...]:
    """Return the services that may transmit at a frequency."""
    return _look_up(*_SERVICES, frequency_hz / 1e6)


def protected_band(frequency_hz: float) -> str:
    """Return the name of the protected radio astronomy band at a frequency, or an empty string."""
    return _look_up(*_PROTECTED, frequency_hz / 1e6)


def _is_line_of(band: Band, frequency_hz: float, seen: Appearance) -> bool:
    if band.lines_hz is None or not band.lines_hz[0] <= seen.width_hz <= band.lines_hz[1]:
        return False
    if band.comb_hz:
        multiple = seen.comb_spacing_hz / band.comb_hz
        # The spacing of wide lines is measured to some ten Hz.
        if round(multiple) < 1 or abs(multiple - round(multiple)) > 0.05:
            return False
    fastest = MOVING_DRIFT_PER_HZ * frequency_hz if band.moving else 0.0
    return abs(seen.drift_rate_hz_s) <= fastest


def _agrees(band: Band, frequency_hz: float, seen: Appearance) -> bool:
    widest = min(band.widths_hz[1], (band.high_mhz - band.low_mhz) * 1e6)
    is_emission = seen.broad and 0.5 * band.widths_hz[0] <= seen.emission_width_hz <= widest
    is_carrier = band.carriers and seen.drift_rate_hz_s == 0.0 and not seen.pulsed and not seen.broad
    is_burst = band.pulsed and seen.pulsed and seen.width_hz >= NARROWEST_BURST_HZ
    return is_emission or is_carrier or is_burst or _is_line_of(band, frequency_hz, seen)


def agreeing_band(frequency_hz: float, seen: Appearance) -> Band | None:
    """Return the first service whose band and shape both agree with a signal, or None.

    A broad emission agrees from half the service's narrowest to its widest; a narrow steady line that does not drift
    with services that have carriers; bursts with services that come in bursts; a line with services that are made of
    lines of that width, if it stands still or moves as they do. Nothing in a protected band agrees with anything.
    """
    if protected_band(frequency_hz):
        return None
    return next((band for band in bands_at(frequency_hz) if _agrees(band, frequency_hz, seen)), None)
