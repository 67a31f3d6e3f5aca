"""Which products suit a search for narrowband signals, and which widths are narrow. Both are judged in Hz."""

from shared.header import Header
from shared.units import frequency_text

# The narrowest natural lines, those of OH masers, are about 550 Hz wide (Cohen et al. 1987, MNRAS 225, 491), so what
# is narrower is artificial.
NARROW_HZ = 500.0
# A tone fills one channel, and its neighbours if it lies between two: no width below this shows in wide channels.
UNRESOLVED_CHANNELS = 3
# Breakthrough Listen's coarsest product that is searched for narrow signals has channels of 2.86 kHz; the model of
# shapes knows none that are wider. A tone keeps sqrt(500 / 3000), two fifths, of the SNR that 500 Hz would show.
WIDEST_CHANNEL_HZ = 3000.0
# Fewer channels show neither the noise around a signal nor where its drift leads.
FEWEST_CHANNELS = 256


def narrow_limit_hz(channel_width_hz: float) -> float:
    """Return the largest width of a narrow signal, Hz; 0 where channels are too wide to show that a signal is narrow.

    500 Hz, or three channels where these are wider, up to channels of 3 kHz.
    """
    if channel_width_hz > WIDEST_CHANNEL_HZ:
        return 0.0
    return max(NARROW_HZ, UNRESOLVED_CHANNELS * channel_width_hz)


def why_unsuited(header: Header) -> str:
    """Return a sentence that says why a product does not suit a search for narrowband signals; empty if it does."""
    width_hz = abs(header.foff_hz)
    if width_hz > WIDEST_CHANNEL_HZ:
        return (
            f"The channels are {frequency_text(width_hz)} wide, too wide for narrowband signals (at most "
            f"{frequency_text(WIDEST_CHANNEL_HZ)}): hits are listed, and none is a candidate. "
            "Use the high-resolution product of the observation."
        )
    if header.n_channels < FEWEST_CHANNELS:
        return (
            f"The file holds {header.n_channels} channels, too few for a search for narrowband signals (at least "
            f"{FEWEST_CHANNELS}): hits are listed, and none is a candidate."
        )
    return ""
