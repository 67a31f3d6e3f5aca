"""How an observation is cut into chunks: pure rules."""

from shared.errors import PermanentError
from shared.events import ChunkPlan, SearchParameters
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


def plan_observation(
    header: Header, parameters: SearchParameters, *, max_chunk_samples: int, lanes: int = 1
) -> ChunkPlan:
    """How an observation is cut, in channel order; what the chunks own tiles [0, n_channels).

    A chunk is one coarse channel, several where they are narrow, or 2^20 channels where there are none; it is narrower
    where with its overlap it would have more than `max_chunk_samples` samples. At most `lanes` are under way at a time.

    Raises:
        PermanentError: not even a narrow chunk fits (`drift_range_too_wide`), or there would be too many
            (`too_many_chunks`).
    """
    overlap = overlap_channels(header, parameters.max_drift_rate_hz_s)
    widest = _widest_chunk(header, parameters, overlap, max_chunk_samples)
    n_channels = header.n_channels
    if header.coarse_channel_width is None:
        stride, parts = _plain_stride(n_channels, min(PLAIN_CHANNELS, widest))
    else:
        stride, parts = _coarse_stride(header.coarse_channel_width, widest)
    count = _count(n_channels, stride, parts)
    if count > MAX_CHUNKS:
        raise PermanentError(
            f"The observation's {n_channels} channels would fall into {count} chunks; at most {MAX_CHUNKS} are "
            "possible. Split the file in frequency, or lower max_drift_rate_hz_s.",
            code="too_many_chunks",
        )
    return ChunkPlan(
        n_channels=n_channels,
        count=count,
        stride_channels=stride,
        parts=parts,
        overlap_channels=overlap,
        lanes=min(lanes, count),
    )


def is_within(plan: ChunkPlan, n_spectra: int, max_chunk_samples: int) -> bool:
    """Whether the chunks of a plan, whatever the limit was when it was made, are as narrow as the limit has them be."""
    widest = min(plan.n_channels, -(-plan.stride_channels // plan.parts))
    return widest <= _most_channels(plan.n_channels, plan.overlap_channels, max_chunk_samples // n_spectra)


def _most_channels(n_channels: int, overlap: int, readable: int) -> int:
    """Channels that a chunk may own where it may hold `readable`; not even one where the overlap takes up all."""
    # The search holds as much again on either side, so that no path ends outside of its memory.
    return n_channels if n_channels + 2 * overlap <= readable else readable - 4 * overlap


def _widest_chunk(header: Header, parameters: SearchParameters, overlap: int, max_chunk_samples: int) -> int:
    """Channels that a chunk may own."""
    widest = _most_channels(header.n_channels, overlap, max_chunk_samples // header.n_spectra)
    if widest == header.n_channels:
        return widest
    if widest < max(1, overlap * SMALLEST_PART_OF_OVERLAP):
        raise PermanentError(
            f"A search up to {parameters.max_drift_rate_hz_s} Hz/s needs {overlap} channels of overlap on either side "
            f"of a chunk; with {header.n_spectra} spectra not even a narrow chunk fits into the {max_chunk_samples} "
            "samples that one may have. Lower max_drift_rate_hz_s, or cut the file in time.",
            code="drift_range_too_wide",
        )
    return widest


def _plain_stride(n_channels: int, width: int) -> tuple[int, int]:
    """Strides of one chunk of `width` channels; one stride of equal parts where the last would be very narrow."""
    count = -(-n_channels // width)
    if n_channels - (count - 1) * width < SMALLEST_REMAINDER * width:
        return n_channels, count
    return width, 1


def _coarse_stride(coarse_width: int, widest: int) -> tuple[int, int]:
    """Strides of whole coarse channels, or of one that is wider than `widest` and cut into parts."""
    if coarse_width > widest:
        return coarse_width, -(-coarse_width // widest)
    if coarse_width < NARROW_COARSE_CHANNELS:
        return coarse_width * (min(PLAIN_CHANNELS, widest) // coarse_width), 1
    return coarse_width, 1


def _count(n_channels: int, stride: int, parts: int) -> int:
    """Chunks until the last channel is in one: those that begin beyond it don't exist."""
    whole, rest = divmod(n_channels, stride)
    return whole * parts + sum(stride * part // parts < rest for part in range(parts))
