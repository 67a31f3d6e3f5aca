"""SNR by turboSETI's definition, for comparison with existing catalogues."""

import math
from concurrent.futures import Executor

import numpy as np

from services.dedoppler.kernels import percentiles, pictures
from services.dedoppler.noise.dc_spikes import dc_channels
from services.dedoppler.slices import slices
from services.dedoppler.threads import together
from shared.arrays import Floats, Hits, Power
from shared.events import Chunk
from shared.header import Header

CHANNELS_PER_TASK = 2**17


def add_turboseti_snr(hits: Hits, power: Power, header: Header, chunk: Chunk, pool: Executor) -> None:
    """Set `snr_turboseti` of hits: (best single-channel path sum - median) / std of the time-summed chunk.

    The standard deviation is taken over the sums between their 5th and 95th percentiles, as turboSETI does.

    Parameters
    ----------
    hits : HIT_DTYPE (hits,)
        Changed in place; NaN if the sums have no spread.
    power : float32 (T, channels)
        Raw power of the channels that the chunk reads.
    header : Header
        Of the whole file.
    chunk : Chunk
        Which channels these are.
    pool : Executor
        Threads to work on.
    """
    total = np.empty(power.shape[1])
    together(
        pool,
        lambda low, high: pictures.time_sum(power, low, high, total),
        slices(0, power.shape[1], CHANNELS_PER_TASK),
    )
    for spike in dc_channels(header, chunk.read_start_channel, chunk.read_stop_channel) - chunk.read_start_channel:
        total[spike] = total[max(spike - 1, 0)]
    middle, spread = _middle_and_spread(total, pool)
    for hit in hits:
        best = pictures.best_raw_path(power, hit["channel"] - chunk.read_start_channel, hit["width"], hit["steps"])
        hit["snr_turboseti"] = (best - middle) / spread if spread > 0 else np.nan


def _middle_and_spread(total: Floats, pool: Executor) -> tuple[float, float]:
    """Return the median, and the standard deviation between the 5th and 95th percentiles; 0 if no value is there."""
    sample = percentiles.sorted_sample(total)
    low, middle, high = together(
        pool, lambda percent: percentiles.percentile(total, sample, percent), [(5,), (50,), (95,)]
    )
    parts = together(
        pool,
        lambda first, stop: percentiles.inner_moments(total[first:stop], low, high, middle),
        slices(0, len(total), CHANNELS_PER_TASK),
    )
    number, first_moment, second_moment = (math.fsum(values) for values in zip(*parts, strict=True))
    if number == 0:
        return middle, 0.0
    return middle, math.sqrt(max(second_moment / number - (first_moment / number) ** 2, 0.0))
