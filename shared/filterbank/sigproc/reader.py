"""SIGPROC filterbank files: the header, and blocks of channels."""

from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt

from shared.filterbank.header.angles import from_packed
from shared.filterbank.header.assemble import Layout, assemble, check_channel_count, plain_number
from shared.filterbank.header.fields import Fields, bad_file
from shared.filterbank.rows import Memory, RowLayout, read_rows, read_rows_in_pieces
from shared.filterbank.sigproc.keywords import MAX_HEADER_BYTES, Keywords, OutOfBytesError, parse_keywords
from shared.filterbank.source import Source
from shared.header import Header

SAMPLE_BITS = (1, 2, 4, 8, 16, 32)


async def read_header(source: Source, size: int, head: bytes) -> tuple[Header, tuple[str, ...]]:
    """Return the header and the warnings of a file of `size` bytes that begins with `head`.

    Raises
    ------
    BadObservationError
        The file can't be searched.
    TransientError
        Storage is unavailable.
    """
    keywords = await _read_keywords(source, size, head)
    fields = Fields(source.name, keywords.values)
    fields.warnings += keywords.warnings
    layout = _layout(fields, size, keywords.data_offset_bytes)
    header = assemble(fields, layout, to_hours=_from_packed, to_degrees=_from_packed)
    return header, tuple(fields.warnings)


async def read_block(
    source: Source, header: Header, start_channel: int, stop_channel: int, if_index: int, memory: Memory
) -> npt.NDArray[np.float32]:
    """Return one IF's channels [start, stop) in a block of `memory`: float32 (spectra, channels), C-contiguous.

    Raises
    ------
    BadObservationError
        The file is shorter than when its header was read.
    TransientError
        Storage is unavailable.
    """
    layout = _row_layout(header, if_index)
    return await read_rows(source, layout, header.n_spectra, start_channel, stop_channel, memory)


def read_pieces(
    source: Source, header: Header, start_channel: int, stop_channel: int, spectra: int, if_index: int
) -> AsyncIterator[npt.NDArray[np.float32]]:
    """Yield one IF's channels [start, stop), `spectra` spectra at a time, as `read_block` returns them."""
    layout = _row_layout(header, if_index)
    return read_rows_in_pieces(source, layout, header.n_spectra, (start_channel, stop_channel), spectra)


def _row_layout(header: Header, if_index: int) -> RowLayout:
    bits = header.n_bits
    return RowLayout(
        # The channels of an IF are a whole number of bytes.
        data_offset_bytes=header.data_offset_bytes + if_index * header.n_channels * bits // 8,
        row_bytes=header.n_ifs * header.n_channels * bits // 8,
        n_bits=bits,
        dtype=_sample_dtype(bits, header.signed),
    )


async def _read_keywords(source: Source, size: int, head: bytes) -> Keywords:
    raw = head
    while True:
        try:
            return parse_keywords(source.name, raw, whole=len(raw) >= min(size, MAX_HEADER_BYTES))
        except OutOfBytesError as error:
            if len(raw) >= size:
                raise bad_file(
                    source.name,
                    f"it ends inside its header, after {error.last!r}. It was cut short; upload the whole file.",
                ) from error
            if len(raw) >= MAX_HEADER_BYTES:
                raise bad_file(
                    source.name,
                    f"its header has no HEADER_END within {MAX_HEADER_BYTES} bytes. It is damaged; upload it again.",
                ) from error
        wanted = min(size, MAX_HEADER_BYTES)
        raw += await source.read(len(raw), wanted - len(raw))
        if len(raw) < wanted:
            raise bad_file(source.name, "it became shorter while it was read; upload it again.")


def _layout(fields: Fields, size: int, data_offset: int) -> Layout:
    """Return how the samples are stored; the number of spectra follows from the file's size."""
    n_channels = fields.required_integer("nchans", "the number of channels")
    check_channel_count(fields, n_channels)
    n_bits = fields.required_integer("nbits", "the number of bits of a sample")
    if n_bits not in SAMPLE_BITS:
        raise fields.bad(
            f"nbits in its header is {n_bits}; it must be one of {', '.join(map(str, SAMPLE_BITS))}. "
            "Convert the samples to one of them and upload again."
        )
    n_ifs = fields.integer("nifs", 1)
    if n_ifs < 1:
        raise fields.bad(f"nifs in its header is {n_ifs}; it must be 1 or more. Correct it and upload again.")
    if n_channels * n_bits % 8:
        raise fields.bad(
            f"a spectrum of nchans = {n_channels} channels of nbits = {n_bits} bits is not a whole number of bytes. "
            "Write it with another number of channels or with 8 bits."
        )
    return Layout(
        file_format="fil",
        n_spectra=_count_spectra(fields, size - data_offset, n_ifs * n_channels * n_bits // 8),
        n_ifs=n_ifs,
        n_channels=n_channels,
        n_bits=n_bits,
        signed=_is_signed(fields, n_bits),
        data_offset_bytes=data_offset,
    )


def _count_spectra(fields: Fields, data_bytes: int, row_bytes: int) -> int:
    n_spectra, left_over = divmod(data_bytes, row_bytes)
    if n_spectra == 0:
        raise fields.bad(
            f"it holds no whole spectrum: with nchans = {fields.values['nchans']} one has {row_bytes} bytes, and "
            f"{data_bytes} follow the header. Upload the whole file, or correct nchans or nbits."
        )
    if left_over:
        fields.warn(
            f"The file ends with a part of a spectrum ({left_over} of {row_bytes} bytes); it was ignored. "
            f"The {n_spectra} whole spectra were searched."
        )
    declared = fields.integer("nsamples", 0)
    # Writers that do not know the length write 0.
    if declared not in (0, n_spectra):
        fields.warn(f"nsamples in the header is {declared}; the file's size says {n_spectra} spectra, which was used.")
    return n_spectra


def _is_signed(fields: Fields, n_bits: int) -> bool:
    signed = fields.integer("signed", 0) != 0
    if signed and n_bits < 8:
        fields.warn(f"Samples of {n_bits} bits have no sign; signed in the header was ignored.")
        return False
    return signed and n_bits < 32


def _sample_dtype(n_bits: int, signed: bool) -> np.dtype[np.generic]:
    if n_bits == 32:
        return np.dtype("<f4")
    return np.dtype(f"<{'i' if signed else 'u'}{max(1, n_bits // 8)}")


def _from_packed(value: int | float | str) -> float:
    return from_packed(plain_number(value))
