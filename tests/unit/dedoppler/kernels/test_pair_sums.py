"""Offsets of paths, and the pairs of boxes that paths share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dedoppler.kernels.pair_sums import pair_sums, path_offset
from tests.unit.dedoppler import reference

MANY_SPECTRA = [2, 3, 4, 15, 16, 17, 60]


@settings(deadline=None)  # the first example may have to wait for the compiler
@given(steps=st.integers(-5000, 5000), n_spectra=st.integers(2, 300), stride=st.sampled_from([1, 2, 4, 8, 64]))
def test_path_offset_is_the_nearest_integer(steps, n_spectra, stride):
    for t in {0, 1, n_spectra // 2, n_spectra - 1}:
        offset = path_offset(steps, t, n_spectra, stride)
        assert offset == reference.path_offset(steps, t, n_spectra, stride)
        assert offset == -path_offset(-steps, t, n_spectra, stride)


@pytest.mark.parametrize("n_spectra", MANY_SPECTRA)
def test_single_channel_paths_go_from_the_start_to_all_their_steps(n_spectra):
    for steps in (-37, -1, 0, 1, 12, 391):
        assert path_offset(steps, 0, n_spectra, 1) == 0
        assert path_offset(steps, n_spectra - 1, n_spectra, 1) == steps


def test_halves_go_away_from_zero():
    # steps * t / (T - 1) = 1 * 1 / 2, 3 * 1 / 2 and their negatives.
    assert [path_offset(n, 1, 3, 1) for n in (1, 3, -1, -3)] == [1, 2, -1, -2]
    assert [path_offset(n, 2, 3, 4) for n in (2, 6, -2, -6)] == [1, 2, -1, -2]


@pytest.mark.parametrize("n_spectra", MANY_SPECTRA)
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_the_parts_of_a_path_are_its_boxes(n_spectra, stride):
    """Each box of a path is in one pair, at its offset; pairs say at which offsets they are needed, and occur once."""
    drifts = np.arange(-45, 46)
    pairs, paths = pair_sums(drifts, n_spectra, stride)
    assert len({tuple(pair[:2]) for pair in pairs.tolist()}) == len(pairs)
    for steps, path in zip(drifts, paths, strict=True):
        boxes = {}
        for k, offset in path:
            t, shift, lowest, highest = pairs[k]
            assert lowest <= offset <= highest
            boxes[t] = offset
            if t + 1 < n_spectra:
                boxes[t + 1] = offset + shift
        assert boxes == {t: reference.path_offset(int(steps), t, n_spectra, stride) for t in range(n_spectra)}
