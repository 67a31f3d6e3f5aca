"""Filterbank files, read in place: SIGPROC `.fil` and HDF5 (FBH5) `.h5`, on disk or as byte ranges of an S3 object.

The format follows from the content, not from the name. Only the bytes that are asked for are read. A file that can't be
searched raises a `BadObservationError` whose sentence names the file, the field and the fix.
"""

from shared.filterbank.hdf5.process import prepare_hdf5
from shared.filterbank.reader import describe, read_block, read_header, read_pieces
from shared.filterbank.rows import GAP_BYTES
from shared.filterbank.source import BlobSource, LocalSource, Objects, Source
from shared.filterbank.storage import Storage, Unpacking

__all__ = [
    "GAP_BYTES",
    "BlobSource",
    "LocalSource",
    "Objects",
    "Source",
    "Storage",
    "Unpacking",
    "describe",
    "prepare_hdf5",
    "read_block",
    "read_header",
    "read_pieces",
]
