"""An event goes to the handler of its topic."""

import pytest

from shared.bus import by_topic
from shared.errors import PermanentError
from tests.unit.shared.example_events import EXPECTED


async def test_each_event_goes_to_the_handler_of_its_topic():
    async def first(event):
        return [event, event]

    async def second(event):
        return [event]

    handle = by_topic({EXPECTED[0].topic: first, EXPECTED[1].topic: second})
    assert await handle(EXPECTED[0]) == [EXPECTED[0], EXPECTED[0]]
    assert await handle(EXPECTED[1]) == [EXPECTED[1]]
    with pytest.raises(PermanentError, match=EXPECTED[2].topic):
        await handle(EXPECTED[2])
