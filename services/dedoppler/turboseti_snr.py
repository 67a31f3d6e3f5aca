"""turboSETI's own figure of a hit's strength, for comparison with old catalogues."""

import math
from concurrent.futures import Executor

import numpy as np
import numpy.typing as npt

from services.dedoppler.kernels import percentiles as ranks
from services.dedoppler.kernels import pictures
from services.dedoppler.noise.dc_spikes import dc_channels
from services.dedoppler.slices import slices
from services.dedoppler.threads import together
from shared.events import Chunk
from shared.header import Header

Power = npt.NDArray[np.float32]

CHANNELS_PER_TASK = 2**17


def add_turboseti_snr(hits: npt.NDArray[np.void], power: Power, header: Header, chunk: Chunk, pool: Executor) -> None:
    """turboSETI's own figure: (best single-channel path sum - median) / std of the time-summed chunk.

    The standard deviation is that of the sums between their 5th and 95th percentiles.
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


def _middle_and_spread(total: npt.NDArray[np.float64], pool: Executor) -> tuple[float, float]:
    """Median, and standard deviation of what lies between the 5th and the 95th percentile; 0 if nothing does."""
    sample = ranks.sorted_sample(total)
    low, middle, high = together(pool, lambda percent: ranks.percentile(total, sample, percent), [(5,), (50,), (95,)])
    parts = together(
        pool,
        lambda first, stop: ranks.inner_moments(total[first:stop], low, high, middle),
        slices(0, len(total), CHANNELS_PER_TASK),
    )
    number, first_moment, second_moment = (math.fsum(values) for values in zip(*parts, strict=True))
    if number == 0:
        return middle, 0.0
    return middle, math.sqrt(max(second_moment / number - (first_moment / number) ** 2, 0.0))
