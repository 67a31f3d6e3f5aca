"""Size of a chunk's waterfall."""

import pytest

from services.dedoppler.waterfall import waterfall_shape


@pytest.mark.parametrize("count", [1, 3, 64, 300])
@pytest.mark.parametrize(("n_spectra", "n_channels"), [(2, 1), (16, 50), (16, 2**20), (300, 5000)])
def test_waterfall_shape(n_spectra, n_channels, count):
    n_rows, bins = waterfall_shape(n_spectra, n_channels, count)
    assert n_rows == min(n_spectra, 64)
    assert 1 <= bins <= n_channels
    assert bins * count <= max(2048, 64 * count)
    assert bins >= min(n_channels, 64)
