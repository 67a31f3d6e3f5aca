"""What a worker that gives up its work leaves on record for whoever takes over."""

import asyncio

import pytest

from shared.events import JOB_PROGRESS, decode

PATIENCE_S = 20.0


class SlowCommits:
    """Holds back the commits of one offset until they are given up; the first of them alone."""

    def __init__(self, commit, offset):
        self._commit = commit
        self._offset = offset
        self.begun = asyncio.Event()

    async def __call__(self, offsets):
        (wanted, _), *_ = offsets.values()
        if wanted == self._offset and not self.begun.is_set():
            self.begun.set()
            # As where the commit of another partition is on its way: they go one by one.
            await asyncio.sleep(PATIENCE_S)
        await self._commit(offsets)


async def given_up(worker):
    """Have the worker give up what it has in hand, as for a rebalance or when another message fails."""
    worker.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker.task


async def test_a_message_that_is_done_but_for_its_commit_is_put_on_record(
    workers, probe, job_id, message, result, monkeypatch
):
    worker = await workers.take()

    async def handle(_event):
        return [result()]

    worker.handle = handle
    commits = SlowCommits(worker.consumer._kafka.commit, offset=1)
    monkeypatch.setattr(worker.consumer._kafka, "commit", commits)
    await probe.send(worker.topic, message(), key=job_id)
    await asyncio.wait_for(commits.begun.wait(), PATIENCE_S)
    await given_up(worker)
    # Nobody does it again, and no start is left that nobody survived.
    assert await probe.committed(worker.group, worker.topic) == 1
    assert await probe.committed_metadata(worker.group, worker.topic) == ""
    assert [decode(record.value).event_id for record in await probe.of_job(JOB_PROGRESS, job_id)] == [result().event_id]


async def test_a_message_that_is_in_hand_leaves_no_start(workers, probe, job_id, message):
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


async def test_a_start_that_is_about_to_be_put_on_record_is_not(workers, probe, job_id, message, monkeypatch):
    worker = await workers.take()
    commits = SlowCommits(worker.consumer._kafka.commit, offset=0)
    monkeypatch.setattr(worker.consumer._kafka, "commit", commits)
    await probe.send(worker.topic, message(), key=job_id)
    await asyncio.wait_for(commits.begun.wait(), PATIENCE_S)
    await given_up(worker)
    assert await probe.committed_metadata(worker.group, worker.topic) == "starts=0"
