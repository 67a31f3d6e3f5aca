"""Which windows are read at once."""

from science.simulator import make_header
from services.dedoppler.tracks.reads import MOST_READ_SAMPLES, plan_reads
from services.dedoppler.tracks.windows import TrackWindow

WINDOWS = [TrackWindow(first, first + 6000, (i,)) for i, first in enumerate([0, 6500, 20_000, 90_000, 250_000])]


def extents(reads):
    return [(read.first, read.stop) for read in reads]


def test_windows_of_a_sigproc_file_are_read_by_themselves():
    reads = plan_reads(WINDOWS, make_header(2**18), 16, None)
    assert [read.windows for read in reads] == [(window,) for window in WINDOWS]
    assert extents(reads) == [(window.first, window.stop) for window in WINDOWS]


def test_near_windows_of_an_hdf5_file_are_read_together():
    reads = plan_reads(WINDOWS, make_header(2**18, file_format="h5"), 16, None)
    assert extents(reads) == [(0, 12_500), (20_000, 26_000), (90_000, 96_000), (250_000, 256_000)]
    assert reads[0].windows == (WINDOWS[0], WINDOWS[1])


def test_windows_of_a_packed_storage_chunk_are_read_together():
    header = make_header(2**18, file_format="h5")
    assert extents(plan_reads(WINDOWS, header, 16, 2**16)) == [(0, 26_000), (90_000, 96_000), (250_000, 256_000)]
    # A read ends in a chunk that the next window begins in.
    assert extents(plan_reads(WINDOWS, header, 16, 24_000)) == [(0, 26_000), (90_000, 96_000), (250_000, 256_000)]
    assert extents(plan_reads(WINDOWS, header, 16, 2**18)) == [(0, 256_000)]


def test_reads_are_bounded():
    windows = [TrackWindow(first, first + 6000, (first,)) for first in range(0, 2**22, 50_000)]
    reads = plan_reads(windows, make_header(2**22, file_format="h5"), 16, 2**22)
    assert all((read.stop - read.first) * 16 <= MOST_READ_SAMPLES for read in reads)
    assert [window for read in reads for window in read.windows] == windows
    assert 4 <= len(reads) <= 5
