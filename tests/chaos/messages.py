"""All messages on the bus, and the wait until every service has handled them."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.gateway.app import TOPICS as TOPICS_OF_GATEWAY
from shared.events import (
    CADENCE_CLASSIFIED,
    CADENCE_READY,
    CHUNK_READY,
    CHUNK_SEARCHED,
    OBSERVATION_CLASSIFIED,
    OBSERVATION_SUBMITTED,
    TOPICS,
    TRACK_MEASURED,
    TRACK_READY,
)

GROUPS = {
    "ingest": (OBSERVATION_SUBMITTED,),
    "dedoppler": (CHUNK_READY, TRACK_READY),
    "classify": (CHUNK_SEARCHED, CADENCE_READY, TRACK_MEASURED),
    "export": (OBSERVATION_CLASSIFIED, CADENCE_CLASSIFIED),
    "gateway": TOPICS_OF_GATEWAY,
}
QUIET_PATIENCE_S = 90
QUIET_POLL_S = 0.5


async def everything(bootstrap: str) -> dict[str, list[Any]]:
    """Return all messages on the topics of Waterhole, by topic."""
    found: dict[str, list[Any]] = {}
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=50) as reader:
        known = await reader.topics()
        wanted = [name for topic in TOPICS for name in (topic, f"{topic}.dlq") if name in known]
        for topic in wanted:
            partitions = await _partitions(bootstrap, topic)
            reader.assign(partitions)
            await reader.seek_to_beginning(*partitions)
            ends = await reader.end_offsets(partitions)
            found[topic] = []
            while any([await reader.position(one) < ends[one] for one in partitions]):
                for records in (await reader.getmany(timeout_ms=1_000)).values():
                    found[topic] += records
    return found


async def until_quiet(bootstrap: str) -> list[str]:
    """Wait until every group has handled all messages, or `QUIET_PATIENCE_S` has passed. Return the remaining lags."""
    left: list[str] = []
    for _ in range(int(QUIET_PATIENCE_S / QUIET_POLL_S)):
        left = await _lags(bootstrap)
        if not left:
            break
        await asyncio.sleep(QUIET_POLL_S)
    return left


async def _lags(bootstrap: str) -> list[str]:
    """Return the lag of each group that has unhandled messages, as sentences."""
    left = []
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as reader:
            known = await reader.topics()
            watched = [(group, topic) for group, topics in GROUPS.items() for topic in topics if topic in known]
            for group, topic in watched:
                partitions = await _partitions(bootstrap, topic)
                ends = await reader.end_offsets(partitions)
                committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
                for one in partitions:
                    at = max(0, committed[one].offset) if one in committed else 0
                    if at < ends[one]:
                        left.append(f"{group} has {ends[one] - at} unhandled messages on {topic}[{one.partition}]")
    finally:
        await admin.close()
    return left


async def _partitions(bootstrap: str, topic: str) -> list[TopicPartition]:
    """Return the partitions of an existing topic."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as asker:
        return [TopicPartition(topic, number) for number in sorted(await asker.partitions_for(topic))]
