"""Which axis is which, by the shape and the header."""

import pytest

from shared.filterbank.hdf5.child.axes import Axes, find_axes, name_axes


@pytest.mark.parametrize(
    ("shape", "nchans", "nifs", "expected"),
    [
        # The usual order.
        ((16, 1, 1024), 1024, 1, (0, 1, 2)),
        ((16, 1, 1024), None, None, (0, 1, 2)),
        ((16, 2, 1024), 1024, 2, (0, 1, 2)),
        ((16, 1024), 1024, None, (0, None, 1)),
        # The usual order, although the header is wrong about IFs or was not corrected after a cut.
        ((16, 2, 1024), 1024, 1, (0, 1, 2)),
        ((16, 1, 1000), 1024, 1, (0, 1, 2)),
        # Orders that agree with the header both ways.
        ((1024, 1, 1024), 1024, 1, (0, 1, 2)),
        ((1, 1, 1024), 1024, 1, (0, 1, 2)),
        # Other orders.
        ((1024, 16, 1), 1024, 1, (1, 2, 0)),
        ((1024, 16, 1), 1024, None, (1, 2, 0)),
        ((1024, 1, 16), 1024, 1, (2, 1, 0)),
        ((2, 16, 1024), 1024, 2, (1, 0, 2)),
        ((16, 1024, 1), 1024, 1, (0, 2, 1)),
        ((1024, 16), 1024, 1, (1, None, 0)),
        # Neither the header nor the usual order says.
        ((1024, 16, 1), 999, 1, None),
        ((1024, 16, 2), 1024, 1, None),
        ((1024, 1024, 16), 1024, 1, None),
        ((16, 1024), None, None, None),
        ((16, 1024), 999, None, None),
        ((1024,), 1024, 1, None),
        ((16, 1, 1, 1024), 1024, 1, None),
        ((), 1024, 1, None),
    ],
)
def test_axes(shape, nchans, nifs, expected):
    assert find_axes(shape, nchans, nifs) == (None if expected is None else Axes(*expected))


def test_axes_have_names_in_the_order_of_storage():
    assert name_axes(Axes(1, 2, 0)) == "(channel, time, IF)"
    assert name_axes(Axes(1, None, 0)) == "(channel, time)"
