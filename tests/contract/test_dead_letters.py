"""Test reading, replaying and dropping dead letters, and that repeating an operation does no harm."""

import asyncio
import getpass
import os
import sys

import pytest

from deploy.local.servers import REPOSITORY
from shared.bus.dead_letters import DeadLetters, open_dead_letters
from shared.errors import BadObservationError
from shared.events import JOB_PROGRESS, JOB_REOPENED, decode
from tests.contract.conftest import PATIENCE_S


@pytest.fixture(scope="module")
async def dead_letters(bus_settings):
    async with open_dead_letters(bus_settings) as letters:
        yield letters


@pytest.fixture
async def mended(workers, probe, job_id, message, result):
    """Return a worker that failed on one of three messages on partition 1 and can handle it now."""
    worker = await workers.take()
    is_mended = asyncio.Event()

    async def handle(event):
        if event.done == 1 and not is_mended.is_set():
            raise BadObservationError("The file 'a.fil' has no channels.")
        return [result(event.done)]

    worker.handle = handle
    for n in range(3):
        await probe.send(worker.topic, message(n), key=job_id, partition=1)
    await until_committed(probe, worker, 3)
    is_mended.set()
    return worker


async def until_committed(probe, worker, offset):
    async with asyncio.timeout(PATIENCE_S):
        while await probe.committed(worker.group, worker.topic, 1) != offset:  # noqa: ASYNC110 -- polls a server
            await asyncio.sleep(0.02)


async def command(settings, *arguments):
    """Run `python -m shared.bus`. Return its exit status, its lines of output and its standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.bus", *arguments),
        cwd=REPOSITORY,
        env=os.environ | {"WATERHOLE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode, output.decode().splitlines(), errors.decode()


async def test_letter_has_its_message_and_reason(dead_letters: DeadLetters, mended, job_id, message):
    (letter,) = await dead_letters.read(mended.topic)
    assert decode(letter.value).event_id == message(1).event_id
    assert (letter.key, letter.job_id, letter.outcome) == (job_id.encode(), job_id, None)
    assert letter.headers["error_code"] == "bad_observation"
    assert (letter.headers["group"], letter.origin_partition) == (mended.group, 1)
    assert mended.topic in await dead_letters.topics()
    assert await dead_letters.read("unknown-topic") == []


async def test_replayed_letter_is_handled(dead_letters, mended, probe, job_id, result):
    (letter,) = await dead_letters.read(mended.topic)
    await dead_letters.replay(letter, "ada")
    await until_committed(probe, mended, 4)
    (read_again,) = await dead_letters.read(mended.topic)
    assert read_again.outcome == "replayed"
    # A second replay repeats the result with the same event_id, so readers can detect it.
    await dead_letters.replay(letter, "ada")
    await until_committed(probe, mended, 5)
    replayed = (await probe.everything(mended.topic))[3:]
    assert [(record.partition, record.key, record.value) for record in replayed] == [(1, letter.key, letter.value)] * 2
    published = [decode(record.value).event_id for record in await probe.of_job(JOB_PROGRESS, job_id)]
    assert published == [result(n).event_id for n in (0, 2, 1, 1)]
    # Each replay says who reopened the job, before the message itself.
    reopened = [decode(record.value) for record in await probe.of_job(JOB_REOPENED, job_id)]
    assert [(event.operator, event.dead_letter) for event in reopened] == [
        ("ada", f"{mended.topic}.dlq/{letter.at}")
    ] * 2
    await mended.finish()


async def test_letter_that_fails_again_becomes_a_new_letter(workers, probe, dead_letters, job_id, message):
    worker = await workers.take()

    async def handle(_event):
        raise BadObservationError("The file has no channels.")

    worker.handle = handle
    await probe.send(worker.topic, message(0), key=job_id, partition=1)
    await until_committed(probe, worker, 1)
    (first,) = await dead_letters.read(worker.topic)
    await dead_letters.replay(first, "ada")
    await until_committed(probe, worker, 2)
    await worker.finish()
    settled, second = await dead_letters.read(worker.topic)
    assert (settled.at, settled.outcome) == (first.at, "replayed")
    assert (second.outcome, second.value, second.headers["origin_offset"]) == (None, first.value, "1")


async def test_the_command_lists_shows_drops_and_replays(bus_settings, dead_letters, mended, probe, job_id):
    choice = ("--topic", mended.topic)
    (letter,) = await dead_letters.read(mended.topic)
    status, lines, errors = await command(bus_settings, "list", *choice)
    assert (status, errors) == (0, "1 found.\n")
    assert job_id in lines[0]
    assert "waiting  bad_observation  The file 'a.fil' has no channels." in lines[0]
    status, lines, _ = await command(bus_settings, "show", *choice, "--at", letter.at)
    assert status == 0
    assert any('"origin_offset": "1"' in line for line in lines)
    status, _, errors = await command(bus_settings, "drop", *choice, "--job", job_id)
    assert (status, errors) == (0, "1 dropped.\n")
    assert (await command(bus_settings, "list", *choice))[1] == []
    assert "dropped  bad_observation" in (await command(bus_settings, "list", *choice, "--all"))[1][0]
    # `--every` does not replay a dropped letter, `--at` does.
    assert (await command(bus_settings, "replay", *choice, "--every"))[2] == "0 replayed.\n"
    first, *rest = (await command(bus_settings, "replay", *choice, "--at", letter.at))[2].splitlines()
    assert first == "1 replayed."
    assert "A job that failed is processed again" in " ".join(rest)
    (record,) = await probe.of_job(JOB_REOPENED, job_id)
    reopened = decode(record.value)
    assert (reopened.operator, reopened.dead_letter) == (getpass.getuser(), f"{mended.topic}.dlq/{letter.at}")
    await until_committed(probe, mended, 4)
    await mended.finish()


@pytest.mark.parametrize("arguments", [("replay", "--topic", "work"), ("drop", "--at", "0:1"), ()])
async def test_command_requires_a_selection_of_letters(bus_settings, arguments):
    status, lines, errors = await command(bus_settings, *arguments)
    assert (status, lines) == (2, [])
    assert "usage: python -m shared.bus" in errors


async def test_the_help_says_that_a_replay_reopens_the_job(bus_settings):
    status, lines, _ = await command(bus_settings, "replay", "--help")
    assert status == 0
    assert "A job that failed is processed again" in " ".join(" ".join(lines).split())


async def test_command_reports_an_unavailable_broker():
    status, _, errors = await command(type("Nowhere", (), {"kafka_bootstrap": "127.0.0.1:1"}), "list")
    assert status == 1
    assert errors == "The event bus at 127.0.0.1:1 is unavailable.\n"
