"""The consume loop: one message at a time per key, keys in parallel up to a number per partition."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from prometheus_client import Counter, Gauge, Histogram

from shared.bus.attempts import AttemptLog
from shared.bus.publisher import Publisher
from shared.bus.set_aside import Undeliverable
from shared.bus.window import Window
from shared.errors import PermanentError, TransientError
from shared.events import Event, Stage, UndecodableEventError, decode
from shared.settings import ServiceSettings

logger = structlog.get_logger(__name__)

HANDLED = Counter("waterhole_messages_total", "Messages received, by outcome.", ["topic", "outcome"])
IN_HAND = Gauge("waterhole_messages_in_hand", "Messages being handled.", ["topic"])
HANDLE_S = Histogram("waterhole_handle_seconds", "Time from receiving a message to its commit, s.", ["topic"])

# Attempts at one message before the consumer gives up; the pause between them doubles.
TRIES = 5
FIRST_WAIT_S = 0.2
# Number of starts after which a message that kills its process becomes a dead letter.
MAX_STARTS = 3
POLL_MS = 200
# Longest validation error in a header: an event may be invalid in thousands of places.
MAX_REASON = 1000
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
        at_once: int = 1,
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
        at_once
            Messages of one partition that are handled at the same time, of different keys.
        """
        self._handle = handle
        self._publisher = publisher
        self._topics = list(topics)
        self._at_once = at_once
        self._undeliverable = Undeliverable(publisher, group, stage)
        self._tasks: dict[asyncio.Task[None], TopicPartition] = {}
        self._windows: dict[TopicPartition, Window] = {}
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
            self._windows.setdefault(partition, Window()).add(records)
        for partition in list(self._windows):
            self._begin(partition)
        self._reap()

    def _begin(self, partition: TopicPartition) -> None:
        """Begin with the messages of a partition that may be handled now."""
        window = self._windows.get(partition)
        if window is None or self._stop.is_set() or self._is_rebalancing:
            return
        # After a crash that one of several messages caused, they are handled one by one until it is known which.
        at_once = 1 if self._attempts.has_dangerous(partition, window) else self._at_once
        while record := window.take(at_once):
            self._tasks[asyncio.create_task(self._work_on(partition, window, record))] = partition
        if partition in self._kafka.assignment():
            change = self._kafka.resume if window.wants_more(at_once) else self._kafka.pause
            change(partition)

    def _reap(self) -> None:
        """Forget the tasks that have ended; raise the error of one that failed."""
        for task in [task for task in self._tasks if task.done()]:
            del self._tasks[task]
            task.result()

    async def _work_on(self, partition: TopicPartition, window: Window, record: ConsumerRecord) -> None:
        structlog.contextvars.bind_contextvars(topic=record.topic)
        with HANDLE_S.labels(record.topic).time(), IN_HAND.labels(record.topic).track_inprogress():
            if not await self._process(partition, window, record):
                # A rebalance is in progress that takes the partition away or returns it.
                window.is_lost = True
        self._begin(partition)

    async def _process(self, partition: TopicPartition, window: Window, record: ConsumerRecord) -> bool:
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
                if not await self._start(partition, window, record):
                    return False
        else:
            # The first message of a partition began alone, since it was not known yet whether others are dangerous.
            self._begin(partition)
            if not await self._start(partition, window, record):
                return False
        return await self._finish(partition, window, record.offset)

    async def _start(self, partition: TopicPartition, window: Window, record: ConsumerRecord) -> bool:
        """Commit the start and handle the message; return False if another member owns the partition now."""
        self._attempts.add_own(partition, record.offset, 1)
        try:
            if not await self._commit(partition, window):
                self._attempts.add_own(partition, record.offset, -1)
                return False
            await self._handle_with_tries(partition, window, record)
        except asyncio.CancelledError:
            # Cancelled by a rebalance or by the failure of another message; the process did not die of this one.
            await self._withdraw_starts(partition, window, [record.offset])
            raise
        return True

    async def _finish(self, partition: TopicPartition, window: Window, offset: int) -> bool:
        """Commit the end of the work; return False if another member owns the partition now."""
        window.finish(offset)
        try:
            is_committed = await self._commit(partition, window)
        except asyncio.CancelledError:
            # The work is done. Without this commit, the start would count as one that killed its process.
            await self._commit_soon(partition, window)
            raise
        if is_committed:
            self._attempts.clear(partition, offset)
        return is_committed

    async def _handle_with_tries(self, partition: TopicPartition, window: Window, record: ConsumerRecord) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                await self._handle_once(record)
            except TransientError as error:
                logger.warning("handler will retry", error=str(error), attempt=attempt)
                if attempt == TRIES:
                    # The process did not die of this message, so its number of starts begins at 0 again.
                    self._attempts.clear(partition, record.offset)
                    await self._commit_soon(partition, window)
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
            await self._undeliverable.set_aside(
                record, None, PermanentError(str(error)[:MAX_REASON], code="undecodable_event")
            )
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
        await self._undeliverable.set_aside(record, event, error)
        HANDLED.labels(record.topic, "set_aside").inc()

    async def _commit(self, partition: TopicPartition, window: Window) -> bool:
        """Commit how far a partition is done, with the starts; return False if another member owns it now."""
        try:
            async with asyncio.timeout(COMMIT_S), window.committing:
                await self._kafka.commit({partition: (window.offset, self._attempts.metadata(partition, window))})
        except (CommitFailedError, IllegalStateError) as error:
            # Another member owns the partition now and will handle this message again: delivery is at least once.
            logger.info("commit refused after a rebalance", error=str(error), offset=window.offset)
            return False
        except TimeoutError as error:
            raise TransientError("The event bus did not acknowledge a commit.") from error
        return True

    async def _commit_soon(self, partition: TopicPartition, window: Window) -> bool:
        """Commit if the broker answers soon; otherwise log a warning and return False."""
        try:
            async with asyncio.timeout(LAST_COMMIT_S):
                return await self._commit(partition, window)
        except (KafkaError, TransientError, TimeoutError) as error:
            logger.warning("could not commit the end of a start", error=str(error), offset=window.offset)
            return False

    async def _withdraw_starts(self, partition: TopicPartition, window: Window, offsets: Sequence[int]) -> None:
        """Commit that starts no longer count."""
        own = [offset for offset in offsets if self._attempts.has_own(partition, offset)]
        for offset in own:
            self._attempts.add_own(partition, offset, -1)
        if own and not await self._commit_soon(partition, window):
            for offset in own:
                self._attempts.add_own(partition, offset, 1)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Resume the assigned partitions; the client calls this after a rebalance."""
        self._is_rebalancing = False
        self._kafka.resume(*assigned)
        self._attempts.forget(assigned)
        self._assigned.set()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish and commit the messages being handled; the client calls this before a rebalance, which waits."""
        self._is_rebalancing = True
        tasks = [task for task, partition in self._tasks.items() if partition in revoked]
        if tasks:
            await asyncio.wait(tasks, timeout=HAND_OVER_S)
        await self._end_tasks(tasks)
        for partition in revoked:
            self._windows.pop(partition, None)

    async def _drain(self) -> None:
        # The process may be killed while it stops, for which its messages are not to blame.
        for partition, window in list(self._windows.items()):
            await self._withdraw_starts(partition, window, window.in_hand)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)
            self._reap()

    async def _close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                # `gather`, not a task group: without a broker the client cancels itself, and a task group would end as
                # if it had succeeded.
                await asyncio.gather(self._attempts.close(), self._kafka.stop(), return_exceptions=True)

    async def _end_tasks(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            self._tasks.pop(task, None)
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
