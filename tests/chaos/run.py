"""A chaos run: jobs of several sizes, some of them malformed, and cadences, on a stack under constant disturbance."""

import asyncio
import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from tests.chaos.audit import Audit, Auditor
from tests.chaos.cadences import ChaosCadence, cadences
from tests.chaos.disturbances import Disturber
from tests.chaos.observations import Observation, malformed_observations, sound_observations
from tests.chaos.stacks import Playground
from tests.chaos.user import Job, StartedCadence, User

N_USERS = 4
# Jobs and cadences that each user runs at a time: the limit of the tier.
JOBS_AT_ONCE = 5
MALFORMED_SHARE = 0.1
# Part of the scans that the user gives as a job, where there is one on the same file.
SHARED_SCANS = 0.5
# The files have 2^SIZES channels.
SIZES = (11, 13, 14, 16)

Say = Callable[[str], None]


def plan_jobs(folder: Path, sound: Sequence[Observation], count: int, seed: int) -> list[Observation]:
    """Return the observations of the jobs in starting order. A tenth of them are malformed."""
    rng = random.Random(seed)
    malformed = malformed_observations(folder)
    n_malformed = round(count * MALFORMED_SHARE)
    # Small files are more frequent than large ones.
    jobs = rng.choices(sound, range(len(sound), 0, -1), k=count - n_malformed) + rng.choices(malformed, k=n_malformed)
    rng.shuffle(jobs)
    return jobs


def plan_cadences(known: Sequence[ChaosCadence], count: int, seed: int) -> list[ChaosCadence]:
    """Return the cadences to start. Of each, about half of the scans are given as jobs, if there are such jobs."""
    rng = random.Random(f"cadences {seed}")
    return [
        replace(
            known[number % len(known)],
            scans=tuple(
                replace(scan, is_shared=rng.random() < SHARED_SCANS) for scan in known[number % len(known)].scans
            ),
        )
        for number in range(count)
    ]


async def chaos(
    playground: Playground,
    *,
    jobs: int,
    n_cadences: int,
    seed: int,
    say: Say,
    quiet: bool = False,
    sizes: Sequence[int] = SIZES,
    kinds: int | None = None,
) -> tuple[Audit, Disturber]:
    """Run jobs and cadences on a disturbed stack and audit the results.

    `quiet` turns the disturbances off, and `kinds` says how many kinds of cadences there are.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sound = sound_observations(folder, sizes)
        known = cadences(folder)[: min(n_cadences, kinds or n_cadences)]
        planned: list[Observation | ChaosCadence] = [
            *plan_jobs(folder, sound, jobs, seed),
            *plan_cadences(known, n_cadences, seed),
        ]
        random.Random(seed).shuffle(planned)
        keys = await asyncio.gather(*(playground.create_user() for _ in range(N_USERS)))
        users = [User(playground.url, key) for key in keys]
        for user in users:
            stack.push_async_callback(user.close)
        auditor = Auditor(playground, users)
        say("running each observation and cadence undisturbed, for comparison")
        await auditor.learn(sound)
        await auditor.learn_cadences(known)
        disturber, stop = Disturber(playground, seed, say), asyncio.Event()
        disturbing = None if quiet else asyncio.create_task(disturber.run(stop))
        stack.callback(lambda: disturbing and disturbing.cancel())
        await _run_all(planned, users, say)
        stop.set()
        if disturbing is not None:
            await disturbing
        await playground.until_ready()
        say("every job and cadence has ended; auditing")
        return await auditor.look(), disturber


async def _run_all(planned: list[Observation | ChaosCadence], users: list[User], say: Say) -> None:
    waiting = list(enumerate(planned))[::-1]
    done = 0

    async def work(user: User) -> None:
        nonlocal done
        while waiting:
            number, one = waiting.pop()
            ended: Job | StartedCadence
            if isinstance(one, Observation):
                ended = await user.run(one, f"chaos-{number}")
            else:
                ended = await user.run_cadence(one, f"chaos-{number}")
            done += 1
            say(f"{done}/{len(planned)} {one.name} {ended.status}")

    async with asyncio.TaskGroup() as group:
        for user in users:
            for _ in range(JOBS_AT_ONCE):
                group.create_task(work(user))
