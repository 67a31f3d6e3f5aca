"""Rules by which an observation is cut into chunks."""

from shared.averaging import searched_grid
from shared.errors import PermanentError
from shared.event_fields import MAX_CHUNKS
from shared.events import ChunkPlan, SearchParameters
from shared.header import Header
from shared.polarisations import FIRST_IF, Ifs

# Channels of a chunk if the file has no coarse channels, or narrow ones of which several make a chunk.
PLAIN_CHANNELS = 2**20
# A coarse channel with fewer fine channels is narrow.
NARROW_COARSE_CHANNELS = 2**16
# Overlap beside the path itself, for boxes wider than a channel and side lobes of a strong signal across the edge.
MARGIN_CHANNELS = 64 + 2
# A last chunk narrower than this fraction of the others is spread over them.
SMALLEST_REMAINDER = 1 / 8
# A chunk narrower than this fraction of its overlap is refused: nearly all of its reading and searching is overlap.
SMALLEST_PART_OF_OVERLAP = 1 / 8


def overlap_channels(header: Header, max_drift_rate_hz_s: float) -> int:
    """Return how many channels a chunk reads beyond its own on either side.

    They hold the steepest path, its smear within one spectrum, wide boxes and side lobes.
    """
    steps = header.max_drift_steps(max_drift_rate_hz_s)
    smear = -(-steps // (header.n_spectra - 1))
    return steps + smear + MARGIN_CHANNELS


def plan_observation(
    header: Header,
    parameters: SearchParameters,
    *,
    max_chunk_samples: int,
    lanes: int = 1,
    packed_channels: int = 1,
    searches: tuple[Ifs, ...] = (FIRST_IF,),
) -> ChunkPlan:
    """Plan the chunks of an observation in channel order; together they own [0, n_channels) without gaps.

    A chunk owns one coarse channel, several narrow ones, or 2^20 channels if the file has no coarse channels. It owns
    more, about `packed_channels`, if storage chunks are wider, so that they are not unpacked for each of many chunks.
    It owns fewer channels if it would otherwise hold more than `max_chunk_samples` samples with its overlap.

    Parameters
    ----------
    header
        Header of the observation.
    parameters
        Search parameters; the largest drift rate sets the overlap.
    max_chunk_samples
        Largest number of samples (spectra of the search times channels) of a chunk with its overlap.
    lanes
        Largest number of chunks that are searched at the same time.
    packed_channels
        Channels of a storage chunk that has to be unpacked; 1 if there are none.
    searches
        The IFs of each search of the observation; the chunks of all channels repeat for each.

    Raises
    ------
    PermanentError
        Not even a narrow chunk fits (`drift_range_too_wide`), or there would be too many chunks (`too_many_chunks`).
    """
    overlap = overlap_channels(header, parameters.max_drift_rate_hz_s)
    widest = _widest_chunk(header, parameters, overlap, max_chunk_samples)
    n_channels = header.n_channels
    if header.coarse_channel_width is None:
        stride, parts = _plain_stride(n_channels, min(max(PLAIN_CHANNELS, packed_channels), widest))
    else:
        stride, parts = _coarse_stride(header.coarse_channel_width, widest, packed_channels)
    count = _count(n_channels, stride, parts) * len(searches)
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
        searches=searches,
    )


def is_within(plan: ChunkPlan, n_spectra: int, max_chunk_samples: int) -> bool:
    """Return whether the chunks of a plan, perhaps made under another limit, hold at most `max_chunk_samples`.

    `n_spectra` is the number of spectra of the search, which may be averages.
    """
    widest = min(plan.n_channels, -(-plan.stride_channels // plan.parts))
    return widest <= _most_channels(plan.n_channels, plan.overlap_channels, max_chunk_samples // n_spectra)


def _most_channels(n_channels: int, overlap: int, readable: int) -> int:
    """Return how many channels a chunk may own if it may hold `readable`; 0 or less if none fits."""
    # The search holds twice the overlap on either side, so that no path leaves its arrays.
    return n_channels if n_channels + 2 * overlap <= readable else readable - 4 * overlap


def _widest_chunk(header: Header, parameters: SearchParameters, overlap: int, max_chunk_samples: int) -> int:
    """Return the largest number of channels that a chunk may own."""
    n_spectra = searched_grid(header, parameters.max_drift_rate_hz_s).n_spectra
    widest = _most_channels(header.n_channels, overlap, max_chunk_samples // n_spectra)
    if widest == header.n_channels:
        return widest
    if widest < max(1, overlap * SMALLEST_PART_OF_OVERLAP):
        raise PermanentError(
            f"A search up to {parameters.max_drift_rate_hz_s} Hz/s needs {overlap} channels of overlap on either side "
            f"of a chunk; with {n_spectra} spectra not even a narrow chunk fits into the {max_chunk_samples} "
            "samples that one may have. Lower max_drift_rate_hz_s, or cut the file in time.",
            code="drift_range_too_wide",
        )
    return widest


def _plain_stride(n_channels: int, width: int) -> tuple[int, int]:
    """Return (stride, parts): chunks of `width` channels, or equal parts if the last chunk would be very narrow."""
    count = -(-n_channels // width)
    if n_channels - (count - 1) * width < SMALLEST_REMAINDER * width:
        return n_channels, count
    return width, 1


def _coarse_stride(coarse_width: int, widest: int, packed_channels: int) -> tuple[int, int]:
    """Return (stride, parts): whole coarse channels, or one coarse channel in parts if it is wider than `widest`."""
    if coarse_width > widest:
        return coarse_width, -(-coarse_width // widest)
    least = PLAIN_CHANNELS if coarse_width < NARROW_COARSE_CHANNELS else coarse_width
    wanted = max(least, -(-packed_channels // coarse_width) * coarse_width)
    return coarse_width * (min(wanted, widest) // coarse_width), 1


def _count(n_channels: int, stride: int, parts: int) -> int:
    """Return the number of chunks; parts of the last stride that begin after the last channel don't exist."""
    whole, rest = divmod(n_channels, stride)
    return whole * parts + sum(stride * part // parts < rest for part in range(parts))
