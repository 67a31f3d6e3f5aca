"""How many MongoDB commands a request takes once the gateway has cached its user."""

import functools
from collections.abc import Iterator

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import monitoring

from services.gateway.mongodb import store
from tests.contract.gateway.parts import Account, classified


class Commands(monitoring.CommandListener):
    """Records the commands that were sent, in order: name and collection."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent.append(f"{event.command_name} {event.command.get(event.command_name)}")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing."""


# Registered before the gateway is built, because a client only uses the listeners that exist when it is created.
@pytest.fixture(scope="module", autouse=True)
def commands() -> Iterator[Commands]:
    found = Commands()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "AsyncIOMotorClient", functools.partial(AsyncIOMotorClient, event_listeners=[found]))
        yield found


async def test_showing_a_job_takes_one_read(commands: Commands, alice: Account) -> None:
    job_id = await alice.analyze()
    commands.sent.clear()
    for _ in range(3):
        assert (await alice.ask("GET", f"/jobs/{job_id}"))[0] == 200
    assert commands.sent == ["find jobs"] * 3


async def test_starting_a_job_takes_two_updates(commands: Commands, alice: Account) -> None:
    key = await alice.upload()
    await alice.start(key)
    commands.sent.clear()
    for _ in range(3):
        await alice.start(key, filename="Voyager1.fil")
    assert commands.sent == ["update quotas", "update jobs"] * 3


async def test_the_history_is_not_read_when_a_job_ends_and_the_history_is_not_full(
    commands: Commands, alice: Account
) -> None:
    job_id = await alice.analyze()
    commands.sent.clear()
    await alice.gateway.worker_events.handle(classified(alice.gateway, job_id))
    assert commands.sent == [
        *("update jobs", "find jobs"),  # the job is marked complete; its user is read
        "update quotas",  # the slot is freed
        *("find users", "find quotas"),  # the history limit of the tier; the history is not full
    ]
