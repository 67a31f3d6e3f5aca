"""Which axis of a data set counts spectra, which IFs and which channels.

The norm is (spectrum, IF, channel), or (spectrum, channel) without IFs. Some writers transpose. The header tells:
nchans is the length of the channels' axis, nifs (1 if it is missing) that of the IFs'.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import NamedTuple


class Axes(NamedTuple):
    """The stored axis of spectra, of IFs (None for a data set without) and of channels."""

    spectrum: int
    if_: int | None
    channel: int


USUAL = {2: Axes(0, None, 1), 3: Axes(0, 1, 2)}
MEANINGS = ("time", "IF", "channel")


def name_axes(axes: Axes) -> str:
    """Return the axes in the order in which they are stored, such as (channel, time, IF)."""
    stored = sorted((at, name) for at, name in zip(axes, MEANINGS, strict=True) if at is not None)
    return f"({', '.join(name for _, name in stored)})"


def _all_axes(rank: int) -> Iterator[Axes]:
    for order in permutations(range(rank)):
        yield Axes(order[0], None, order[1]) if rank == 2 else Axes(*order)


def find_axes(shape: Sequence[int], nchans: int | None, nifs: int | None) -> Axes | None:
    """Return the axes of a data set by its shape and its header; None if they do not say which is which.

    The usual order counts where it agrees with the header, and where the header has no nchans. Otherwise the one other
    order that agrees with both nchans and nifs does. Where nchans is the length of no axis, the file was cut without a
    correction of its header, and the usual order counts if its IFs agree.

    Parameters
    ----------
    shape : sequence of int
        Of the stored data set.
    nchans, nifs : int or None
        Of the header; None if it has none.
    """
    usual = USUAL.get(len(shape))
    if usual is None or (len(shape) == 2 and nchans is None):
        return None
    n_ifs = 1 if nifs is None else nifs
    if nchans is None:
        return usual

    def ifs_agree(axes: Axes) -> bool:
        return (1 if axes.if_ is None else shape[axes.if_]) == n_ifs

    agreeing = [axes for axes in _all_axes(len(shape)) if shape[axes.channel] == nchans and ifs_agree(axes)]
    if usual in agreeing:
        return usual
    if len(agreeing) == 1:
        return agreeing[0]
    if shape[usual.channel] == nchans:
        return usual
    is_cut = nchans not in shape and len(shape) == 3 and ifs_agree(usual)
    return usual if is_cut else None
