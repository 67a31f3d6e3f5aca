"""Write spectra as SIGPROC filterbank or HDF5 (FBH5) files."""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from shared.header import Header

Spectra = Iterable[npt.NDArray[Any]]

_SAMPLE_TYPES = {8: "u1", 16: "<u2", 32: "<f4"}


def sample_dtype(header: Header) -> np.dtype[Any]:
    """Return the type of one sample in a SIGPROC file, little-endian.

    Raises
    ------
    ValueError
        If `n_bits` is not 8, 16 or 32.
    """
    if header.n_bits not in _SAMPLE_TYPES:
        raise ValueError(f"can't write samples of {header.n_bits} bits; n_bits must be 8, 16 or 32")
    if header.signed and header.n_bits < 32:
        return np.dtype(f"<i{header.n_bits // 8}")
    return np.dtype(_SAMPLE_TYPES[header.n_bits])


def packed_angle(value: float) -> float:
    """Return an angle in hours or degrees as SIGPROC packs it: 17.5 becomes 173000.0, with the sign in front."""
    # In units of 0.1 ms, so that 59.99999 s carries over into the minutes.
    total = round(abs(value) * 3600 * 10_000)
    hours, rest = divmod(total, 3600 * 10_000)
    minutes, seconds = divmod(rest, 60 * 10_000)
    packed = hours * 10_000 + minutes * 100 + seconds / 10_000
    return -packed if value < 0 else packed


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<i", len(raw)) + raw


def sigproc_header(header: Header) -> bytes:
    """Return the header of a SIGPROC file, HEADER_START to HEADER_END."""
    integers = {
        "machine_id": 20,
        "telescope_id": header.telescope_id,
        "data_type": 1,
        "nchans": header.n_channels,
        "nbits": header.n_bits,
        "nifs": header.n_ifs,
    }
    doubles = {
        "fch1": header.fch1_mhz,
        "foff": header.foff_mhz,
        "tstart": header.tstart_mjd,
        "tsamp": header.tsamp_s,
    }
    if header.ra_hours is not None:
        doubles["src_raj"] = packed_angle(header.ra_hours)
    if header.dec_deg is not None:
        doubles["src_dej"] = packed_angle(header.dec_deg)
    parts = [_text("HEADER_START"), _text("source_name"), _text(header.source_name)]
    parts += [_text(name) + struct.pack("<i", value) for name, value in integers.items()]
    parts += [_text(name) + struct.pack("<d", value) for name, value in doubles.items()]
    if header.signed:
        parts.append(_text("signed") + struct.pack("<b", 1))
    if header.coarse_channel_width:
        parts.append(_text("nfpc") + struct.pack("<i", header.coarse_channel_width))
    return b"".join([*parts, _text("HEADER_END")])


def _write_rows(file: BinaryIO, dtype: np.dtype[Any], data: Spectra) -> None:
    for row in data:
        file.write(np.ascontiguousarray(row).astype(dtype, copy=False).tobytes())


def write_fil(path: Path, header: Header, data: Spectra) -> None:
    """Write a SIGPROC filterbank file.

    Parameters
    ----------
    path : Path
        The file.
    header : Header
        Its header.
    data : iterable of (channels,)
        The spectra, such as an array (T, channels) or `scene.spectra`, which keeps only one in memory. Values are not
        rounded or clipped: do so before writing 8 or 16 bits.

    Raises
    ------
    ValueError
        If `n_bits` is not 8, 16 or 32.
    """
    dtype = sample_dtype(header)
    with path.open("wb") as file:
        file.write(sigproc_header(header))
        _write_rows(file, dtype, data)


def write_h5(path: Path, header: Header, data: Spectra, *, bitshuffle: bool = False) -> None:
    """Write an HDF5 filterbank (FBH5) file, optionally compressed by bitshuffle and LZ4 (filter 32008).

    `data` is as in `write_fil`. Storage chunks are (1, 1, up to 2^20 channels).
    """
    # Imported here, because most users of the simulator write no HDF5.
    import h5py

    options: dict[str, Any] = {}
    if bitshuffle:
        import hdf5plugin

        options = dict(hdf5plugin.Bitshuffle(nelems=0, cname="lz4"))
    shape = (header.n_spectra, 1, header.n_channels)
    with h5py.File(path, "w") as file:
        file.attrs["CLASS"] = "FILTERBANK"
        file.attrs["VERSION"] = "1.0"
        dtype = np.float32 if header.n_bits == 32 else sample_dtype(header)
        chunks = (1, 1, min(header.n_channels, 2**20))
        dataset = file.create_dataset("data", shape, dtype, chunks=chunks, **options)
        for t, row in enumerate(data):
            dataset[t, 0] = row
        attributes = {
            "source_name": header.source_name,
            "machine_id": 20,
            "telescope_id": header.telescope_id,
            "data_type": 1,
            "nchans": header.n_channels,
            "nbits": header.n_bits,
            "nifs": 1,
            "fch1": header.fch1_mhz,
            "foff": header.foff_mhz,
            "tstart": header.tstart_mjd,
            "tsamp": header.tsamp_s,
            "src_raj": header.ra_hours,
            "src_dej": header.dec_deg,
            "nfpc": header.coarse_channel_width,
        }
        for name, value in attributes.items():
            if value is not None:
                dataset.attrs[name] = value
