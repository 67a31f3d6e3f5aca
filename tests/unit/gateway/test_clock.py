"""All gateways go by one clock, whatever those of their machines say; an issuer's clock may be nearly a minute off."""

import asyncio
import json
import time

import pytest

from services.gateway.api.oidc import Claimant, InvalidTokenError, KeySet, TokenVerifier
from services.gateway.domain import Job, render_job
from services.gateway.mongodb import clock as clock_module
from services.gateway.mongodb.clock import DatabaseClock
from services.gateway.settings import Settings
from shared.errors import TransientError
from tests.contract.gateway.issuer import AUDIENCE, NAME, RSA_KEY, jwk, token

NOW_MS = 1_712_444_400_000


class Database:
    """Tells the time, after `trip_s` each way; can be away."""

    def __init__(self):
        self.ms = NOW_MS
        self.true_s = 0.0
        self.trip_s = 0.0
        self.is_away = False
        self.asked = 0

    async def now_ms(self):
        self.asked += 1
        if self.is_away:
            raise TransientError("The job store is away.")
        self.advance(self.trip_s)
        answer = round(self.ms)
        self.advance(self.trip_s)
        return answer

    def advance(self, seconds):
        self.ms += 1000 * seconds
        self.true_s += seconds


@pytest.fixture
def database():
    return Database()


async def clock_of(database, started_s=0.0):
    """The clock of a gateway whose machine began to count at another moment."""
    clock = DatabaseClock(database.now_ms, monotonic_s=lambda: started_s + database.true_s)
    await clock.set()
    return clock


async def test_two_machines_agree_and_go_on_without_asking(database):
    one, other = await clock_of(database), await clock_of(database, started_s=86_400.5)
    assert one() == other() == NOW_MS
    database.advance(12.345)
    assert one() == other() == NOW_MS + 12_345
    assert one.now_s() == (NOW_MS + 12_345) / 1000
    assert database.asked == 2


async def test_the_way_of_the_answer_is_allowed_for(database):
    database.trip_s = 0.2
    clock = await clock_of(database)
    assert clock() == round(database.ms)


async def test_a_slow_answer_does_not_move_the_clock(database):
    clock = await clock_of(database)
    database.trip_s = 3.0
    database.ms += 5_000
    await clock.set()
    assert clock() == NOW_MS + 6_000


async def test_it_follows_a_database_whose_clock_was_set(database):
    clock = await clock_of(database)
    database.ms -= 60_000
    await clock.set()
    assert clock() == NOW_MS - 60_000


async def test_it_goes_on_while_the_database_is_away_and_asks_again(database, monkeypatch):
    monkeypatch.setattr(clock_module, "ASKED_EVERY_S", 0.001)
    clock, stop = await clock_of(database), asyncio.Event()
    database.is_away = True
    running = asyncio.create_task(clock.run(stop))
    async with asyncio.timeout(10):
        while database.asked < 3:  # noqa: ASYNC110 -- a counter that another task moves
            await asyncio.sleep(0.001)
    database.advance(7)
    assert clock() == NOW_MS + 7_000
    database.is_away = False
    database.ms += 500
    async with asyncio.timeout(10):
        while clock() != NOW_MS + 7_500:  # noqa: ASYNC110 -- a clock that another task moves
            await asyncio.sleep(0.001)
    stop.set()
    await asyncio.wait_for(running, 10)


def test_a_clock_that_was_never_set_tells_no_time(database):
    with pytest.raises(RuntimeError, match="not asked"):
        DatabaseClock(database.now_ms)()


@pytest.fixture
def tokens():
    async def fetch():
        return json.dumps({"keys": [jwk(RSA_KEY, "rsa-1")]}).encode()

    settings = Settings(
        api_key_pepper="a pepper of some length",
        oidc_issuer=NAME,
        oidc_audience=AUDIENCE,
        oidc_jwks_url="https://issuer.example/jwks.json",
    )
    return TokenVerifier(settings, KeySet(fetch, lifetime_s=100, max_age_s=1000, interval_s=10, clock=time.monotonic))


@pytest.mark.parametrize("skew_s", [-55, 55])
async def test_a_fresh_token_and_one_at_its_end_are_good_by_an_issuers_clock_that_is_off(tokens, skew_s):
    issuers = int(time.time()) + skew_s
    for issued_ago_s, lifetime_s in [(0, 300), (299, 300)]:
        issued_s = issuers - issued_ago_s
        good = token(iat=issued_s, nbf=issued_s, exp=issued_s + lifetime_s)
        assert await tokens.claimant(good) == Claimant(NAME, "alice")


async def test_more_than_that_is_refused(tokens):
    now_s = int(time.time())
    with pytest.raises(InvalidTokenError, match="expired"):
        await tokens.claimant(token(iat=now_s - 400, exp=now_s - 65))
    with pytest.raises(InvalidTokenError, match="not valid yet"):
        await tokens.claimant(token(iat=now_s + 120, exp=now_s + 400))


async def test_it_asks_nobody_when_the_process_stops(database):
    clock, stop = await clock_of(database), asyncio.Event()
    stop.set()
    await asyncio.wait_for(clock.run(stop), 10)
    assert database.asked == 1


@pytest.mark.parametrize(("classified_s", "shown_s"), [(30, 30), (0, 0), (-55, 0)])
def test_no_job_is_shown_as_complete_before_it_was_accepted(classified_s, shown_s):
    accepted_s = NOW_MS // 1000
    job = Job("j", "u", "k", "f.fil", "f", 1, NOW_MS, status="complete", completed_at=accepted_s + classified_s)
    body = render_job(job)
    assert (body["created_at"], body["completed_at"]) == (accepted_s, accepted_s + shown_s)
