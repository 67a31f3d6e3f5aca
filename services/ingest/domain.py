"""How an observation is cut into chunks: pure rules."""

from collections.abc import Sequence

from shared.errors import PermanentError
from shared.events import Chunk, SearchParameters
from shared.header import Header

# Where the file has no coarse channels, or ones so narrow that several go into one chunk.
PLAIN_CHANNELS = 2**20
NARROW_COARSE_CHANNELS = 2**16
# Beside the path itself: boxes wider than a channel, and side lobes of a strong signal just across the edge.
MARGIN_CHANNELS = 64 + 2
# A last chunk narrower than this part of the others is not worth a chunk.
SMALLEST_REMAINDER = 1 / 8
# A chunk narrower than this part of its overlap is read and searched many times over for nothing.
SMALLEST_PART_OF_OVERLAP = 1 / 8
MAX_CHUNKS = 100_000


def overlap_channels(header: Header, max_drift_rate_hz_s: float) -> int:
    """Channels that a chunk reads beyond its own on either side: the widest path, its smear, boxes and side lobes."""
    steps = header.max_drift_steps(max_drift_rate_hz_s)
    smear = -(-steps // (header.n_spectra - 1))
    return steps + smear + MARGIN_CHANNELS


def plan_chunks(header: Header, parameters: SearchParameters, *, max_chunk_samples: int) -> tuple[Chunk, ...]:
    """The chunks of an observation, in channel order; what they own tiles [0, n_channels).

    A chunk is one coarse channel, several where they are narrow, or 2^20 channels where there are none; it is narrower
    where with its overlap it would have more than `max_chunk_samples` samples.

    Raises:
        PermanentError: not even a narrow chunk fits (`drift_range_too_wide`), or there would be too many
            (`too_many_chunks`).
    """
    overlap = overlap_channels(header, parameters.max_drift_rate_hz_s)
    widest = _widest_chunk(header, parameters, overlap, max_chunk_samples)
    if header.coarse_channel_width is None:
        edges: Sequence[int] = _plain_edges(header.n_channels, min(PLAIN_CHANNELS, widest))
    else:
        edges = _coarse_edges(header.n_channels, header.coarse_channel_width, widest)
    count = len(edges) - 1
    return tuple(
        Chunk(
            index=index,
            count=count,
            start_channel=edges[index],
            stop_channel=edges[index + 1],
            read_start_channel=max(0, edges[index] - overlap),
            read_stop_channel=min(header.n_channels, edges[index + 1] + overlap),
        )
        for index in range(count)
    )


def _widest_chunk(header: Header, parameters: SearchParameters, overlap: int, max_chunk_samples: int) -> int:
    """Channels that a chunk may own."""
    readable = max_chunk_samples // header.n_spectra
    # The search holds as much again on either side, so that no path ends outside of its memory.
    if header.n_channels + 2 * overlap <= readable:
        return header.n_channels
    widest = readable - 4 * overlap
    if widest < max(1, overlap * SMALLEST_PART_OF_OVERLAP):
        raise PermanentError(
            f"A search up to {parameters.max_drift_rate_hz_s} Hz/s needs {overlap} channels of overlap on either side "
            f"of a chunk; with {header.n_spectra} spectra not even a narrow chunk fits into the {max_chunk_samples} "
            "samples that one may have. Lower max_drift_rate_hz_s, or cut the file in time.",
            code="drift_range_too_wide",
        )
    return widest


def _check_count(count: int, header_channels: int) -> None:
    if count > MAX_CHUNKS:
        raise PermanentError(
            f"The observation's {header_channels} channels would fall into {count} chunks; at most {MAX_CHUNKS} are "
            "possible. Split the file in frequency, or lower max_drift_rate_hz_s.",
            code="too_many_chunks",
        )


def _plain_edges(n_channels: int, width: int) -> list[int]:
    """Chunks of `width` channels; of equal width where the last would be very narrow."""
    count = -(-n_channels // width)
    _check_count(count, n_channels)
    if n_channels - (count - 1) * width < SMALLEST_REMAINDER * width:
        return [n_channels * index // count for index in range(count + 1)]
    return [*range(0, n_channels, width), n_channels]


def _coarse_edges(n_channels: int, coarse_width: int, widest: int) -> list[int]:
    """Chunks of whole coarse channels, or of equal parts of one where it is wider than `widest`."""
    if coarse_width > widest:
        parts = -(-coarse_width // widest)
        starts = range(0, n_channels, coarse_width)
        _check_count(len(starts) * parts, n_channels)
        inner = [start + coarse_width * part // parts for start in starts for part in range(parts)]
        return [*(edge for edge in inner if edge < n_channels), n_channels]
    width = coarse_width
    if coarse_width < NARROW_COARSE_CHANNELS:
        width *= min(PLAIN_CHANNELS, widest) // coarse_width
    _check_count(-(-n_channels // width), n_channels)
    return [*range(0, n_channels, width), n_channels]
