"""Voyager 1 as Green Bank observed it in 2016: the grid of that file, and the spacecraft's five tones."""

import numpy as np

from science.simulator.scene import Scene, make_header
from science.simulator.tones import Tone

VOYAGER_N_CHANNELS = 2**20
VOYAGER_MEAN = 1.1057550e10
VOYAGER_SIGMA = 1.1497335e9

# Start channel, drift steps over the 16 spectra, radiometer SNR.
VOYAGER_TONES = (
    (739820, 36, 121.0),
    (739933, 39, 126.0),
    (747929, 37, 1013.0),
    (755923, 38, 119.0),
    (756037, 39, 129.0),
)

TRUTH_DTYPE = np.dtype(
    [
        ("channel", np.int64),
        ("steps", np.int32),
        ("snr", np.float64),
        ("frequency_hz", np.float64),
        ("drift_rate_hz_s", np.float64),
    ]
)


def voyager_1(seed: int = 1) -> tuple[Scene, np.ndarray]:
    """Return the scene (one coarse channel, 16 spectra, 32 bits, DC spike at channel 524288) and its TRUTH_DTYPE."""
    header = make_header(
        VOYAGER_N_CHANNELS, source_name="Voyager1", coarse_channel_width=VOYAGER_N_CHANNELS, has_dc_spike=True
    )
    truth = np.array(
        [
            (channel, steps, snr, header.frequency_hz(channel), header.drift_rate_hz_s(steps))
            for channel, steps, snr in VOYAGER_TONES
        ],
        TRUTH_DTYPE,
    )
    tones = tuple(Tone(float(row["frequency_hz"]), float(row["drift_rate_hz_s"]), float(row["snr"])) for row in truth)
    shape = (VOYAGER_MEAN / VOYAGER_SIGMA) ** 2
    return Scene(header, tones, mean=VOYAGER_MEAN, averaged_spectra=shape, dc_spike=30.0, seed=seed), truth
