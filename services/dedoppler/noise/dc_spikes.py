"""The channels that hold a DC spike."""

import numpy as np
import numpy.typing as npt

from shared.header import Header

Indices = npt.NDArray[np.int64]


def dc_channels(header: Header, first: int, stop: int) -> Indices:
    """Channels within [first, stop) that hold a DC spike: the middle one of each coarse channel."""
    width = header.coarse_channel_width
    if not header.has_dc_spike or not width:
        return np.empty(0, np.int64)
    middles = np.arange(width // 2, header.n_channels, width, dtype=np.int64)
    return middles[(middles >= first) & (middles < stop)]
