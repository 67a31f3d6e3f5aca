"""Cut-outs of normalised power around the hits."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.dedoppler.kernels.pair_sums import path_offset
from services.dedoppler.noise.conditioning import Conditioned
from services.dedoppler.search.leakage import leakage_channels
from shared.arrays import Hits, Indices, Power
from shared.events import Chunk
from shared.hits import Cutout

CUTOUT_MARGIN = 32
# Lines at least so many times as strong, within so many channels, would decide the shape of a hit beside them.
MUCH_STRONGER, MOST_NEIGHBOUR_CHANNELS = 10.0, 1024
# Beside emissions wider than this many channels, a cut-out shows no more than twice as many.
WIDE_CHANNELS = 512
CUTOUT_ROWS = 64
CUTOUT_SAMPLES = 2**18
# All cut-outs of a chunk: 128 MiB. Ten thousand tones in 16 spectra take 45 MB, or 130 MB if they drift by 4 Hz/s.
CHUNK_SAMPLES = 2**25


def cutout_rows(n_spectra: int, channels: int) -> int:
    """Return the number of spectra averaged in each row of a cut-out, so that it stays small."""
    rows = min(CUTOUT_ROWS, max(8, CUTOUT_SAMPLES // channels))
    return math.ceil(n_spectra / rows)


def fit_in_memory(hits: Hits, n_spectra: int, chunk: Chunk, most_samples: int = CHUNK_SAMPLES) -> npt.NDArray[np.bool_]:
    """Return which hits are so strong that their cut-outs, and those of all stronger hits, fit in memory.

    Parameters
    ----------
    hits : HIT_DTYPE (n,)
        The hits of one chunk; of equally strong ones the first come first.
    n_spectra : int
        T.
    chunk : Chunk
        Which channels were read.
    most_samples : int
        Largest number of samples of all cut-outs.

    Returns
    -------
    bool (n,)
    """
    low, high = _columns(hits, chunk)
    channels = np.maximum(high - low, 1)
    rows = np.minimum(np.minimum(CUTOUT_ROWS, np.maximum(8, CUTOUT_SAMPLES // channels)), n_spectra)
    strongest = np.argsort(-hits["snr"], kind="stable")
    fit = np.empty(len(hits), bool)
    fit[strongest] = np.cumsum((rows * channels)[strongest]) <= most_samples
    return fit


def _columns(hits: Hits, chunk: Chunk) -> tuple[Indices, Indices]:
    """Return the first channel of each hit's cut-out and the one after its last."""
    channel, steps, width = (hits[name].astype(np.int64) for name in ("channel", "steps", "width"))
    margin = CUTOUT_MARGIN + 2 * np.minimum(width, WIDE_CHANNELS)
    low = np.maximum(channel + np.minimum(steps, 0) - margin, chunk.read_start_channel)
    high = np.minimum(channel + np.maximum(steps, 0) + width + margin, chunk.read_stop_channel)
    return low, high


def stronger_neighbours(hits: Hits, i: int, snr_threshold: float) -> list[tuple[Hits, int]]:
    """Return the lines at least `MUCH_STRONGER` times as strong as hit `i` that may reach into its cut-out.

    Parameters
    ----------
    hits : HIT_DTYPE (n,)
        In order of channel.
    i : int
        Which hit.
    snr_threshold : float
        Threshold of the search.

    Returns
    -------
    list of (HIT_DTYPE scalar, int)
        Each with the channels that its wings reach.
    """
    hit, reach = hits[i], CUTOUT_MARGIN + MOST_NEIGHBOUR_CHANNELS
    low, high = np.searchsorted(hits["channel"], [hit["channel"] - reach, hit["channel"] + reach])
    near = hits[low:high]
    strong = near[near["snr"] >= MUCH_STRONGER * hit["snr"]]
    return [
        (other, leakage_channels(float(other["snr"]), int(other["width"]), snr_threshold))
        for other in strong
        if other["width"] <= hit["width"] + MOST_NEIGHBOUR_CHANNELS
    ]


def cutout(hit: Hits, conditioned: Conditioned, chunk: Chunk, stronger: Sequence[tuple[Hits, int]] = ()) -> Cutout:
    """Return the normalised power around a hit's track, limited to the channels that were read.

    Parameters
    ----------
    hit : HIT_DTYPE scalar
        The hit.
    conditioned : Conditioned
        Normalised power.
    chunk : Chunk
        Which channels were read.
    stronger : sequence of (HIT_DTYPE scalar, int)
        Much stronger hits, and how many channels beside their boxes their wings reach: these are 0 in the cut-out, so
        that the shape of the hit is its own.
    """
    to_channel = chunk.read_start_channel - conditioned.pad
    low, high = map(int, _columns(hit, chunk))
    power = conditioned.x[:, low - to_channel : high - to_channel]
    if stronger:
        power = power.copy()
        n_spectra = len(power)
        for other, margin in stronger:
            for t in range(n_spectra):
                start = int(other["channel"]) + path_offset(int(other["steps"]), t, n_spectra, 1) - margin - low
                power[t, max(0, start) : max(0, start + int(other["width"]) + 2 * margin)] = 0.0
    return picture(power, low)


def picture(power: Power, start_channel: int) -> Cutout:
    """Return a copy of some normalised power, float32 (T, channels), in at most 64 rows that average spectra."""
    per_row = cutout_rows(len(power), power.shape[1])
    edges = np.arange(0, len(power), per_row)
    if per_row == 1:
        return Cutout(power.copy(), start_channel)
    counts = np.diff(np.append(edges, len(power)))[:, None]
    averaged = np.add.reduceat(power, edges, axis=0) / counts
    return Cutout(averaged.astype(np.float32), start_channel, per_row)
