"""HDF5 (FBH5) filterbank files: the header, and blocks of channels."""

import asyncio
import traceback
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from shared.errors import WaterholeError
from shared.filterbank.hdf5 import watchdog
from shared.filterbank.hdf5.chunks import ChunkLayout, read_chunks
from shared.filterbank.hdf5.dataset import ATTRIBUTES, Data, open_data
from shared.filterbank.hdf5.range_file import RangeFile
from shared.filterbank.hdf5.thread import in_hdf5_thread
from shared.filterbank.header.angles import from_text
from shared.filterbank.header.assemble import Layout, assemble, check_channel_count
from shared.filterbank.header.fields import Fields, bad_file
from shared.filterbank.rows import RowLayout, read_rows
from shared.filterbank.source import Source
from shared.header import Header

Result = TypeVar("Result")


async def read_header(source: Source, size: int) -> tuple[Header, tuple[str, ...]]:
    """Header and warnings of a file of `size` bytes.

    Raises:
        BadObservationError: it can't be searched.
        TransientError: storage is out of reach.
    """
    return await _in_thread(source, size, partial(_read_header, name=source.name, size=size))


async def read_block(source: Source, header: Header, start_channel: int, stop_channel: int) -> npt.NDArray[np.float32]:
    """The first IF's channels [start, stop): float32 (T, channels), C-contiguous.

    Raises:
        BadObservationError: the file is damaged, or is not the one that the header is from.
        TransientError: storage is out of reach.
    """
    size = await source.size()
    work = partial(
        _read_block, name=source.name, size=size, header=header, start_channel=start_channel, stop_channel=stop_channel
    )
    found = await _in_thread(source, size, work)
    if isinstance(found, RowLayout):
        return await read_rows(source, found, header.n_spectra, start_channel, stop_channel)
    if isinstance(found, ChunkLayout):
        return await read_chunks(source, found, header.n_spectra, start_channel, stop_channel)
    return found


async def _in_thread(source: Source, size: int, work: Callable[[RangeFile], Result]) -> Result:
    remote = RangeFile(source, size, asyncio.get_running_loop(), ATTRIBUTES, watchdog.paused)

    def run() -> Result:
        try:
            with remote:
                return work(remote)
        except Exception as error:
            _drop_tracebacks(error)
            raise

    try:
        return await in_hdf5_thread(run)
    finally:
        remote.abandon()


def _drop_tracebacks(error: BaseException) -> None:
    """Take the tracebacks off an error and off what led to it; one that is a bug keeps its own as text.

    HDF5's objects in those frames must go in this thread. They take HDF5's lock; were they to go in the event loop's
    thread, it would wait for this thread, which holds the lock while it waits for the event loop to bring bytes.
    """
    if not isinstance(error, WaterholeError):
        error.add_note("".join(traceback.format_exception(error)))
    chain: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is not None and link not in chain:
            link.__traceback__ = None
            chain.append(link)
            todo += [link.__cause__, link.__context__]


def _read_header(remote: RangeFile, *, name: str, size: int) -> tuple[Header, tuple[str, ...]]:
    with open_data(remote, name, size) as data:
        return _header_of(data)


def _header_of(data: Data) -> tuple[Header, tuple[str, ...]]:
    fields = Fields(data.file_name, data.values)
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


def _read_block(
    remote: RangeFile, *, name: str, size: int, header: Header, start_channel: int, stop_channel: int
) -> npt.NDArray[np.float32] | RowLayout | ChunkLayout:
    """Where the samples are; or, where they are among the metadata, the block."""
    with open_data(remote, name, size) as data:
        if data.shape != (header.n_spectra, header.n_ifs, header.n_channels):
            raise bad_file(name, f"its data set has another shape than before, {data.shape}. Start a new analysis.")
        layout = data.layout(start_channel, stop_channel, size)
        return layout or _read_compact(data, start_channel, stop_channel)


def _read_compact(data: Data, start_channel: int, stop_channel: int) -> npt.NDArray[np.float32]:
    """The block of a data set so small that it lies among the metadata."""
    block = np.empty((data.shape[0], stop_channel - start_channel), np.float32)
    # Between places of unlike ranks HDF5 copies sample by sample, twenty times as slowly.
    target = block if data.handle.ndim == 2 else block[:, np.newaxis]
    data.handle.read_direct(target, data.selection(start_channel, stop_channel))
    return block
