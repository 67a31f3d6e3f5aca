"""Cut-outs of normalised power around the hits."""

import math

import numpy as np

from services.dedoppler.noise.conditioning import Conditioned
from shared.arrays import Hits
from shared.events import Chunk
from shared.hits import Cutout

CUTOUT_MARGIN = 32
CUTOUT_ROWS = 64
CUTOUT_SAMPLES = 2**18


def cutout_rows(n_spectra: int, channels: int) -> int:
    """Return the number of spectra averaged in each row of a cut-out, so that it stays small."""
    rows = min(CUTOUT_ROWS, max(8, CUTOUT_SAMPLES // channels))
    return math.ceil(n_spectra / rows)


def cutout(hit: Hits, conditioned: Conditioned, chunk: Chunk) -> Cutout:
    """Return the normalised power around a hit's track, limited to the channels that were read."""
    to_channel = chunk.read_start_channel - conditioned.pad
    channel, steps, width = int(hit["channel"]), int(hit["steps"]), int(hit["width"])
    margin = CUTOUT_MARGIN + 2 * width
    low = max(channel + min(steps, 0) - margin, chunk.read_start_channel)
    high = min(channel + max(steps, 0) + width + margin, chunk.read_stop_channel)
    power = conditioned.x[:, low - to_channel : high - to_channel]
    per_row = cutout_rows(len(power), power.shape[1])
    edges = np.arange(0, len(power), per_row)
    if per_row == 1:
        return Cutout(power.copy(), low)
    counts = np.diff(np.append(edges, len(power)))[:, None]
    averaged = np.add.reduceat(power, edges, axis=0) / counts
    return Cutout(averaged.astype(np.float32), low, per_row)
