"""The raw power of some channels: of one IF or the sum of several, averaged in time while it is read."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from services.dedoppler.averaging import Averages, spectra_per_piece
from services.dedoppler.noise.lost_samples import mark_dead_channels, mark_lost_samples
from services.dedoppler.noise.scratch import Scratch
from shared.arrays import Power
from shared.averaging import spectra_per_average
from shared.events import ChunkReady
from shared.filterbank import Source, read_block, read_pieces
from shared.header import Header


class Wanted(NamedTuple):
    """Which power is wanted.

    Attributes
    ----------
    header : Header
        Of the file.
    channels : tuple of int
        The first, and the one after the last.
    spectra : int
        How many spectra are averaged; 1 for none.
    ifs : sequence of int
        IFs that are summed.
    """

    header: Header
    channels: tuple[int, int]
    spectra: int
    ifs: Sequence[int]


async def chunk_power(source: Source, event: ChunkReady, pool: Executor, blocks: Scratch) -> Power:
    """Return the raw power of the channels that a chunk reads: float32 (T, channels), or averages of spectra.

    See `power_of`.
    """
    chunk = event.chunk
    channels = chunk.read_start_channel, chunk.read_stop_channel
    spectra = spectra_per_average(event.header, event.parameters.max_drift_rate_hz_s)
    return await power_of(source, Wanted(event.header, channels, spectra, chunk.ifs), pool, blocks)


async def power_of(source: Source, wanted: Wanted, pool: Executor, blocks: Scratch) -> Power:
    """Return raw power: float32 (T, channels).

    Memory is taken for the averages and for one piece of the observation, whatever its number of spectra, or for all
    channels, which `blocks` lends, where nothing is averaged; and for one more piece or block where IFs are summed. A
    sample of a sum is lost (NaN) if it is lost in any of its IFs.

    Raises
    ------
    BadObservationError
        The file is damaged or incomplete.
    TransientError
        Storage is unavailable.
    """
    header, channels, spectra, ifs = wanted
    if spectra == 1:
        total = await read_block(source, header, *channels, ifs[0], blocks.block)
        for if_index in ifs[1:]:
            other = await read_block(source, header, *channels, if_index)
            await asyncio.to_thread(_add, total, other, header, pool)
        return total
    averages = Averages(header, spectra, channels[1] - channels[0], pool)
    async for piece in _pieces(source, wanted, pool):
        await asyncio.to_thread(averages.add, piece)
    return await asyncio.to_thread(averages.power)


async def _pieces(source: Source, wanted: Wanted, pool: Executor) -> AsyncIterator[Power]:
    """Yield the power of the channels, summed over the IFs, some spectra at a time."""
    header, channels, _, ifs = wanted
    per_piece = spectra_per_piece(header)
    first, *others = [read_pieces(source, header, *channels, per_piece, if_index) for if_index in ifs]
    # All IFs come in pieces of the same spectra: what decides is the file alone.
    async for total in first:
        for of_if in others:
            await asyncio.to_thread(_add, total, await anext(of_if), header, pool)
        yield total


def _add(total: Power, other: Power, header: Header, pool: Executor) -> None:
    """Add the power of another IF. Lost samples are marked first: a zero in one IF would not show in the sum."""
    for power in (total, other):
        mark_lost_samples(power, header, pool)
        mark_dead_channels(power, header.n_bits, pool)
    total += other
