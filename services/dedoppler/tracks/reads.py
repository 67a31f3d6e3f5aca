"""Which channels are read at once, for one window or several."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.dedoppler.tracks.windows import MOST_SAMPLES, TrackWindow
from shared.header import Header

# Samples of a read of several windows.
MOST_READ_SAMPLES = 2**24
# To find the samples of an HDF5 file takes reads of so many bytes.
LOOK_UP_BYTES = 128 * 1024


@dataclass(frozen=True)
class ScanRead:
    """Channels [first, stop) of the file that are read at once, and the windows in them."""

    first: int
    stop: int
    windows: tuple[TrackWindow, ...]


def plan_reads(
    windows: Sequence[TrackWindow], header: Header, n_spectra: int, packed_channels: int | None
) -> list[ScanRead]:
    """Return the reads of windows, each of which is read once.

    A compressed storage chunk can only be read from its beginning, so what lies in one is read together; and so are
    windows between which there are fewer bytes than another look-up takes.

    Parameters
    ----------
    windows : sequence of TrackWindow
        In order of channel, from `plan_windows`.
    header : Header
        Of the file.
    n_spectra : int
        T of what is kept in memory: spectra, or averages of them.
    packed_channels : int or None
        Channels of a storage chunk that has to be unpacked; None if there is none.
    """
    between = 0
    if header.file_format == "h5":
        between = 8 * LOOK_UP_BYTES // (header.n_spectra * header.n_bits)
    reads: list[ScanRead] = []
    for window in windows:
        last = reads[-1] if reads else None
        if last is not None:
            stop = max(last.stop, window.stop)
            is_near = window.first <= last.stop + between and (stop - last.first) * n_spectra <= MOST_SAMPLES
            shares = (
                packed_channels is not None and (last.stop - 1) // packed_channels >= window.first // packed_channels
            )
            if is_near or (shares and (stop - last.first) * n_spectra <= MOST_READ_SAMPLES):
                reads[-1] = ScanRead(last.first, stop, (*last.windows, window))
                continue
        reads.append(ScanRead(window.first, window.stop, (window,)))
    return reads
