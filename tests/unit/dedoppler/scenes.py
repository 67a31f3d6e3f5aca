"""Small simulated observations, and the search of them as jobs are searched."""

from itertools import pairwise

import numpy as np

from science.simulator import Scene, Tone, make_header, simulate
from services.dedoppler.chunk_search import search_chunk
from shared.events import Chunk, SearchParameters

__all__ = ["Scene", "chunk_plan", "make_header", "rows", "search", "simulate", "tone", "whole"]

# Beside the widest path and its smear: boxes wider than a channel, and the wings of a strong tone across the edge.
MARGIN_CHANNELS = 66


def tone(header, channel, steps, snr):
    """A tone by the grid: (fractional) channel in the first spectrum, and steps over the whole observation."""
    return Tone(header.frequency_hz(channel), header.drift_rate_hz_s(steps), snr)


def whole(header):
    """The file as one chunk."""
    n = header.n_channels
    return Chunk(index=0, count=1, start_channel=0, stop_channel=n, read_start_channel=0, read_stop_channel=n)


def chunk_plan(header, edges, max_drift=4.0):
    """Chunks between `edges` that also read the widest path, its smear and a margin on either side."""
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


def search(power, header, pool, *, chunk=None, snr_threshold=10.0, max_drift=4.0):
    """Search one chunk (the whole file unless told) of an observation's power."""
    chunk = chunk or whole(header)
    part = np.ascontiguousarray(power[:, chunk.read_start_channel : chunk.read_stop_channel])
    parameters = SearchParameters(snr_threshold=snr_threshold, max_drift_rate_hz_s=max_drift)
    return search_chunk(part, header, chunk, parameters, pool)


def rows(found):
    """(channel, steps, width) of each hit."""
    hits = found.hits
    return [(int(hit["channel"]), int(hit["steps"]), int(hit["width"])) for hit in hits]
