"""The raw power of a chunk, averaged in time while it is read where the observation has many spectra."""

import asyncio
from concurrent.futures import Executor

from services.dedoppler.averaging import Averages, spectra_per_piece
from shared.arrays import Power
from shared.averaging import spectra_per_average
from shared.events import ChunkReady
from shared.filterbank import Source, read_block, read_pieces


async def chunk_power(source: Source, event: ChunkReady, pool: Executor) -> Power:
    """Return the raw power of the channels that a chunk reads: float32 (T, channels), or averages of spectra.

    Memory is taken for the averages and for one piece of the observation, whatever its number of spectra.

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
        return await read_block(source, header, start, stop)
    averages = Averages(header, spectra, stop - start, pool)
    async for piece in read_pieces(source, header, start, stop, spectra_per_piece(header)):
        await asyncio.to_thread(averages.add, piece)
    return await asyncio.to_thread(averages.power)
