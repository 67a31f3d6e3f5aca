"""The step of quantised samples."""

import numpy as np

from shared.arrays import Power

# Samples from all over the block that show the step.
PROBE_ROWS, PROBE_COLUMNS = 4, 1024


def quantum_of(power: Power) -> float:
    """Return the usual distance between the values that samples take, raw units; 0 if they are all equal.

    In samples of few bits this is the step of the digitiser, also where they are stored as float32, are sums of IFs or
    averages of spectra. In other samples it is far less than the scatter.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power. What is not finite is not looked at.
    """
    n_spectra, n_channels = power.shape
    rows = np.unique(np.linspace(0, n_spectra - 1, min(n_spectra, PROBE_ROWS)).astype(int))
    columns = np.unique(np.linspace(0, n_channels - 1, min(n_channels, PROBE_COLUMNS)).astype(int))
    probe = power[np.ix_(rows, columns)]
    values = np.unique(probe[np.isfinite(probe)].astype(np.float64))
    return float(np.median(np.diff(values))) if len(values) > 1 else 0.0
