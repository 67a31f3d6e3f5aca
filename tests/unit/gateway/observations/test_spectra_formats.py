"""Each format has a largest answer, and says it."""

import pytest

from services.gateway.observations.errors import RangeTooLargeError, SpectraNotReadableError
from services.gateway.observations.spectra_formats import selection_for
from shared.header import Header

FIL = Header(
    file_format="fil", n_spectra=16, n_channels=2**22, n_ifs=1, n_bits=32, fch1_mhz=1.0, foff_mhz=1e-6, tsamp_s=1.0
)
BITS = FIL.model_copy(update={"n_bits": 1})


@pytest.mark.parametrize(
    ("header", "form", "most"),
    [
        (FIL, "raw", 2**20 // 64),
        (FIL, "fil", 2**20),
        (FIL, "csv", 100_000 // 16),
        (BITS, "raw", 2**19),
        # The bits beside those that were asked for are in no table.
        (BITS, "csv", 100_000 // 16),
    ],
)
def test_the_largest_answer_is_given_and_no_larger_one(header, form, most):
    assert len(range(3, 3 + most)) <= selection_for(header, range(most), form).n_channels < most + 8
    with pytest.raises(RangeTooLargeError, match="fewer channels"):
        selection_for(header, range(3, 3 + most + 1), form)


def test_other_files_are_not_read():
    with pytest.raises(SpectraNotReadableError, match=r"convert the file to \.fil"):
        selection_for(FIL.model_copy(update={"file_format": "h5"}), range(1), "raw")
    with pytest.raises(SpectraNotReadableError, match="100000 spectra"):
        selection_for(FIL.model_copy(update={"n_spectra": 100_000}), range(1), "raw")
