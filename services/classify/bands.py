"""Where on the spectrum our own transmitters are, and what their emissions look like.

A hit is put down to a service only where both the band and the shape agree: a narrow drifting tone between two
satellites' spread-spectrum signals is not theirs. Allocations differ by region; the table takes those that matter at
the observatories whose data are public. Protected bands are noted and never name an interferer.
"""

from dataclasses import dataclass
from typing import Literal

Category = Literal["terrestrial", "satellite"]


@dataclass(frozen=True)
class Band:
    """One service's band and the widths of its real emissions.

    `carriers`: it radiates steady narrow lines (carriers, pilots) that do not drift. `pulsed`: it comes in bursts.
    """

    name: str
    region: str
    category: Category
    low_mhz: float
    high_mhz: float
    min_width_hz: float
    max_width_hz: float
    carriers: bool = False
    pulsed: bool = False


BANDS = (
    Band("FM radio", "world", "terrestrial", 87.5, 108.0, 50e3, 300e3, carriers=True),
    Band("UHF television", "world", "terrestrial", 470.0, 698.0, 5e6, 8e6, carriers=True),
    Band("LTE 600", "Americas", "terrestrial", 617.0, 652.0, 180e3, 20e6),
    Band("LTE 700 lower", "Americas", "terrestrial", 729.0, 756.0, 180e3, 20e6),
    Band("LTE 700 upper", "Americas", "terrestrial", 746.0, 787.0, 180e3, 20e6),
    Band("LTE 850", "Americas", "terrestrial", 869.0, 894.0, 180e3, 20e6),
    Band("GPS/Galileo L5", "world", "satellite", 1164.0, 1214.0, 10e6, 50e6),
    Band("Air surveillance radar", "world", "terrestrial", 1215.0, 1400.0, 100e3, 10e6, pulsed=True),
    Band("GPS L2", "world", "satellite", 1215.0, 1240.0, 1e6, 24e6),
    Band("GLONASS L2", "world", "satellite", 1242.0, 1249.0, 500e3, 10e6),
    Band("Inmarsat", "world", "satellite", 1525.0, 1559.0, 5e3, 200e3, carriers=True),
    Band("BeiDou B1", "world", "satellite", 1559.0, 1563.0, 2e6, 4.1e6),
    Band("GPS/Galileo L1", "world", "satellite", 1563.0, 1587.0, 1e6, 24e6),
    Band("GLONASS L1", "world", "satellite", 1598.0, 1606.0, 500e3, 10e6),
    Band("Globalstar uplink", "world", "satellite", 1610.0, 1618.7, 1e6, 2e6),
    Band("Iridium", "world", "satellite", 1616.0, 1626.5, 20e3, 50e3, pulsed=True),
    Band("LTE 1900", "Americas", "terrestrial", 1930.0, 1995.0, 180e3, 20e6),
    Band("LTE 2100", "world", "terrestrial", 2110.0, 2170.0, 180e3, 20e6),
    Band("Wi-Fi 2.4 GHz", "world", "terrestrial", 2400.0, 2483.5, 1e6, 40e6, pulsed=True),
    Band("Globalstar downlink", "world", "satellite", 2483.5, 2500.0, 1e6, 2e6),
    Band("Weather radar", "world", "terrestrial", 2700.0, 3000.0, 100e3, 10e6, pulsed=True),
    Band("Wi-Fi 5 GHz", "world", "terrestrial", 5150.0, 5850.0, 1e6, 160e6, pulsed=True),
    Band("Starlink/OneWeb", "world", "satellite", 10700.0, 12700.0, 10e6, 250e6),
)

PROTECTED_MHZ = (("H I", 1400.0, 1427.0), ("OH", 1610.6, 1613.8))


def bands_at(frequency_hz: float) -> tuple[Band, ...]:
    """Services that may transmit at a frequency."""
    mhz = frequency_hz / 1e6
    return tuple(band for band in BANDS if band.low_mhz <= mhz <= band.high_mhz)


def protected_band(frequency_hz: float) -> str:
    """Name of the protected radio astronomy band at a frequency, or an empty string."""
    mhz = frequency_hz / 1e6
    return next((name for name, low, high in PROTECTED_MHZ if low <= mhz <= high), "")


def agreeing_band(
    frequency_hz: float, *, emission_width_hz: float, broad: bool, stationary: bool, pulsed: bool
) -> Band | None:
    """The first service whose band and whose shape both agree with a signal.

    A broad signal agrees from half the service's narrowest emission to its widest; a steady line that does not drift
    agrees with services that radiate such lines; bursts agree with services that come in bursts. Nothing in a protected
    band agrees with anything.
    """
    if protected_band(frequency_hz):
        return None
    for band in bands_at(frequency_hz):
        width_agrees = broad and 0.5 * band.min_width_hz <= emission_width_hz <= band.max_width_hz
        if width_agrees or (stationary and band.carriers) or (pulsed and band.pulsed):
            return band
    return None
