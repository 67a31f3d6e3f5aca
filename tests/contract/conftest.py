"""Fixtures of the contract tests of bus and blobs: servers, settings, and tools to inspect the bus."""

import asyncio
import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.servers import EmbeddedServers, embedded_servers
from shared.bus import Consumer, Publisher, open_publisher
from shared.errors import TransientError
from shared.events import TOPICS, Event, JobProgress, Stage
from shared.settings import ServiceSettings
from tests.servers.chosen import EMBEDDED, REAL, VARIABLE, servers
from tests.servers.containers import KafkaServer, MongodbServer, SeaweedfsServer, running

# The embedded broker delays the first member of a group for 3 s and drops a member with a shorter session timeout.
SESSION_TIMEOUT_MS = 3_000
PATIENCE_S = 60.0
STAGES_OF_SPARE_WORKERS: tuple[Stage | None, ...] = ("dedoppler",) * 18 + (None,)

Condition = Callable[[], Awaitable[bool]]
Until = Callable[[Condition], Awaitable[None]]


# The id of a test contains the name of its server.
_SERVER_OF = re.compile(rf"\[(?:.*-)?({'|'.join((EMBEDDED, *REAL))})(?:-.*)?\]$")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of tests on each server, and the servers without tests."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", []):
        found = _SERVER_OF.search(report.nodeid)
        if found and report.when == "call":
            counts[found[1]] += 1
    if counts:
        ran = ", ".join(f"{counts[name]} on {name}" for name in (EMBEDDED, *REAL) if counts[name])
        left = [name for name in REAL if not counts[name]]
        rest = f"; none on {', '.join(left)} (see `make test-real`; {VARIABLE} names servers)" if left else ""
        terminalreporter.write_line(f"Contract tests by server: {ran}{rest}.")


@pytest.fixture(scope="session")
async def kafka_server() -> AsyncIterator[KafkaServer]:
    """Run Apache Kafka in a container, once for all tests."""
    async with running(KafkaServer()) as server:
        await server.create_topics(TOPICS)
        yield server


@pytest.fixture(scope="session")
async def mongodb_server() -> AsyncIterator[MongodbServer]:
    """Run MongoDB in a container, once for all tests."""
    async with running(MongodbServer()) as server:
        yield server


@pytest.fixture(scope="session")
async def seaweedfs_server() -> AsyncIterator[SeaweedfsServer]:
    """Run SeaweedFS in a container, once for all tests."""
    async with running(SeaweedfsServer()) as server:
        await server.create_buckets()
        yield server


@pytest.fixture(scope="session")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServers]:
    """Run the embedded servers, once for all tests."""
    async with embedded_servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


class Probe:
    """Sends messages and inspects topics and groups, with the client library only."""

    def __init__(self, settings: ServiceSettings, producer: AIOKafkaProducer, admin: AIOKafkaAdminClient) -> None:
        self.settings = settings
        self._producer = producer
        self._admin = admin

    async def new_topic(self) -> str:
        """Create a topic and return its name. A shared topic would deliver messages of other tests to a new group."""
        topic = f"test-{uuid.uuid4().hex}"
        assert len(await self._producer.partitions_for(topic)) >= 2
        return topic

    async def send(self, topic: str, value: Event | bytes | None, key: str | None = None, partition: int = 0) -> int:
        """Send one message and return its offset."""
        raw = value.to_bytes() if isinstance(value, Event) else value
        sent = await self._producer.send_and_wait(topic, raw, key=key.encode() if key else None, partition=partition)
        return int(sent.offset)

    async def send_together(self, topic: str, events: Sequence[Event]) -> None:
        """Send messages as one batch, so that every server delivers them in one fetch."""
        batch = self._producer.create_batch()
        for event in events:
            assert batch.append(key=None, value=event.to_bytes(), timestamp=None) is not None
        await (await self._producer.send_batch(batch, topic, partition=0))

    async def send_by_key(self, topic: str, event: Event, key: str) -> None:
        """Send one message to the partition of its key."""
        await self._producer.send_and_wait(topic, event.to_bytes(), key=key.encode())

    async def everything(self, topic: str) -> list[ConsumerRecord]:
        """Return all messages of a topic, ordered by partition and offset."""
        bootstrap = self.settings.kafka_bootstrap
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=50) as reader:
            partitions = [TopicPartition(topic, p) for p in sorted(await self._producer.partitions_for(topic))]
            reader.assign(partitions)
            await reader.seek_to_beginning(*partitions)
            ends = await reader.end_offsets(partitions)
            found: list[ConsumerRecord] = []
            while any([await reader.position(partition) < ends[partition] for partition in partitions]):
                for records in (await reader.getmany(timeout_ms=1_000)).values():
                    found += records
        return sorted(found, key=lambda record: (record.partition, record.offset))

    async def of_job(self, topic: str, job_id: str) -> list[ConsumerRecord]:
        """Return all messages of a topic with a job's key."""
        return [record for record in await self.everything(topic) if record.key == job_id.encode()]

    async def committed(self, group: str, topic: str, partition: int = 0) -> int | None:
        """Return the committed offset of a group, or None if it has committed none."""
        found = await self._found(group, topic, partition)
        return None if found is None or found.offset < 0 else int(found.offset)

    async def committed_metadata(self, group: str, topic: str, partition: int = 0) -> str:
        """Return the metadata of the committed offset."""
        found = await self._found(group, topic, partition)
        return "" if found is None else found.metadata or ""

    async def _found(self, group: str, topic: str, partition: int) -> Any:
        at = TopicPartition(topic, partition)
        return (await self._admin.list_consumer_group_offsets(group, partitions=[at])).get(at)

    async def commit_for(self, group: str, topic: str, offset: int, metadata: str, partition: int = 0) -> None:
        """Commit an offset with metadata, as an earlier process of the group would have done."""
        client = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap, group_id=group, enable_auto_commit=False
        )
        async with client:
            at = TopicPartition(topic, partition)
            client.assign([at])
            await client.commit({at: (offset, metadata)})


class WatchedPublisher:
    """A publisher that calls the hooks `before` and `after` around each acknowledgement."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.before: Callable[[], Awaitable[None]] | None = None
        self.after: Callable[[], Awaitable[None]] | None = None

    async def publish(self, event: Event) -> None:
        if self.before is not None:
            await self.before()
        await self._publisher.publish(event)
        if self.after is not None:
            await self.after()

    async def publish_raw(self, *arguments: Any) -> None:
        await self._publisher.publish_raw(*arguments)


class Worker:
    """A running consumer with its own topic and group. A test sets `handle` before it sends the first message."""

    def __init__(
        self,
        probe: Probe,
        publisher: Publisher,
        topic: str,
        group: str,
        stage: Stage | None = "dedoppler",
        at_once: int = 1,
    ) -> None:
        self.topic = topic
        self.group = group
        self.publisher = WatchedPublisher(publisher)
        self.stop = asyncio.Event()
        self.consumer = Consumer(
            probe.settings,
            group=group,
            topics=[topic],
            handle=self._handle,
            publisher=cast(Publisher, self.publisher),
            stage=stage,
            at_once=at_once,
        )
        self.task = asyncio.create_task(self.consumer.run(self.stop))

    async def handle(self, event: Event) -> Sequence[Event]:
        raise AssertionError(f"unexpected event {event}: the test has set no handler")

    async def _handle(self, event: Event) -> Sequence[Event]:
        return await self.handle(event)

    async def has_partitions(self) -> bool:
        """Return whether the worker has joined its group. If the consumer has ended, raise its error."""
        if self.task.done():
            self.task.result()
        try:
            await self.consumer.check()
        except TransientError:
            return False
        return True

    async def finish(self) -> None:
        """Stop the worker and wait for the messages in hand. Raise the consumer's error, if any."""
        self.stop.set()
        await self.ended()

    async def ended(self) -> None:
        """Wait for the end of the run. Raise the consumer's error, if any."""
        await asyncio.wait_for(asyncio.shield(self.task), PATIENCE_S)


class Workers:
    """A pool of workers. Joining a group takes seconds on some servers, so many workers join together in advance."""

    def __init__(self, probe: Probe, publisher: Publisher, until: Until) -> None:
        self._probe = probe
        self._publisher = publisher
        self._until = until
        self._spare: list[tuple[Stage | None, Worker]] = []
        self._all: list[Worker] = []

    async def take(self, stage: Stage | None = "dedoppler") -> Worker:
        """Return a worker with partitions, a new topic and a new group."""
        if not any(spare_stage == stage for spare_stage, _ in self._spare):
            topics = [(await self._probe.new_topic(), stage) for stage in STAGES_OF_SPARE_WORKERS]
            started = [(stage, self.start(topic, f"group-{topic}", stage)) for topic, stage in topics]
            await asyncio.gather(*(self._until(worker.has_partitions) for _, worker in started))
            self._spare += started
        found = next(i for i, (spare_stage, _) in enumerate(self._spare) if spare_stage == stage)
        return self._spare.pop(found)[1]

    def start(self, topic: str, group: str, stage: Stage | None = "dedoppler", at_once: int = 1) -> Worker:
        """Return a worker that has not joined yet, for an existing group or a topic with messages."""
        worker = Worker(self._probe, self._publisher, topic, group, stage, at_once)
        self._all.append(worker)
        return worker

    async def close(self) -> None:
        """Stop all workers."""
        for worker in self._all:
            worker.stop.set()
        await asyncio.gather(*(worker.task for worker in self._all), return_exceptions=True)


@pytest.fixture(scope="session", params=servers("kafka"))
def bus_settings(request: pytest.FixtureRequest) -> ServiceSettings:
    """Return settings of a service on the server under test."""
    if request.param == EMBEDDED:
        address = request.getfixturevalue("embedded").kafka
    else:
        address = request.getfixturevalue("kafka_server").address
    return ServiceSettings(kafka_bootstrap=address, kafka_session_timeout_ms=SESSION_TIMEOUT_MS)


@pytest.fixture(scope="session")
async def publisher(bus_settings: ServiceSettings) -> AsyncIterator[Publisher]:
    async with open_publisher(bus_settings) as publisher:
        yield publisher


@pytest.fixture(scope="session")
async def probe(bus_settings: ServiceSettings) -> AsyncIterator[Probe]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bus_settings.kafka_bootstrap)
    await admin.start()
    async with AIOKafkaProducer(bootstrap_servers=bus_settings.kafka_bootstrap) as producer:
        yield Probe(bus_settings, producer, admin)
    await admin.close()


@pytest.fixture(scope="session")
async def workers(probe: Probe, publisher: Publisher, until: Until) -> AsyncIterator[Workers]:
    workers = Workers(probe, publisher, until)
    yield workers
    await workers.close()


@pytest.fixture(scope="session")
def until() -> Until:
    """Return a function that polls a condition until it is true, or fails after `PATIENCE_S`."""

    async def wait(condition: Condition) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():  # noqa: ASYNC110 -- polls a server
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
def job_id() -> str:
    """Return the id of a job that no other test uses."""
    return str(uuid.uuid4())


@pytest.fixture
def message(job_id: str) -> Callable[[int], JobProgress]:
    """Return a function that makes the n-th event of the job."""

    def make(n: int = 0) -> JobProgress:
        return JobProgress.make(job_id=job_id, producer="test", step=f"in/{n}", stage="ingest", done=n, total=100)

    return make


@pytest.fixture
def result(job_id: str) -> Callable[[int], JobProgress]:
    """Return a function that makes the n-th result event, which handlers publish on `job.progress`."""

    def make(n: int = 0) -> JobProgress:
        return JobProgress.make(job_id=job_id, producer="test", step=f"out/{n}", stage="dedoppler", done=n, total=100)

    return make
