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
from shared.bus.publisher import LEFT_OUT, LETTERS_SUFFIX, Publisher
from shared.errors import PermanentError, TransientError
from shared.event_fields import plain_sentence
from shared.events import Event, JobFailed, Stage, UndecodableEventError, decode, is_job_id
from shared.settings import ServiceSettings

logger = structlog.get_logger(__name__)

HANDLED = Counter("waterhole_messages_total", "Messages received, by outcome.", ["topic", "outcome"])
IN_HAND = Gauge("waterhole_messages_in_hand", "Messages being handled, at most one per partition.", ["topic"])
HANDLE_S = Histogram("waterhole_handle_seconds", "Time from receiving a message to its commit, s.", ["topic"])

# Attempts at one message before the consumer gives up; the pause between them doubles.
TRIES = 5
FIRST_WAIT_S = 0.2
# Number of starts after which a message that kills its process becomes a dead letter.
MAX_STARTS = 3
POLL_MS = 200
# Longest validation error in a header: an event may be invalid in thousands of places.
MAX_REASON = 1000
# Longest key of a letter without its message, bytes: that of an event holds a job id.
MAX_KEY = 1000
DRAIN_S = 60.0
# Time that a rebalance waits for messages being handled, s. Those that take longer are handled again by the member that
# gets the partition.
HAND_OVER_S = 30.0
# Time that the broker may take to answer, s: to a commit, to a commit during cancellation, and when the client closes.
COMMIT_S = 30.0
LAST_COMMIT_S = 2.0
CLOSE_S = 10.0
# Extra time that the client waits for its request to join the group, s. Without it, the client would give up and join
# again while another member is still finishing its messages.
JOIN_MARGIN_S = 5.0

Handle = Callable[[Event], Awaitable[Sequence[Event]]]


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """Receives events, calls a handler with each, publishes the resulting events, then commits."""

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
        """Configure the client; `run` connects.

        Parameters
        ----------
        settings
            Address and timeouts of the broker.
        group
            Consumer group, the name of the service.
        topics
            Topics to read.
        handle
            Handles one event and returns the events to publish.
        publisher
            Publishes results and dead letters.
        stage
            Name of this worker in `job.failed`. Without it, as in the gateway, no `job.failed` is published.
        """
        self._handle = handle
        self._publisher = publisher
        self._stage = stage
        self._group = group
        self._topics = list(topics)
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        # Of the message being handled in a partition: its offset and number of starts.
        self._in_hand: dict[TopicPartition, tuple[int, int]] = {}
        self._attempts = AttemptLog(settings.kafka_bootstrap, group)
        self._assigned = asyncio.Event()
        self._is_rebalancing = False
        self._stop = asyncio.Event()
        self._restarts = asyncio.Lock()
        rebalance_s = HAND_OVER_S + LAST_COMMIT_S + COMMIT_S
        self._kafka = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=settings.kafka_session_timeout_ms,
            rebalance_timeout_ms=round(1000 * rebalance_s),
            # The client has one timeout for all its requests; commits and closing have their own below.
            request_timeout_ms=round(1000 * (rebalance_s + JOIN_MARGIN_S)),
            heartbeat_interval_ms=max(settings.kafka_session_timeout_ms // 6, 100),
            # Handlers may take minutes; `run` polls meanwhile.
            max_poll_interval_ms=300_000,
            metadata_max_age_ms=10_000,
            fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
        )

    async def check(self) -> None:
        """Raise until the group has assigned partitions to this member."""
        if not self._assigned.is_set():
            raise TransientError("The consumer has no partitions yet.")

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set, then finish the messages being handled.

        Raises
        ------
        TransientError
            The bus is unavailable, or a message could not be handled for now; its offset is not committed.
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
            raise TransientError(f"The event bus is unavailable: {type(error).__name__}") from error
        finally:
            await self._end_tasks(list(self._tasks))
            await self._close()

    async def _poll(self) -> None:
        batches = await self._kafka.getmany(timeout_ms=POLL_MS)
        if self._is_rebalancing:
            # The members that get the partitions fetch these messages again, from the committed offsets on. Work that
            # began now would run beside theirs, and its start would stay recorded.
            batches = {}
        for partition, records in batches.items():
            # Fetch no more of the partition until this batch is handled, so that memory stays bounded.
            self._kafka.pause(partition)
            self._tasks[partition] = asyncio.create_task(self._work_off(partition, records))
        self._reap()

    def _reap(self) -> None:
        """Forget the tasks that have ended; raise the error of one that failed."""
        for partition, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[partition]
                task.result()

    async def _work_off(self, partition: TopicPartition, records: list[Any]) -> None:
        for record in records:
            if self._stop.is_set() or self._is_rebalancing:
                return
            structlog.contextvars.bind_contextvars(topic=record.topic)
            with HANDLE_S.labels(record.topic).time(), IN_HAND.labels(record.topic).track_inprogress():
                if not await self._process(partition, record):
                    # A rebalance is in progress that takes the partition away or returns it.
                    return
            structlog.contextvars.unbind_contextvars("job_id", "event_id")
        if partition in self._kafka.assignment():
            self._kafka.resume(partition)

    async def _process(self, partition: TopicPartition, record: ConsumerRecord) -> bool:
        """Handle and commit one message; return False if the partition was lost before the commit."""
        starts = await self._attempts.count(partition, record.offset) + 1
        if starts > MAX_STARTS:
            error = PermanentError(
                "Processing stopped unexpectedly several times; the observation may be too large or damaged.",
                code="worker_crashed",
            )
            await self._set_aside(record, _try_decode(record), error)
        elif starts > 1:
            # A message that may have killed a process is handled alone, so that it can't take others with it again.
            async with self._restarts:
                if not await self._start(partition, record, starts):
                    return False
        elif not await self._start(partition, record, starts):
            return False
        return await self._finish(partition, record.offset)

    async def _start(self, partition: TopicPartition, record: ConsumerRecord, starts: int) -> bool:
        """Commit the start and handle the message; return False if another member owns the partition now."""
        try:
            if not await self._commit(partition, record.offset, self._attempts.note(starts)):
                return False
            self._attempts.add_own(partition, record.offset, 1)
            self._in_hand[partition] = (record.offset, starts)
            await self._handle_with_tries(partition, record)
        except asyncio.CancelledError:
            # Cancelled by a rebalance or by the failure of another message; the process did not die of this one.
            await self._withdraw_start(partition, record.offset, self._attempts.note(starts - 1))
            raise
        finally:
            self._in_hand.pop(partition, None)
        return True

    async def _finish(self, partition: TopicPartition, offset: int) -> bool:
        """Commit the end of the work; return False if another member owns the partition now."""
        try:
            return await self._commit(partition, offset + 1, "")
        except asyncio.CancelledError:
            # The work is done. Without this commit, the start would count as one that killed its process.
            await self._withdraw_start(partition, offset + 1, "")
            raise

    async def _handle_with_tries(self, partition: TopicPartition, record: ConsumerRecord) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                await self._handle_once(record)
            except TransientError as error:
                logger.warning("handler will retry", error=str(error), attempt=attempt)
                if attempt == TRIES:
                    # The process did not die of this message, so its number of starts begins at 0 again.
                    await self._withdraw_start(partition, record.offset, "")
                    raise
            except (Exception, asyncio.CancelledError) as error:
                if _is_being_cancelled():
                    raise
                logger.exception("handler failed", attempt=attempt)
                if attempt == TRIES:
                    last = _permanent(error)
                    last.__cause__ = error
                    await self._set_aside(record, _try_decode(record), last)
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
        """Publish the original bytes on the dead-letter topic, and `job.failed` for the user."""
        logger.error(
            "message moved to the dead-letter topic", code=error.code, error=error.message, offset=record.offset
        )
        headers = [
            ("error_code", error.code.encode()),
            ("error", error.message.encode()),
            ("origin_topic", record.topic.encode()),
            ("origin_partition", str(record.partition).encode()),
            ("origin_offset", str(record.offset).encode()),
            ("group", self._group.encode()),
        ]
        await self._publish_letter(record, headers)
        if self._stage is not None:
            job_id = event.job_id if event is not None else (record.key or b"").decode(errors="replace").split(":")[0]
            message = error.message if event is not None else "An internal message could not be read."
            # Nothing is said of a job that does not exist: its id would not decode.
            if is_job_id(job_id):
                failed = JobFailed.make(
                    job_id=job_id,
                    producer=self._group,
                    step=f"{self._stage}/{error.code}",
                    stage=self._stage,
                    code=error.code,
                    message=plain_sentence(message),
                )
                await self._publisher.publish(failed)
        HANDLED.labels(record.topic, "set_aside").inc()

    async def _publish_letter(self, record: ConsumerRecord, headers: list[tuple[str, bytes]]) -> None:
        """Publish a message on its dead-letter topic, without its bytes if the bus doesn't accept so many."""
        topic = f"{record.topic}{LETTERS_SUFFIX}"
        try:
            await self._publisher.publish_raw(topic, record.key, record.value, headers)
        except PermanentError:
            # The bus took the message, but not with these headers. Without a letter, the worker would stop for good.
            key = record.key if len(record.key or b"") <= MAX_KEY else None
            left_out = (LEFT_OUT, str(len(record.value or b"")).encode())
            await self._publisher.publish_raw(topic, key, b"", [*headers, left_out])

    async def _commit(self, partition: TopicPartition, offset: int, metadata: str) -> bool:
        """Commit an offset; return False if the group has assigned the partition to another member."""
        try:
            async with asyncio.timeout(COMMIT_S):
                await self._kafka.commit({partition: (offset, metadata)})
        except (CommitFailedError, IllegalStateError) as error:
            # Another member owns the partition now and will handle this message again: delivery is at least once.
            logger.info("commit refused after a rebalance", error=str(error), offset=offset)
            return False
        except TimeoutError as error:
            raise TransientError("The event bus did not acknowledge a commit.") from error
        return True

    async def _withdraw_start(self, partition: TopicPartition, offset: int, metadata: str) -> None:
        """Commit that a start no longer counts, if the broker answers soon; otherwise log a warning."""
        try:
            async with asyncio.timeout(LAST_COMMIT_S):
                if await self._commit(partition, offset, metadata):
                    self._attempts.add_own(partition, offset, -1)
        except (KafkaError, TransientError, TimeoutError) as error:
            logger.warning("could not commit the end of a start", error=str(error), offset=offset)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Resume the assigned partitions; the client calls this after a rebalance."""
        self._is_rebalancing = False
        self._kafka.resume(*assigned)
        self._attempts.forget(assigned)
        self._assigned.set()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish and commit the messages being handled; the client calls this before a rebalance, which waits."""
        self._is_rebalancing = True
        tasks = [task for partition, task in self._tasks.items() if partition in revoked]
        if tasks:
            await asyncio.wait(tasks, timeout=HAND_OVER_S)
        await self._end_tasks(list(revoked))

    async def _drain(self) -> None:
        # The process may be killed while it stops, for which its messages are not to blame.
        for partition in list(self._in_hand):
            if partition in self._in_hand:
                offset, starts = self._in_hand[partition]
                await self._withdraw_start(partition, offset, self._attempts.note(starts - 1))
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=DRAIN_S)
            self._reap()

    async def _close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                # `gather`, not a task group: without a broker the client cancels itself, and a task group would end as
                # if it had succeeded.
                await asyncio.gather(self._attempts.close(), self._kafka.stop(), return_exceptions=True)

    async def _end_tasks(self, partitions: list[TopicPartition]) -> None:
        tasks = [self._tasks.pop(partition) for partition in partitions if partition in self._tasks]
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                logger.warning("handling cancelled with an error", error=str(outcome))


def _permanent(error: BaseException) -> PermanentError:
    """Return what users are told of an error that no retry has cured."""
    if isinstance(error, MemoryError):
        return PermanentError(
            "The analysis needs more memory than a worker may take. Split the file in frequency or in time.",
            code="out_of_memory",
        )
    return PermanentError("An internal error stopped the analysis.", code="internal_error")


def _is_being_cancelled() -> bool:
    """Return whether the current task itself was cancelled, and not something that it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _try_decode(record: ConsumerRecord) -> Event | None:
    try:
        return decode(record.value or b"")
    except UndecodableEventError:
        return None
