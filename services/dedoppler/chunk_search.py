"""From boxes to what the chunk leaves in S3: hits in physical units with errors, cut-outs, statistics, a waterfall."""

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
import numpy.typing as npt

from services.dedoppler.cutouts import cutout
from services.dedoppler.noise.conditioning import Conditioned, condition, give_back
from services.dedoppler.search.boxes import MOST_BOXES, Box, Region, Search
from services.dedoppler.search.width_trials import plan_rungs, widest_box
from services.dedoppler.turboseti_snr import add_turboseti_snr
from services.dedoppler.uncertainties import bandwidth_channels, errors_of
from services.dedoppler.waterfall import waterfall, waterfall_shape
from shared.events import Chunk, SearchParameters
from shared.header import Header
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise

Power = npt.NDArray[np.float32]


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
        cutouts=[cutout(hit, conditioned, chunk) for hit in hits],
        channels=chunk.channels,
        noise=conditioned.noise,
        waterfall=waterfall(conditioned, header, chunk, pool),
        warnings=warnings,
    )
    give_back(conditioned)
    return found


def _nothing(header: Header, chunk: Chunk) -> ChunkHits:
    shape = waterfall_shape(header.n_spectra, chunk.stop_channel - chunk.start_channel, chunk.count)
    return ChunkHits(
        hits=np.empty(0, HIT_DTYPE),
        cutouts=[],
        channels=chunk.channels,
        noise=ChunkNoise(lost_fraction=1.0),
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
        add_turboseti_snr(hits, power, header, chunk, pool)
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
