"""Searches of simulated observations, chunk by chunk as in a job."""

from collections.abc import Sequence
from concurrent.futures import Executor
from itertools import pairwise

import numpy as np

from science.simulator import Tone
from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.noise.scratch import Scratch
from shared.arrays import Power
from shared.events import Chunk, SearchParameters
from shared.header import Header
from shared.hits import ChunkHits

# Overlap beside the steepest path and its smear, for wide boxes and the side lobes of a strong tone across the edge.
MARGIN_CHANNELS = 66


def tone(header: Header, channel: float, steps: float, snr: float) -> Tone:
    """Return a tone at a (fractional) channel in the first spectrum that drifts by `steps` channels to the last."""
    return Tone(header.frequency_hz(channel), header.drift_rate_hz_s(steps), snr)


def whole(header: Header) -> Chunk:
    """Return the file as one chunk."""
    n = header.n_channels
    return Chunk(index=0, count=1, start_channel=0, stop_channel=n, read_start_channel=0, read_stop_channel=n)


def chunk_plan(header: Header, edges: Sequence[int], max_drift: float = 4.0) -> list[Chunk]:
    """Return the chunks between `edges`, each with the overlap that the largest drift rate needs."""
    steps = header.max_drift_steps(max_drift)
    overlap = steps + -(-steps // (header.n_spectra - 1)) + MARGIN_CHANNELS
    return [
        Chunk(
            index=i,
            count=len(edges) - 1,
            start_channel=start,
            stop_channel=stop,
            read_start_channel=max(0, start - overlap),
            read_stop_channel=min(header.n_channels, stop + overlap),
        )
        for i, (start, stop) in enumerate(pairwise(edges))
    ]


def search(
    power: Power,
    header: Header,
    pool: Executor,
    *,
    chunk: Chunk | None = None,
    snr_threshold: float = 10.0,
    max_drift: float = 4.0,
    chirps: bool = False,
) -> ChunkHits:
    """Search one chunk, by default the whole file, of an observation's power, float32 (spectra, channels)."""
    chunk = chunk or whole(header)
    part = np.ascontiguousarray(power[:, chunk.read_start_channel : chunk.read_stop_channel])
    parameters = SearchParameters(snr_threshold=snr_threshold, max_drift_rate_hz_s=max_drift, chirps=chirps)
    return search_chunk(part, header, chunk, parameters, pool, Scratch())


def rows(found: ChunkHits) -> list[tuple[int, int, int]]:
    """Return (channel, drift steps, width) of each hit."""
    return [(int(hit["channel"]), int(hit["steps"]), int(hit["width"])) for hit in found.hits]
