"""The raw power of a chunk: of one IF or the sum of several, averaged in time while it is read if there is much."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor

from services.dedoppler.averaging import Averages, spectra_per_piece
from services.dedoppler.noise.lost_samples import mark_dead_channels, mark_lost_samples
from services.dedoppler.noise.scratch import Scratch
from shared.arrays import Power
from shared.averaging import spectra_per_average
from shared.events import ChunkReady
from shared.filterbank import Source, read_block, read_pieces
from shared.header import Header


async def chunk_power(source: Source, event: ChunkReady, pool: Executor, blocks: Scratch) -> Power:
    """Return the raw power of the channels that a chunk reads: float32 (T, channels), or averages of spectra.

    Memory is taken for the averages and for one piece of the observation, whatever its number of spectra, or for the
    whole chunk, which `blocks` lends, where nothing is averaged; and for one more piece or chunk where IFs are summed.
    A sample of a sum is lost (NaN) if it is lost in any of its IFs.

    Raises
    ------
    BadObservationError
        The file is damaged or incomplete.
    TransientError
        Storage is unavailable.
    """
    header, chunk = event.header, event.chunk
    start, stop = chunk.read_start_channel, chunk.read_stop_channel
    spectra = spectra_per_average(header, event.parameters.max_drift_rate_hz_s)
    if spectra == 1:
        total = await read_block(source, header, start, stop, chunk.ifs[0], blocks.block)
        for if_index in chunk.ifs[1:]:
            other = await read_block(source, header, start, stop, if_index)
            await asyncio.to_thread(_add, total, other, header, pool)
        return total
    averages = Averages(header, spectra, stop - start, pool)
    async for piece in _pieces(source, event, pool):
        await asyncio.to_thread(averages.add, piece)
    return await asyncio.to_thread(averages.power)


async def _pieces(source: Source, event: ChunkReady, pool: Executor) -> AsyncIterator[Power]:
    """Yield the chunk's power, summed over its IFs, some spectra at a time."""
    header, chunk = event.header, event.chunk
    first, *others = [
        read_pieces(
            source,
            header,
            chunk.read_start_channel,
            chunk.read_stop_channel,
            spectra_per_piece(header),
            if_index,
        )
        for if_index in chunk.ifs
    ]
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
