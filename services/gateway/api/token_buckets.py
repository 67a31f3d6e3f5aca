"""Token buckets: how many requests a client may send at once, and how many a minute after that.

A bucket holds at most `burst` tokens and gets `per_minute` of them each minute. A request takes one; without one it has
to wait. Instead of the number of tokens, the time at which the bucket will be full again is kept: one number per client
says both (the generic cell rate algorithm of ITU-T I.371). A bucket that is full is no different from one that was
never used.
"""

import math
from collections import OrderedDict
from typing import NamedTuple

from services.gateway.settings import Rate

# Buckets of one limit, some 200 bytes each. Beyond that, the bucket that was unused for longest is dropped.
MAX_BUCKETS = 50_000
# A rounding error must not turn a full bucket into one that lacks a token.
ROUNDING = 1e-9


class Taken(NamedTuple):
    """What a request got: it may go on if `wait_s` is 0, and otherwise after that time.

    `remaining` is the number of tokens that are left, and `full_in_s` is when there will be `burst` of them again.
    """

    wait_s: float
    remaining: int
    full_in_s: float


class TokenBuckets:
    """The buckets of all clients under one limit."""

    def __init__(self, rate: Rate, *, max_buckets: int = MAX_BUCKETS) -> None:
        self.rate = rate
        self.most = rate.burst + ROUNDING
        self._per_s = rate.per_minute / 60
        self._max_buckets = max_buckets
        # When each client's bucket is full again. The client that asked last is the last.
        self._full_s: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_s)

    def take(self, client: str, now_s: float) -> float:
        """Take a token of this client, if there is one.

        Returns
        -------
        How many tokens the bucket lacks with this one. If that is more than `most`, there was none, and nothing was
        taken. A number instead of a `Taken`, because this is called several times with each request.
        """
        full_s = self._full_s.get(client, now_s)
        lacking = (full_s - now_s) * self._per_s + 1.0 if full_s > now_s else 1.0
        if lacking > self.most:
            self._full_s.move_to_end(client)
            return lacking
        self._full_s[client] = now_s + lacking / self._per_s
        self._full_s.move_to_end(client)
        if len(self._full_s) > self._max_buckets:
            self._full_s.popitem(last=False)
        return lacking

    def taken(self, lacking: float) -> Taken:
        """Return what a request got, from the number that `take` returned."""
        burst = self.rate.burst
        if lacking > self.most:
            return Taken((lacking - burst) / self._per_s, 0, (lacking - 1.0) / self._per_s)
        return Taken(0.0, math.floor(burst - lacking + ROUNDING), lacking / self._per_s)

    def give_back(self, client: str) -> None:
        """Give back a token that was taken."""
        full_s = self._full_s.get(client)
        if full_s is not None:
            self._full_s[client] = full_s - 1.0 / self._per_s
