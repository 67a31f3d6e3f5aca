"""A selection fetches the bytes of its channels, and few others."""

import pytest

from services.gateway.observations import selection as subject
from services.gateway.observations.errors import BadChannelsError
from services.gateway.observations.selection import MAX_READS, READ_BYTES, Selection, is_cheap_to_read
from shared.header import Header
from tests.unit.gateway.observations.example_observations import KINDS, header_of, observation, packed_bits


def taken(selection, raw):
    """Return the selection's bytes of a file."""
    return b"".join(selection.pieces_of(read, raw[read.start : read.start + read.length]) for read in selection.reads())


# Joined in one read; a few lines a read; line by line; and lines in pieces.
@pytest.mark.parametrize("limits", [(2**20, 2**17), (200, 2**17), (2**20, 0), (3, 0)], ids=str)
@pytest.mark.parametrize(("bits", "signed", "ifs"), KINDS)
@pytest.mark.parametrize(("start", "stop"), [(0, 64), (0, 1), (63, 64), (13, 42), (16, 24)])
async def test_the_bytes_are_those_of_the_channels(monkeypatch, limits, bits, signed, ifs, start, stop):
    monkeypatch.setattr(subject, "READ_BYTES", limits[0])
    monkeypatch.setattr(subject, "GAP_BYTES", limits[1])
    power, raw = observation(bits, signed, ifs)
    selection = Selection.around(await header_of(raw), start, stop)
    expected = packed_bits(power[:, :, selection.start : selection.stop], bits)
    assert taken(selection, raw) == expected
    assert selection.n_bytes == len(expected)
    assert selection.n_samples == power[:, :, selection.start : selection.stop].size
    assert all(read.length <= max(limits[0], selection.piece_bytes) for read in selection.reads())


@pytest.mark.parametrize(
    ("bits", "expected"), [(1, (8, 24)), (2, (12, 20)), (4, (12, 18)), (8, (13, 17)), (16, (13, 17)), (32, (13, 17))]
)
async def test_a_selection_is_widened_to_whole_bytes_and_no_more(bits, expected):
    _, raw = observation(bits)
    selection = Selection.around(await header_of(raw), 13, 17)
    assert (selection.start, selection.stop) == expected


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 3), (4, 3), (0, 65), (64, 65), (10**14, 10**15)])
async def test_channels_that_the_file_does_not_have_are_refused(start, stop):
    _, raw = observation()
    with pytest.raises(BadChannelsError, match="64"):
        Selection.around(await header_of(raw), start, stop)


def a_header(n_spectra: int, n_channels: int, **fields) -> Header:
    known = {"file_format": "fil", "n_ifs": 1, "n_bits": 32, "fch1_mhz": 1400.0, "foff_mhz": -1e-6, "tsamp_s": 1.0}
    return Header(n_spectra=n_spectra, n_channels=n_channels, **(known | fields))


def test_lines_far_apart_are_read_one_by_one():
    selection = Selection.around(a_header(16, 2**26), 2**25, 2**25 + 65_536)
    reads = list(selection.reads())
    assert [read.length for read in reads] == [65_536 * 4] * 16
    assert [read.start - reads[0].start for read in reads] == [line * 2**28 for line in range(16)]


def test_lines_close_together_are_read_at_once():
    reads = list(Selection.around(a_header(65_536, 1024), 512, 513).reads())
    assert len(reads) == 256
    assert max(read.length for read in reads) <= READ_BYTES


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (a_header(16, 2**26), True),
        (a_header(MAX_READS, 2**20), True),
        # A read for each spectrum.
        (a_header(MAX_READS + 1, 2**20), False),
        (a_header(MAX_READS // 2, 2**20, n_ifs=2), True),
        (a_header(MAX_READS, 2**20, n_ifs=2), False),
        # All of the file, for lines that lie close together.
        (a_header(65_536, 1024), True),
        (a_header(65_537, 1024), False),
        (a_header(16, 2**20, file_format="h5"), False),
    ],
)
def test_whether_a_few_channels_can_be_read_follows_from_the_reads(header, expected):
    assert is_cheap_to_read(header) == expected
