"""Read a filterbank file of either format, which follows from its content."""

from collections.abc import AsyncIterator
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.filterbank.hdf5 import reader as hdf5
from shared.filterbank.header.fields import bad_file
from shared.filterbank.rows import Memory, fresh
from shared.filterbank.sigproc import reader as sigproc
from shared.filterbank.sigproc.keywords import BIG_ENDIAN_START, START
from shared.filterbank.source import Source
from shared.filterbank.storage import Storage
from shared.header import Header

# Nearly all headers are shorter: most have a few hundred bytes.
HEAD_BYTES = 64 * 1024
MAX_WARNINGS = 20
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# HDF5 content may begin after a block of the user's own, of a power of two bytes.
HDF5_OFFSETS = (0, 512, 1024, 2048, 4096, 8192, 16384, 32768)

MISNAMED = {
    ("fil", "h5"): "The file is named .fil but holds HDF5; it was read as HDF5.",
    ("h5", "fil"): "The file is named .h5 but holds SIGPROC filterbank data; it was read as SIGPROC.",
}
FOREIGN = (
    (b"\x1f\x8b", "it is compressed with gzip. Unpack it first."),
    (b"PK\x03\x04", "it is a ZIP archive. Unpack it first."),
    (b"SIMPLE  =", "it is a FITS file. Convert it to .fil or .h5."),
    (b"BACKEND ", "it holds raw voltages (GUPPI). Channelise it to .fil or .h5 first, for instance with rawspec."),
    (BIG_ENDIAN_START, "its SIGPROC header is big-endian. Write it little-endian."),
)


class Description(NamedTuple):
    """A file that can be searched. Warnings are sentences about faults that do not stop the search."""

    header: Header
    warnings: tuple[str, ...]
    storage: Storage


async def read_header(source: Source) -> tuple[Header, tuple[str, ...]]:
    """Return the header of a file, and warnings. See `describe`."""
    header, warnings, _ = await describe(source)
    return header, warnings


async def describe(source: Source) -> Description:
    """Return the header of a file, warnings, and how its samples are stored.

    Raises
    ------
    BadObservationError
        The file can't be searched; the message says why and how to fix it.
    TransientError
        Storage is unavailable.
    """
    size = await source.size()
    if size == 0:
        raise bad_file(source.name, "it is empty (0 bytes). Upload it again.")
    head = await source.read(0, min(size, HEAD_BYTES))
    if any(head.startswith(HDF5_SIGNATURE, offset) for offset in HDF5_OFFSETS):
        header, warnings, storage = await hdf5.describe(source, size)
    elif head.startswith(START):
        header, warnings = await sigproc.read_header(source, size, head)
        storage = Storage(header.n_spectra * header.n_ifs * header.n_channels * header.n_bits // 8)
    else:
        raise _foreign(source.name, head)
    suffix = PurePath(source.name).suffix.lower().removeprefix(".")
    misnamed = MISNAMED.get((suffix, header.file_format))
    return Description(header, _bounded((misnamed, *warnings) if misnamed else warnings), storage)


async def read_block(
    source: Source,
    header: Header,
    start_channel: int,
    stop_channel: int,
    if_index: int = 0,
    memory: Memory = fresh,
) -> npt.NDArray[np.float32]:
    """Return one IF's channels [start, stop) of all spectra: float32 (spectra, channels), C-contiguous.

    `header` is from `read_header` for the same file. This takes the memory of the block, which `memory` gives, and a
    few tens of MB.

    Raises
    ------
    ValueError
        The range is empty or goes beyond the band, or there is no such IF.
    BadObservationError
        The file is damaged or incomplete.
    TransientError
        Storage is unavailable.
    """
    _check_range(header, start_channel, stop_channel, if_index)
    read = sigproc.read_block if header.file_format == "fil" else hdf5.read_block
    return await read(source, header, start_channel, stop_channel, if_index, memory)


def read_pieces(
    source: Source, header: Header, start_channel: int, stop_channel: int, spectra: int, if_index: int = 0
) -> AsyncIterator[npt.NDArray[np.float32]]:
    """Yield one IF's channels [start, stop) in time order, about `spectra` spectra at a time.

    A piece of an HDF5 file has the spectra of whole storage chunks, each of which is unpacked once. Each piece is a new
    array, float32 (spectra, channels), C-contiguous; this takes the memory of one piece and a few tens of MB.

    Raises
    ------
    ValueError
        The range is empty or goes beyond the band, or there is no such IF.
    BadObservationError
        The file is damaged or incomplete.
    TransientError
        Storage is unavailable.
    """
    _check_range(header, start_channel, stop_channel, if_index)
    read = sigproc.read_pieces if header.file_format == "fil" else hdf5.read_pieces
    return read(source, header, start_channel, stop_channel, spectra, if_index)


def _check_range(header: Header, start_channel: int, stop_channel: int, if_index: int) -> None:
    if not 0 <= if_index < header.n_ifs:
        raise ValueError(f"no IF {if_index} among {header.n_ifs}")
    if not 0 <= start_channel < stop_channel <= header.n_channels:
        raise ValueError(f"no channels {start_channel} to {stop_channel} in a band of {header.n_channels}")


def _bounded(warnings: tuple[str, ...]) -> tuple[str, ...]:
    """Keep no more warnings than a person reads, since every chunk's event carries them."""
    more = len(warnings) - MAX_WARNINGS
    return warnings if more <= 0 else (*warnings[:MAX_WARNINGS], f"The header causes {more} more warnings.")


def _foreign(name: str, head: bytes) -> Exception:
    """Return the error for a file of neither format."""
    if START.startswith(head):
        return bad_file(name, f"it ends inside its header, after {len(head)} bytes. Upload the whole file.")
    for magic, problem in FOREIGN:
        if head.startswith(magic):
            return bad_file(name, problem)
    return bad_file(
        name,
        f"it is neither a SIGPROC filterbank nor an HDF5 file: it begins with {head[:16]!r}. "
        "Upload a .fil or .h5 filterbank file.",
    )
