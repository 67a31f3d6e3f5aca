"""What the client library is told of time: nobody gives up while another member is handing over."""

import pytest

from shared.bus import Consumer, consumer
from shared.settings import ServiceSettings


@pytest.fixture
def told(monkeypatch):
    """What the client library is told by a consumer of the usual settings."""
    told = {}

    def client(**options):
        told.update(options)

    async def handle(_event):
        return []

    monkeypatch.setattr(consumer, "AIOKafkaConsumer", client)
    monkeypatch.setattr(consumer, "AttemptLog", lambda *_: None)
    Consumer(ServiceSettings(), group="ingest", topics=["t"], handle=handle, publisher=None)
    return told


def test_the_group_waits_for_as_long_as_a_member_may_take_to_hand_over(told):
    assert told["rebalance_timeout_ms"] >= 1000 * (consumer.HAND_OVER_S + consumer.LAST_COMMIT_S)


def test_a_request_to_join_is_not_given_up_before_the_group_is_complete(told):
    """The library waits for JoinGroup as for any request; the broker holds it until every member has handed over."""
    assert told["request_timeout_ms"] > told["rebalance_timeout_ms"]


def test_a_commit_is_given_up_before_the_group_goes_on_without_it(told):
    assert told["rebalance_timeout_ms"] > 1000 * consumer.COMMIT_S
