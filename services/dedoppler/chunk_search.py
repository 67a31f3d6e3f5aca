"""From boxes to what the chunk leaves in S3: hits in physical units with errors, cut-outs, statistics, a waterfall."""

import math
from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
import numpy.typing as npt

from services.dedoppler.domain import (
    CUTOUT_MARGIN,
    bandwidth_channels,
    cutout_rows,
    dc_channels,
    equal_edges,
    errors_of,
    plan_rungs,
    slices,
    waterfall_shape,
    widest_box,
)
from services.dedoppler.kernels import percentiles as ranks
from services.dedoppler.kernels import pictures
from services.dedoppler.noise.conditioning import Conditioned, condition, give_back
from services.dedoppler.search.boxes import MOST_BOXES, Box, Region, Search
from services.dedoppler.threads import together
from shared.events import Chunk, SearchParameters
from shared.header import Header
from shared.hits import HIT_DTYPE, ChunkHits, Cutout

Power = npt.NDArray[np.float32]

CHANNELS_PER_TASK = 2**17
BINS_PER_TASK = 256


def search_chunk(power: Power, header: Header, chunk: Chunk, parameters: SearchParameters, pool: Executor) -> ChunkHits:
    """Everything that one chunk holds.

    Args:
        power: float32 (T, channels), raw, the channels [read_start_channel, read_stop_channel) of the chunk.
        header: of the whole file.
        chunk: which channels these are, and for which of them this chunk answers.
        parameters: threshold and drift range.
        pool: threads to work on; the result does not depend on their number.
    """
    max_steps = header.max_drift_steps(parameters.max_drift_rate_hz_s)
    rungs = plan_rungs(header.n_spectra, max_steps)
    pad = max_steps + 2 * widest_box(rungs)
    conditioned = condition(power, header, chunk.read_start_channel, pad, pool)
    if conditioned is None:
        return _nothing(header, chunk)
    region = Region(pad, pad + power.shape[1])
    boxes, cut_short = Search(conditioned.x, region, rungs, parameters.snr_threshold, pool).boxes()
    hits = _hit_table(boxes, conditioned, power, header, chunk, pool)
    warnings = list(conditioned.warnings)
    if cut_short:
        warnings.append(
            f"Channels {chunk.start_channel} to {chunk.stop_channel - 1} hold more signals than one search takes "
            f"(limit {MOST_BOXES}); the strongest are listed."
        )
    found = ChunkHits(
        hits=hits,
        cutouts=[_cutout(hit, conditioned, header, chunk) for hit in hits],
        noise={"start_channel": float(chunk.start_channel), **conditioned.statistics},
        waterfall=_waterfall(conditioned, header, chunk, pool),
        warnings=warnings,
    )
    give_back(conditioned)
    return found


def _nothing(header: Header, chunk: Chunk) -> ChunkHits:
    shape = waterfall_shape(header.n_spectra, chunk.stop_channel - chunk.start_channel, chunk.count)
    return ChunkHits(
        hits=np.empty(0, HIT_DTYPE),
        cutouts=[],
        noise={"start_channel": float(chunk.start_channel), "lost_fraction": 1.0},
        waterfall=np.zeros(shape, np.float32),
        warnings=[
            f"Channels {chunk.start_channel} to {chunk.stop_channel - 1} hold no noise (all samples are lost or equal) "
            "and were not searched."
        ],
    )


def _hit_table(
    boxes: Sequence[Box], conditioned: Conditioned, power: Power, header: Header, chunk: Chunk, pool: Executor
) -> npt.NDArray[np.void]:
    """Hits that start in the chunk's own channels, in order of channel and drift."""
    to_channel = chunk.read_start_channel - conditioned.pad
    hits = np.zeros(len(boxes), HIT_DTYPE)
    for row, box in enumerate(boxes):
        hits[row] = _values(box, box.column + to_channel, header)
    hits = hits[np.lexsort((hits["steps"], hits["channel"]))]
    hits = hits[(hits["channel"] >= chunk.start_channel) & (hits["channel"] < chunk.stop_channel)]
    if len(hits):
        _add_turboseti(hits, power, header, chunk, pool)
    return hits


def _values(box: Box, channel: int, header: Header) -> tuple[float, ...]:
    """One hit, field by field as in `HIT_DTYPE`; turboSETI's figure is still missing.

    Of a box that begins below the file's first channel, only the channels in the file are listed.
    """
    bandwidth = bandwidth_channels(box.width, box.steps, header.n_spectra)
    errors = errors_of(box.snr, box.width, bandwidth)
    first = max(channel, 0)
    width_hz, step_hz_s = abs(header.foff_hz), header.drift_resolution_hz_s
    values = {
        "channel": first,
        "steps": box.steps,
        "width": box.width - (first - channel),
        "snr": box.snr,
        "snr_error": errors.snr,
        "snr_turboseti": np.nan,
        "frequency_hz": header.frequency_hz(channel + (box.width - 1) / 2),
        "frequency_error_hz": errors.channel * width_hz,
        "drift_rate_hz_s": header.drift_rate_hz_s(box.steps),
        "drift_rate_error_hz_s": errors.steps * step_hz_s,
        "bandwidth_hz": bandwidth * width_hz,
        "bandwidth_error_hz": errors.width * width_hz,
    }
    return tuple(values[name] for name in HIT_DTYPE.names or ())


def _add_turboseti(hits: npt.NDArray[np.void], power: Power, header: Header, chunk: Chunk, pool: Executor) -> None:
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


def _cutout(hit: npt.NDArray[np.void], conditioned: Conditioned, header: Header, chunk: Chunk) -> Cutout:
    """Normalised power round the track, clipped where the chunk was not read."""
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


def _waterfall(conditioned: Conditioned, header: Header, chunk: Chunk, pool: Executor) -> Power:
    own = chunk.stop_channel - chunk.start_channel
    rows, bins = waterfall_shape(header.n_spectra, own, chunk.count)
    out = np.empty((rows, bins), np.float32)
    first = chunk.start_channel - chunk.read_start_channel + conditioned.pad
    bin_edges, row_edges = equal_edges(own, bins), equal_edges(header.n_spectra, rows)
    together(
        pool,
        lambda low, high: pictures.waterfall(conditioned.x, first, bin_edges, low, high, row_edges, out),
        slices(0, bins, BINS_PER_TASK),
    )
    return out
