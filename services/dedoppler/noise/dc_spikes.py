"""The channels that hold a DC spike."""

import numpy as np

from shared.arrays import Indices
from shared.header import Header


def dc_channels(header: Header, first: int, stop: int) -> Indices:
    """Return the channels within [first, stop) that hold a DC spike: the middle one of each coarse channel."""
    width = header.coarse_channel_width
    if not header.has_dc_spike or not width:
        return np.empty(0, np.int64)
    middles = np.arange(width // 2, header.n_channels, width, dtype=np.int64)
    return middles[(middles >= first) & (middles < stop)]
