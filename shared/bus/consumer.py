"""The consume loop: one message at a time per partition, partitions in parallel."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from prometheus_client import Counter, Gauge, Histogram

from shared.bus.attempts import AttemptLog
from shared.bus.publisher import Publisher
from shared.errors import PermanentError, TransientError
from shared.events import Event, JobFailed, Stage, UndecodableEventError, decode
from shared.settings import ServiceSettings

logger = structlog.get_logger(__name__)

HANDLED = Counter(
    "waterhole_messages_total", "Messages taken off the bus, by what became of them.", ["topic", "outcome"]
)
IN_HAND = Gauge("waterhole_messages_in_hand", "Messages that are being handled: at most one per partition.", ["topic"])
HANDLE_S = Histogram("waterhole_handle_seconds", "Time from taking a message to its commit, s.", ["topic"])

# In-place tries of one message; the waits between them double from the first.
TRIES = 5
FIRST_WAIT_S = 0.2
# How often a message may take the process with it before it is set aside.
MAX_STARTS = 3
POLL_MS = 200
# An event may be wrong in thousands of places; what is told of them goes into a header.
MAX_REASON = 1000
DRAIN_S = 60.0
# How long a rebalance waits for the messages in hand, s: what takes longer is done again by whoever gets the partition.
HAND_OVER_S = 30.0
# How long the broker may take to answer, s: to a commit, to one that a lane makes while it is given up, to the goodbye.
COMMIT_S = 30.0
LAST_COMMIT_S = 2.0
CLOSE_S = 10.0
# How much longer the client waits than the broker may hold its request to join the group, s: else it would give up, and
# join anew, while another member is still handing over.
JOIN_MARGIN_S = 5.0

Handle = Callable[[Event], Awaitable[Sequence[Event]]]


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """Takes events of some topics, gives each to a handler, publishes what comes back, then commits."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        group: str,
        topics: Sequence[str],
        handle: Handle,
        publisher: Publisher,
        stage: Stage | None = None,
    ) -> None:
        """`stage` names this worker in `job.failed`; None (the gateway) publishes none."""
        self._handle = handle
        self._publisher = publisher
        self._stage = stage
        self._group = group
        self._topics = list(topics)
        self._lanes: dict[TopicPartition, asyncio.Task[None]] = {}
        # Of the message that a lane works on: its offset, and how often work on it was started.
        self._in_hand: dict[TopicPartition, tuple[int, int]] = {}
        self._attempts = AttemptLog(settings.kafka_bootstrap, group)
        self._assigned = asyncio.Event()
        self._is_rebalancing = False
        self._stop = asyncio.Event()
        self._suspects = asyncio.Lock()
        rebalance_s = HAND_OVER_S + LAST_COMMIT_S + COMMIT_S
        self._kafka = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=settings.kafka_session_timeout_ms,
            rebalance_timeout_ms=round(1000 * rebalance_s),
            # The client has one patience for all its requests; commits and the goodbye have timeouts of their own.
            request_timeout_ms=round(1000 * (rebalance_s + JOIN_MARGIN_S)),
            heartbeat_interval_ms=max(settings.kafka_session_timeout_ms // 6, 100),
            # Handlers may take minutes; the loop below goes on polling beside them.
            max_poll_interval_ms=300_000,
            metadata_max_age_ms=10_000,
            fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
        )

    async def check(self) -> None:
        """Raise until the group has given this member its partitions."""
        if not self._assigned.is_set():
            raise TransientError("The consumer has no partitions yet.")

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set, then finish the messages in hand.

        Raises:
            TransientError: the bus is away, or a message could not be handled for now; its offset has not moved.
        """
        self._stop = stop
        try:
            await self._kafka.start()
            self._kafka.subscribe(self._topics, listener=self)
            await self._attempts.open()
            while not stop.is_set():
                await self._poll()
            await self._drain()
        except KafkaError as error:
            raise TransientError(f"The event bus is out of reach: {type(error).__name__}") from error
        finally:
            await self._end_lanes(list(self._lanes))
            await self._close()

    async def _poll(self) -> None:
        batches = await self._kafka.getmany(timeout_ms=POLL_MS)
        if self._is_rebalancing:
            # Whoever gets the partitions fetches these again, from the committed offsets on. Work that began now would
            # go on beside theirs, and its start would stay on record.
            batches = {}
        for partition, records in batches.items():
            # Until this batch is done, no more of the partition is fetched: memory stays bounded.
            self._kafka.pause(partition)
            self._lanes[partition] = asyncio.create_task(self._work_off(partition, records))
        self._reap()

    def _reap(self) -> None:
        """Forget the lanes that have ended; raise what one of them ended of."""
        for partition, lane in list(self._lanes.items()):
            if lane.done():
                del self._lanes[partition]
                lane.result()

    async def _work_off(self, partition: TopicPartition, records: list[Any]) -> None:
        for record in records:
            if self._stop.is_set() or self._is_rebalancing:
                return
            structlog.contextvars.bind_contextvars(topic=record.topic)
            with HANDLE_S.labels(record.topic).time(), IN_HAND.labels(record.topic).track_inprogress():
                if not await self._process(partition, record):
                    # The rebalance that takes the partition away, or gives it back, is under way.
                    return
            structlog.contextvars.unbind_contextvars("job_id", "event_id")
        if partition in self._kafka.assignment():
            self._kafka.resume(partition)

    async def _process(self, partition: TopicPartition, record: ConsumerRecord) -> bool:
        """Deal with one message; False where the partition was lost before that was on record."""
        starts = await self._attempts.count(partition, record.offset) + 1
        if starts > MAX_STARTS:
            error = PermanentError(
                "Processing stopped unexpectedly several times; the observation may be too large or damaged.",
                code="worker_crashed",
            )
            await self._set_aside(record, _try_decode(record), error)
        elif starts > 1:
            # One suspect at a time, so that the starts of those beside it are not counted when it kills the process.
            async with self._suspects:
                if not await self._start(partition, record, starts):
                    return False
        elif not await self._start(partition, record, starts):
            return False
        return await self._finish(partition, record.offset)

    async def _start(self, partition: TopicPartition, record: ConsumerRecord, starts: int) -> bool:
        """Put the start on record and work; False where another member owns the partition by now."""
        try:
            if not await self._commit(partition, record.offset, self._attempts.note(starts)):
                return False
            self._attempts.add_own(partition, record.offset, 1)
            self._in_hand[partition] = (record.offset, starts)
            await self._handle_with_tries(partition, record)
        except asyncio.CancelledError:
            # Given up, for a rebalance or another message's failure; the process did not die of this one.
            await self._take_back(partition, record.offset, self._attempts.note(starts - 1))
            raise
        finally:
            self._in_hand.pop(partition, None)
        return True

    async def _finish(self, partition: TopicPartition, offset: int) -> bool:
        """Put the end of the work on record; False where another member owns the partition by now."""
        try:
            return await self._commit(partition, offset + 1, "")
        except asyncio.CancelledError:
            # Given up with the work done. Left as it is, the record would tell of a start that nobody survived.
            await self._take_back(partition, offset + 1, "")
            raise

    async def _handle_with_tries(self, partition: TopicPartition, record: ConsumerRecord) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                await self._handle_once(record)
            except TransientError as error:
                logger.warning("transient failure", error=str(error), attempt=attempt)
                if attempt == TRIES:
                    # The process did not die of this message: it may start afresh.
                    await self._take_back(partition, record.offset, "")
                    raise
            except (Exception, asyncio.CancelledError) as error:
                if _is_being_cancelled():
                    raise
                logger.exception("handler bug", attempt=attempt)
                if attempt == TRIES:
                    bug = PermanentError("An internal error stopped the analysis.", code="internal_error")
                    bug.__cause__ = error
                    await self._set_aside(record, _try_decode(record), bug)
                    return
            else:
                return
            await asyncio.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))

    async def _handle_once(self, record: ConsumerRecord) -> None:
        event: Event | None = None
        started = time.monotonic()
        try:
            event = decode(record.value or b"")
            structlog.contextvars.bind_contextvars(job_id=event.job_id, event_id=str(event.event_id))
            outputs = await self._handle(event)
            handled = time.monotonic()
            for output in outputs:
                await self._publisher.publish(output)
        except UndecodableEventError as error:
            await self._set_aside(record, None, PermanentError(str(error)[:MAX_REASON], code="undecodable_event"))
            return
        except PermanentError as error:
            await self._set_aside(record, event, error)
            return
        HANDLED.labels(record.topic, "handled").inc()
        logger.info(
            "event handled",
            seconds=round(handled - started, 4),
            published=len(outputs),
            publishing_s=round(time.monotonic() - handled, 4),
        )

    async def _set_aside(self, record: ConsumerRecord, event: Event | None, error: PermanentError) -> None:
        """Put the original bytes on the dead-letter topic and tell the user that the job failed."""
        logger.error("message set aside", code=error.code, error=error.message, offset=record.offset)
        headers = [
            ("error_code", error.code.encode()),
            ("error", error.message.encode()),
            ("origin_topic", record.topic.encode()),
            ("origin_partition", str(record.partition).encode()),
            ("origin_offset", str(record.offset).encode()),
            ("group", self._group.encode()),
        ]
        await self._publisher.publish_raw(f"{record.topic}.dlq", record.key, record.value, headers)
        if self._stage is not None:
            job_id = event.job_id if event is not None else (record.key or b"").decode(errors="replace").split(":")[0]
            message = error.message if event is not None else "An internal message could not be read."
            if job_id:
                failed = JobFailed.make(
                    job_id=job_id,
                    producer=self._group,
                    step=f"{self._stage}/{error.code}",
                    stage=self._stage,
                    code=error.code,
                    message=message,
                )
                await self._publisher.publish(failed)
        HANDLED.labels(record.topic, "set_aside").inc()

    async def _commit(self, partition: TopicPartition, offset: int, metadata: str) -> bool:
        """Put an offset on record; False where the group has given the partition to another member."""
        try:
            async with asyncio.timeout(COMMIT_S):
                await self._kafka.commit({partition: (offset, metadata)})
        except (CommitFailedError, IllegalStateError) as error:
            # Another member owns the partition now and will do this message again: that is what at-least-once means.
            logger.info("commit refused after a rebalance", error=str(error), offset=offset)
            return False
        except TimeoutError as error:
            raise TransientError("The event bus did not take an offset.") from error
        return True

    async def _take_back(self, partition: TopicPartition, offset: int, metadata: str) -> None:
        """Correct what is on record, if the broker answers soon: the work is at its end whether or not it does."""
        try:
            async with asyncio.timeout(LAST_COMMIT_S):
                if await self._commit(partition, offset, metadata):
                    self._attempts.add_own(partition, offset, -1)
        except (KafkaError, TransientError, TimeoutError) as error:
            logger.warning("start not taken back", error=str(error), offset=offset)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Called by the client after a rebalance."""
        self._is_rebalancing = False
        self._kafka.resume(*assigned)
        self._attempts.forget(assigned)
        self._assigned.set()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Called by the client before a rebalance, which waits: the messages in hand are finished and committed."""
        self._is_rebalancing = True
        lanes = [lane for partition, lane in self._lanes.items() if partition in revoked]
        if lanes:
            await asyncio.wait(lanes, timeout=HAND_OVER_S)
        await self._end_lanes(list(revoked))

    async def _drain(self) -> None:
        # Whoever ends the process may lose patience and kill it: that says nothing about the messages in hand.
        for partition in list(self._in_hand):
            if partition in self._in_hand:
                offset, starts = self._in_hand[partition]
                await self._take_back(partition, offset, self._attempts.note(starts - 1))
        if self._lanes:
            await asyncio.wait(self._lanes.values(), timeout=DRAIN_S)
            self._reap()

    async def _close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                # Gathered, since with the broker away the client cancels itself: a task group would take the run for
                # one that ended as it should, and its failure would be lost.
                await asyncio.gather(self._attempts.close(), self._kafka.stop(), return_exceptions=True)

    async def _end_lanes(self, partitions: list[TopicPartition]) -> None:
        lanes = [self._lanes.pop(partition) for partition in partitions if partition in self._lanes]
        for lane in lanes:
            lane.cancel()
        for outcome in await asyncio.gather(*lanes, return_exceptions=True):
            if isinstance(outcome, Exception):
                logger.warning("work given up", error=str(outcome))


def _is_being_cancelled() -> bool:
    """Whether the present task was cancelled by whoever owns it, and not by something that it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _try_decode(record: ConsumerRecord) -> Event | None:
    try:
        return decode(record.value or b"")
    except UndecodableEventError:
        return None
