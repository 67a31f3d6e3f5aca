"""Messages that can't be handled: their bytes go to the dead-letter topic, and the job fails with a sentence."""

import structlog
from aiokafka import ConsumerRecord

from shared.bus.publisher import LEFT_OUT, LETTERS_SUFFIX, Publisher
from shared.errors import PermanentError
from shared.event_fields import plain_sentence
from shared.events import Event, JobFailed, Stage, is_job_id

logger = structlog.get_logger(__name__)

# Longest key of a letter without its message, bytes: that of an event holds a job id.
MAX_KEY = 1000


class Undeliverable:
    """Publishes dead letters, and `job.failed` for the user."""

    def __init__(self, publisher: Publisher, group: str, stage: Stage | None) -> None:
        """Without a `stage`, as in the gateway, no `job.failed` is published."""
        self._publisher = publisher
        self._group = group
        self._stage = stage

    async def set_aside(self, record: ConsumerRecord, event: Event | None, error: PermanentError) -> None:
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
