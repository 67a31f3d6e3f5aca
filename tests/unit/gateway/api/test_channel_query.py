"""A range of channels is one of the band's, or refused."""

import pytest

from services.gateway.api.channel_query import channels_of
from services.gateway.observations.errors import BadChannelsError


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, range(100)),
        ({"start_channel": "99"}, range(99, 100)),
        ({"stop_channel": "1"}, range(1)),
        ({"start_channel": "007", "stop_channel": "20"}, range(7, 20)),
    ],
)
def test_channels_are_read(query, expected):
    assert channels_of(query, 100) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"start_channel": "5", "stop_channel": "5"},
        {"start_channel": "6", "stop_channel": "5"},
        {"start_channel": "100"},
        {"stop_channel": "101"},
        {"stop_channel": "0"},
        *({"start_channel": bad} for bad in ("-1", "", " 1", "1.0", "1e1", "NaN", "inf", "٣", "²", "0x1", "9" * 5000)),
        *({"stop_channel": bad} for bad in ("-1", "", "+1", "1_0", "null", "9" * 16)),
    ],
    ids=lambda query: str(query)[:50],
)
def test_anything_else_is_refused(query):
    with pytest.raises(BadChannelsError, match="100"):
        channels_of(query, 100)
