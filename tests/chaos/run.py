"""A chaos run: jobs of several sizes, some of them malformed, on a stack under constant disturbance."""

import asyncio
import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from tests.chaos.audit import Audit, Auditor
from tests.chaos.disturbances import Disturber
from tests.chaos.observations import Observation, malformed_observations, sound_observations
from tests.chaos.stacks import Playground
from tests.chaos.user import User

N_USERS = 4
# Jobs that each user runs at a time: the limit of the tier.
JOBS_AT_ONCE = 5
MALFORMED_SHARE = 0.1
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


async def chaos(
    playground: Playground, *, jobs: int, seed: int, say: Say, quiet: bool = False, sizes: Sequence[int] = SIZES
) -> tuple[Audit, Disturber]:
    """Run `jobs` jobs on a disturbed stack and audit the results. `quiet` turns the disturbances off."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sound = sound_observations(folder, sizes)
        planned = plan_jobs(folder, sound, jobs, seed)
        keys = await asyncio.gather(*(playground.create_user() for _ in range(N_USERS)))
        users = [User(playground.url, key) for key in keys]
        for user in users:
            stack.push_async_callback(user.close)
        auditor = Auditor(playground, users)
        say("running each observation undisturbed, for comparison")
        await auditor.learn(sound)
        disturber, stop = Disturber(playground, seed, say), asyncio.Event()
        disturbing = None if quiet else asyncio.create_task(disturber.run(stop))
        stack.callback(lambda: disturbing and disturbing.cancel())
        await _run_jobs(planned, users, say)
        stop.set()
        if disturbing is not None:
            await disturbing
        await playground.until_ready()
        say("every job has ended; auditing")
        return await auditor.look(), disturber


async def _run_jobs(planned: list[Observation], users: list[User], say: Say) -> None:
    waiting = list(enumerate(planned))[::-1]
    done = 0

    async def work(user: User) -> None:
        nonlocal done
        while waiting:
            number, observation = waiting.pop()
            job = await user.run(observation, f"chaos-{number}")
            done += 1
            say(f"{done}/{len(planned)} {observation.name} {job.status}")

    async with asyncio.TaskGroup() as group:
        for user in users:
            for _ in range(JOBS_AT_ONCE):
                group.create_task(work(user))
