"""How far the wings of a strong tone reach."""

import math

MOST_LEAKAGE_CHANNELS = 4096


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
