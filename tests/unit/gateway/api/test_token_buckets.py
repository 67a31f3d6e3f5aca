"""Token buckets, compared with buckets that hold tokens one by one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.api.token_buckets import Taken, TokenBuckets
from services.gateway.settings import Rate, RateLimitSettings


class Clock:
    """A clock that a test moves, s."""

    def __init__(self) -> None:
        self.now_s = 1000.0


class Buckets(TokenBuckets):
    """Buckets that read a clock and say all that a request got."""

    def __init__(self, rate: Rate, *, clock: Clock, **more: int) -> None:
        super().__init__(rate, **more)
        self._clock = clock

    def ask(self, client: str) -> Taken:
        return self.taken(self.take(client, self._clock.now_s))


class ObviousBucket:
    """The slow reference: it counts tokens, and adds those of the time since the last request."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.tokens = float(rate.burst)
        self.at_s = 1000.0

    def take(self, now_s: float) -> tuple[bool, float]:
        """Return whether there was a token, and how many tokens are left."""
        self.tokens = min(self.rate.burst, self.tokens + (now_s - self.at_s) * self.rate.per_minute / 60)
        self.at_s = now_s
        if self.tokens < 1 - 1e-6:
            return False, self.tokens
        self.tokens -= 1
        return True, self.tokens


# Times are multiples of 1/64 s, and rates of 1/64 tokens a second, so that both buckets are exact.
RATES = st.builds(
    lambda burst, power: Rate(burst=burst, per_minute=60 * 2.0**power), st.integers(1, 20), st.integers(-6, 6)
)


@given(RATES, st.lists(st.integers(0, 640), max_size=80))
def test_as_many_requests_pass_as_with_counted_tokens(rate: Rate, pauses: list[int]) -> None:
    clock, reference = Clock(), ObviousBucket(rate)
    buckets = Buckets(rate, clock=clock)
    for pause in pauses:
        clock.now_s += pause / 64
        taken = buckets.ask("a")
        passed, left = reference.take(clock.now_s)
        assert (taken.wait_s == 0) == passed
        if passed:
            assert taken.remaining == math.floor(left + 1e-6)
            assert taken.full_in_s == pytest.approx((rate.burst - left) * 60 / rate.per_minute)
        else:
            assert taken.remaining == 0
            assert taken.wait_s == pytest.approx((1 - left) * 60 / rate.per_minute)


@given(RATES, st.integers(1, 100))
def test_after_the_stated_wait_a_request_passes(rate: Rate, requests: int) -> None:
    clock = Clock()
    buckets = Buckets(rate, clock=clock)
    for _ in range(requests):
        taken = buckets.ask("a")
    clock.now_s += taken.wait_s
    assert buckets.ask("a").wait_s == 0 or taken.wait_s == 0


def test_a_burst_passes_and_then_one_request_per_interval() -> None:
    clock = Clock()
    buckets = Buckets(Rate(burst=20, per_minute=10), clock=clock)
    assert sum(buckets.ask("a").wait_s == 0 for _ in range(300)) == 20
    passed = 0
    for _ in range(300):
        clock.now_s += 0.2
        passed += buckets.ask("a").wait_s == 0
    # A minute has passed.
    assert passed == 10


def test_clients_do_not_share_a_bucket() -> None:
    buckets = Buckets(Rate(burst=1, per_minute=1), clock=Clock())
    assert buckets.ask("a").wait_s == 0
    assert buckets.ask("a").wait_s == 60
    assert buckets.ask("b").wait_s == 0


def test_a_token_that_is_given_back_can_be_taken_again() -> None:
    buckets = Buckets(Rate(burst=2, per_minute=1), clock=Clock())
    for _ in range(50):
        assert buckets.ask("a").wait_s == 0
        buckets.give_back("a")
    assert [buckets.ask("a").remaining for _ in range(2)] == [1, 0]
    buckets.give_back("unknown")
    assert buckets.ask("a").wait_s == 60


def test_memory_is_bounded_and_a_client_that_goes_on_is_not_forgotten() -> None:
    buckets = Buckets(Rate(burst=2, per_minute=1), max_buckets=100, clock=Clock())
    passed = 0
    for number in range(1000):
        passed += buckets.ask("busy").wait_s == 0
        buckets.ask(f"other-{number}")
    assert (passed, len(buckets)) == (2, 100)


def test_gateways_share_a_rate() -> None:
    assert Rate(burst=20, per_minute=10).share(4) == Rate(burst=5, per_minute=2.5)
    # Each allows at least one request.
    assert Rate(burst=3, per_minute=3).share(10) == Rate(burst=1, per_minute=0.3)
    shared = RateLimitSettings(user=None, reports=Rate(burst=4, per_minute=8)).share(2)
    assert shared.user is None
    assert shared.reports == Rate(burst=2, per_minute=4)
    assert shared.key == RateLimitSettings().key.share(2)
