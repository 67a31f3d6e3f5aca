"""How far the wings of a strong tone reach."""

import math

MOST_LEAKAGE_CHANNELS = 4096
# Narrower boxes hold tones, whose drift and place between two channels widen them.
NARROWEST_LINE_CHANNELS = 4.0


def leakage_channels(snr: float, width: int, snr_threshold: float) -> int:
    """Return how far beside a box the wings of a tone may exceed half the threshold, channels.

    An unwindowed transform leaks 1 / (2 pi^2 d^2) of a tone's power, on average over its phases, into the channel at
    distance `d`; the best box on such a wing is about `d` wide. A tone smeared over `width` channels leaks
    1 / (2 pi^2 d (d + width)): nearer than its width the wing falls more slowly, farther away like the wing of a steady
    tone.

    Parameters
    ----------
    snr : float
        Statistic of the tone's box.
    width : int
        Channels of the box.
    snr_threshold : float
        Threshold of the search.
    """
    excess = snr / (math.pi**2 * snr_threshold)
    reach = min(excess**2 / width, math.cbrt(excess**2 * width))
    return min(MOST_LEAKAGE_CHANNELS, 1 + math.ceil(max(reach, math.cbrt(excess**2))))


def flank_channels(snr: float, bandwidth: float, snr_threshold: float) -> int:
    """Return how far beside a box the soft flanks of an emission may exceed the threshold, channels.

    A Gaussian line of full width `b` at half maximum is found as a box of 1.1 b. At a distance `d` from its middle it
    has fallen to exp(-4 ln 2 (d / b)^2) of its height; what lies beyond is a box of about 0.7 of that part of its SNR.
    A tone has no flanks, only wings (`leakage_channels`).

    Parameters
    ----------
    snr : float
        Statistic of the line's box.
    bandwidth : float
        Channels of the box without the smear of its drift.
    snr_threshold : float
        Threshold of the search.
    """
    parts = 0.7 * snr / snr_threshold
    if bandwidth <= NARROWEST_LINE_CHANNELS or parts <= 1:
        return 0
    return math.ceil(bandwidth * max(0.0, math.sqrt(math.log(parts) / (4 * math.log(2))) - 0.55))
