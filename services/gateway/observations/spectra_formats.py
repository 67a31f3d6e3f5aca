"""The formats in which samples are given, and how many each may hold."""

from services.gateway.observations.errors import RangeTooLargeError, SpectraNotReadableError
from services.gateway.observations.selection import Selection, is_cheap_to_read
from shared.header import Header

RAW, FIL, CSV = "raw", "fil", "csv"
SPECTRA_FORMATS = (RAW, FIL, CSV)
MAX_RAW_BYTES = 2**20
MAX_FIL_BYTES = 64 * 2**20
MAX_CSV_SAMPLES = 100_000


def selection_for(header: Header, channels: range, form: str) -> Selection:
    """Return the selection that an answer in a format holds.

    Raises
    ------
    SpectraNotReadableError
        The file is not one of which some channels can be read.
    RangeTooLargeError
        They are more than the format may hold.
    BadChannelsError
        They are no range of the observation.
    """
    if header.file_format != "fil":
        raise SpectraNotReadableError(
            "Single channels can't be read from an HDF5 file, which is compressed in large pieces. The waterfall's "
            "samples hold them round each hit; to read others, convert the file to .fil and analyze that."
        )
    if not is_cheap_to_read(header):
        raise SpectraNotReadableError(
            f"The file has {header.n_spectra} spectra, so reading a few channels would take a read for each. Open the "
            "file on your own machine, or average or cut it in time and analyze that."
        )
    selection = Selection.around(header, channels.start, channels.stop)
    size, most, unit = {
        RAW: (selection.n_bytes, MAX_RAW_BYTES, "bytes"),
        FIL: (selection.n_bytes, MAX_FIL_BYTES, "bytes"),
        CSV: (selection.n_lines * len(channels), MAX_CSV_SAMPLES, "samples"),
    }[form]
    if size > most:
        raise RangeTooLargeError(
            f"The channels have {size} {unit} in all spectra; an answer in the format {form} has at most {most}. Ask "
            "for fewer channels."
        )
    if not selection.is_readable:
        raise RangeTooLargeError("Reading these channels takes too many reads of the file. Ask for fewer channels.")
    return selection
