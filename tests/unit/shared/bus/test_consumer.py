"""Timeouts that the consumer sets in the client library, so that no member gives up while another hands over."""

import pytest

from shared.bus import Consumer, consumer
from shared.settings import ServiceSettings


@pytest.fixture
def client_options(monkeypatch):
    """Return the options that a consumer with default settings passes to the client library."""
    client_options = {}

    def client(**options):
        client_options.update(options)

    async def handle(_event):
        return []

    monkeypatch.setattr(consumer, "AIOKafkaConsumer", client)
    monkeypatch.setattr(consumer, "AttemptLog", lambda *_: None)
    Consumer(ServiceSettings(), group="ingest", topics=["t"], handle=handle, publisher=None)
    return client_options


def test_the_group_waits_until_a_member_has_handed_over(client_options):
    assert client_options["rebalance_timeout_ms"] >= 1000 * (consumer.HAND_OVER_S + consumer.LAST_COMMIT_S)


def test_a_request_to_join_does_not_time_out_before_the_group_is_complete(client_options):
    """Check the timeout of JoinGroup, which the broker answers only after every member has handed over."""
    assert client_options["request_timeout_ms"] > client_options["rebalance_timeout_ms"]


def test_a_commit_times_out_before_the_group_continues_without_it(client_options):
    assert client_options["rebalance_timeout_ms"] > 1000 * consumer.COMMIT_S
