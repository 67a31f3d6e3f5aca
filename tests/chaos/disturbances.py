"""Disturbances of a chaos run: a seeded sequence of kills, freezes, restarts, and replicas that join and leave."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable

from tests.chaos.stacks import SERVERS, SERVICES, Playground

# Time between two disturbances, s.
GAP_S = (1.0, 5.0)
# A message whose process dies three times becomes a dead letter. The pause after each kill keeps that from happening.
REST_S = 12.0
# The pause is at least so many times what the process took to come back, so that a loaded machine, where this takes
# long, works more than it restarts.
RESTS_PER_RETURN = 2.0
# Longer than the session timeout of both kinds of stacks (5 and 6 s).
FREEZE_S = 8.0
MULTIPLIED = ("dedoppler", "export")


class Disturber:
    """Disturbs a stack until stopped. The same seed gives the same sequence, as far as timing allows."""

    def __init__(self, playground: Playground, seed: int, say: Callable[[str], None]) -> None:
        self._playground = playground
        self._random = random.Random(seed)
        self._say = say
        self._rested: dict[str, float] = {}
        self.counts: Counter[str] = Counter()
        self.killed: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Disturb the stack until `stop` is set."""
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                action, name = self._choose()
                if self._rested.get(name, 0) <= time.monotonic():
                    # No other disturbance of this process until this one ends and REST_S has passed.
                    self._rested[name] = float("inf")
                    group.create_task(self._disturb(action, name))
                await asyncio.sleep(self._random.uniform(*GAP_S))
        for name in MULTIPLIED if self._playground.may_multiply else ():
            await self._playground.leave(name)

    def _choose(self) -> tuple[str, str]:
        pick = self._random.random()
        if pick < 0.35:
            return "kill", self._random.choice(SERVICES)
        if pick < 0.55:
            return "kill", self._random.choice(SERVERS)
        if pick < 0.7:
            return "freeze", self._random.choice(SERVICES)
        if pick < 0.8 or not self._playground.may_multiply:
            return "restart", self._random.choice(SERVICES)
        return self._random.choice(["join", "leave"]), self._random.choice(MULTIPLIED)

    async def _disturb(self, action: str, name: str) -> None:
        self._say(f"{action} {name}")
        self.counts[f"{action} {'server' if name in SERVERS else 'service'}"] += 1
        if action == "kill":
            self.killed.add(name)
        began = time.monotonic()
        if action == "freeze":
            await self._playground.freeze(name, FREEZE_S)
        else:
            await getattr(self._playground, action)(name)
        now = time.monotonic()
        self._rested[name] = now + max(REST_S, RESTS_PER_RETURN * (now - began))
