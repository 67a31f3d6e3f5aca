"""Filterbank files built by hand, to test how faults in them are handled."""

import io
import struct

import h5py
import hdf5plugin
import numpy as np

FIELDS = {
    "source_name": "Voyager1",
    "telescope_id": 6,
    "nchans": 64,
    "nbits": 32,
    "nifs": 1,
    "fch1": 8421.386717353016,
    "foff": -2.7939677238464355e-06,
    "tsamp": 18.253611008,
    "tstart": 57650.78209490741,
}
FLOATS = ("fch1", "foff", "tsamp", "tstart", "src_raj", "src_dej", "az_start", "refdm")
BITSHUFFLE = dict(hdf5plugin.Bitshuffle(nelems=0, cname="lz4"))
POWER = np.random.default_rng(3).gamma(51.0, size=(6, 64)).astype("<f4")


def word(text):
    """Return a text with its length before it, as in SIGPROC files."""
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<I", len(raw)) + raw


def keyword(name, value):
    """Return a keyword with its value."""
    if isinstance(value, str | bytes):
        return word(name) + word(value)
    return word(name) + struct.pack("<d" if name in FLOATS else "<i", value)


def header_of(extra=b"", end=True, **changes):
    """Return a SIGPROC header. Fields that are None are left out; `extra` stands before HEADER_END."""
    fields = {name: value for name, value in (FIELDS | changes).items() if value is not None}
    body = b"".join(keyword(name, value) for name, value in fields.items())
    return word("HEADER_START") + body + extra + (word("HEADER_END") if end else b"")


def fil(data=POWER, extra=b"", end=True, **changes):
    """Return a complete SIGPROC file."""
    return header_of(extra, end, **changes) + (data if isinstance(data, bytes) else data.tobytes())


def h5(data=POWER[:, np.newaxis], file_class="FILTERBANK", options=None, libver=None, **changes):
    """Return a complete HDF5 file. Attributes, a class or a data set that are None are left out."""
    held = io.BytesIO()
    with h5py.File(held, "w", libver=libver) as file:
        if file_class is not None:
            file.attrs["CLASS"] = file_class
        if data is not None:
            dataset = file.create_dataset("data", data=data, **(options or {}))
            for key, value in (FIELDS | changes).items():
                if value is not None:
                    dataset.attrs[key] = value
    return held.getvalue()


def with_chunk(raw, position, chunk):
    """Return the HDF5 file with another stored chunk at `position`."""
    held = io.BytesIO(raw)
    with h5py.File(held, "r+") as file:
        file["data"].id.write_direct_chunk(position, chunk)
    return held.getvalue()


def with_filter(raw, name, code):
    """Return the HDF5 file with another number for its filter of this name."""
    # In the message of the filters, the name's length and two more numbers stand between the two.
    at = raw.index(name.encode()) - 8
    return raw[:at] + struct.pack("<H", code) + raw[at + 2 :]
