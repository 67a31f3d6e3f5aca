"""Test the offsets and starts that a cancelled worker commits for its successor."""

import asyncio

import pytest

from shared.events import JOB_PROGRESS, decode

PATIENCE_S = 60.0


class SlowCommits:
    """A commit function that delays the first commit of one offset until it is cancelled."""

    def __init__(self, commit, offset):
        self._commit = commit
        self._offset = offset
        self.begun = asyncio.Event()

    async def __call__(self, offsets):
        (wanted, _), *_ = offsets.values()
        if wanted == self._offset and not self.begun.is_set():
            self.begun.set()
            # Like a commit that waits for another partition, because commits run one at a time.
            await asyncio.sleep(PATIENCE_S)
        await self._commit(offsets)


async def given_up(worker):
    """Cancel the worker, as a rebalance or the failure of another message does, and wait for its end."""
    worker.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker.task


async def test_handled_message_is_committed_on_cancellation(workers, probe, job_id, message, result, monkeypatch):
    worker = await workers.take()

    async def handle(_event):
        return [result()]

    worker.handle = handle
    commits = SlowCommits(worker.consumer._kafka.commit, offset=1)
    monkeypatch.setattr(worker.consumer._kafka, "commit", commits)
    await probe.send(worker.topic, message(), key=job_id)
    await asyncio.wait_for(commits.begun.wait(), PATIENCE_S)
    await given_up(worker)
    # The message is not handled again, and no start stays on record.
    assert await probe.committed(worker.group, worker.topic) == 1
    assert await probe.committed_metadata(worker.group, worker.topic) == ""
    assert [decode(record.value).event_id for record in await probe.of_job(JOB_PROGRESS, job_id)] == [result().event_id]


async def test_message_in_hand_leaves_no_start_on_cancellation(workers, probe, job_id, message):
    worker = await workers.take()
    in_hand = asyncio.Event()

    async def handle(_event):
        in_hand.set()
        await asyncio.sleep(PATIENCE_S)
        return []

    worker.handle = handle
    await probe.send(worker.topic, message(), key=job_id)
    await asyncio.wait_for(in_hand.wait(), PATIENCE_S)
    assert await probe.committed_metadata(worker.group, worker.topic) == "starts=1"
    await given_up(worker)
    assert await probe.committed(worker.group, worker.topic) == 0
    assert await probe.committed_metadata(worker.group, worker.topic) == "starts=0"


async def test_start_being_committed_is_withdrawn_on_cancellation(workers, probe, job_id, message, monkeypatch):
    worker = await workers.take()
    commits = SlowCommits(worker.consumer._kafka.commit, offset=0)
    monkeypatch.setattr(worker.consumer._kafka, "commit", commits)
    await probe.send(worker.topic, message(), key=job_id)
    await asyncio.wait_for(commits.begun.wait(), PATIENCE_S)
    await given_up(worker)
    assert await probe.committed_metadata(worker.group, worker.topic) == "starts=0"
