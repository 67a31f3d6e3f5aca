"""The query parameters that name a range of channels."""

from collections.abc import Mapping

from services.gateway.observations.errors import BadChannelsError

START, STOP = "start_channel", "stop_channel"
# `int` is slow for thousands of digits; no file has so many channels.
MAX_DIGITS = 15


def channels_of(query: Mapping[str, str], n_channels: int) -> range:
    """Return the channels [start_channel, stop_channel); without a parameter, the band's end.

    Raises
    ------
    BadChannelsError
        They are no range of a band of `n_channels`.
    """
    start, stop = (_number(query, name, end, n_channels) for name, end in ((START, 0), (STOP, n_channels)))
    if not start < stop <= n_channels:
        raise BadChannelsError(n_channels)
    return range(start, stop)


def _number(query: Mapping[str, str], name: str, end: int, n_channels: int) -> int:
    raw = query.get(name)
    if raw is None:
        return end
    if not (raw.isascii() and raw.isdigit() and len(raw) <= MAX_DIGITS):
        raise BadChannelsError(n_channels)
    return int(raw)
