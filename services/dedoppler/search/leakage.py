"""How far the wings of a strong tone reach."""

import math

MOST_LEAKAGE_CHANNELS = 4096


def leakage_channels(snr: float, width: int, snr_threshold: float) -> int:
    """Channels beside a box in which the wings of so strong a tone may exceed half the threshold.

    An unwindowed transform leaks 1 / (2 pi^2 d^2) of a tone's power, on average over its phases, into the channel at
    distance `d`; the best box on such a wing is about `d` wide. A tone smeared over `width` channels leaks
    1 / (2 pi^2 d (d + width)): nearer than its width the wing falls more slowly, beyond it as that of a steady tone.
    """
    excess = snr / (math.pi**2 * snr_threshold)
    reach = min(excess**2 / width, math.cbrt(excess**2 * width))
    return min(MOST_LEAKAGE_CHANNELS, 1 + math.ceil(max(reach, math.cbrt(excess**2))))
