"""HDF5 (FBH5) filterbank files: the header, and blocks of channels.

The child process opens a file and says where its samples are. They are read here, past the HDF5 library, which does
one thing at a time and unpacks chunks only whole.
"""

from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt

from shared.filterbank.hdf5.chunks import read_chunks, read_chunks_in_pieces
from shared.filterbank.hdf5.dataset import DataSet, Found, locate, open_data_set, storage_of
from shared.filterbank.header.angles import from_text
from shared.filterbank.header.assemble import Layout, assemble, check_channel_count
from shared.filterbank.header.fields import Fields, bad_file
from shared.filterbank.rows import (
    ColumnLayout,
    Memory,
    RowLayout,
    read_columns,
    read_columns_in_pieces,
    read_rows,
    read_rows_in_pieces,
)
from shared.filterbank.source import Source
from shared.filterbank.storage import Storage
from shared.header import Header


async def describe(source: Source, size: int) -> tuple[Header, tuple[str, ...], Storage]:
    """Read the header of a file of `size` bytes, its warnings, and how its samples are stored.

    Raises
    ------
    BadObservationError
        It can't be searched.
    TransientError
        Storage is unavailable.
    """
    data = await open_data_set(source, size)
    header, warnings = _header_of(data, source.name)
    return header, warnings, storage_of(data, size)


async def read_block(
    source: Source, header: Header, start_channel: int, stop_channel: int, if_index: int, memory: Memory
) -> npt.NDArray[np.float32]:
    """Read one IF's channels [start, stop) into a block of `memory`: float32 (spectra, channels), C-contiguous.

    Raises
    ------
    BadObservationError
        The file is damaged, or is not the one that the header is from.
    TransientError
        Storage is unavailable.
    """
    found = await _find(source, header, (start_channel, stop_channel), if_index)
    if isinstance(found, np.ndarray):
        return found
    if isinstance(found, RowLayout):
        return await read_rows(source, found, header.n_spectra, start_channel, stop_channel, memory)
    if isinstance(found, ColumnLayout):
        return await read_columns(source, found, (0, header.n_spectra), (start_channel, stop_channel), memory)
    return await read_chunks(source, found, header.n_spectra, start_channel, stop_channel, memory)


async def read_pieces(
    source: Source, header: Header, start_channel: int, stop_channel: int, spectra: int, if_index: int
) -> AsyncIterator[npt.NDArray[np.float32]]:
    """Yield one IF's channels [start, stop), some spectra at a time, as `read_block` returns them.

    These are `spectra` spectra, or whole storage chunks, so that each of them is unpacked once.
    """
    found = await _find(source, header, (start_channel, stop_channel), if_index)
    if isinstance(found, np.ndarray):
        yield found
        return
    channels = (start_channel, stop_channel)
    if isinstance(found, RowLayout):
        pieces = read_rows_in_pieces(source, found, header.n_spectra, channels, spectra)
    elif isinstance(found, ColumnLayout):
        pieces = read_columns_in_pieces(source, found, header.n_spectra, channels, spectra)
    else:
        pieces = read_chunks_in_pieces(source, found, header.n_spectra, channels, spectra)
    async for piece in pieces:
        yield piece


async def _find(source: Source, header: Header, channels: tuple[int, int], if_index: int) -> Found:
    """Return where one IF's channels [start, stop) are."""
    size = await source.size()
    data = await open_data_set(source, size, channels, if_index)
    if data.shape != (header.n_spectra, header.n_ifs, header.n_channels):
        raise bad_file(source.name, f"its data set has another shape than before, {data.shape}. Start a new analysis.")
    return locate(data, source.name, size, channels[1] - channels[0], if_index)


def _header_of(data: DataSet, name: str) -> tuple[Header, tuple[str, ...]]:
    fields = Fields(name, data.values)
    fields.warnings += data.warnings
    n_spectra, n_ifs, n_channels = data.shape
    n_bits = 8 * data.dtype.itemsize
    check_channel_count(fields, n_channels)
    for key, actual in (("nchans", n_channels), ("nifs", n_ifs), ("nbits", n_bits)):
        if key in fields and fields.integer(key, actual) != actual:
            fields.warn(f"{key} in the header is {data.values[key]!r}; the data set has {actual}, which was used.")
    layout = Layout(
        file_format="h5",
        n_spectra=n_spectra,
        n_ifs=n_ifs,
        n_channels=n_channels,
        n_bits=n_bits,
        signed=data.dtype.kind == "i",
    )
    header = assemble(fields, layout, to_hours=_angle, to_degrees=_angle)
    return header, tuple(fields.warnings)


def _angle(value: int | float | str) -> float:
    return from_text(value) if isinstance(value, str) else float(value)
