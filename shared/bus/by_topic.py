"""One handler for several topics."""

from collections.abc import Mapping, Sequence

from shared.bus.consumer import Handle
from shared.errors import PermanentError
from shared.events import Event


def by_topic(handlers: Mapping[str, Handle]) -> Handle:
    """Return a handler that gives each event to the one of its topic.

    It raises `PermanentError` for an event of another topic.
    """

    async def handle(event: Event) -> Sequence[Event]:
        if event.topic not in handlers:
            raise PermanentError(f"{event.topic} is not handled here.", code="unexpected_event")
        return await handlers[event.topic](event)

    return handle
