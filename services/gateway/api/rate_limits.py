"""Rate limits of requests: per API key, per user and, for requests without a user, per address.

A key has less than its user, so that one program does not use up what the others of the same user need. Requests that
store something have limits of their own. Requests of a user do not count for the address: many users may share
one. A request without a user that is refused does count, and a wrong key counts more (`services.gateway.api.sign_ins`).

Each gateway keeps its own counts in memory: a write to the database per request would cost more than most requests. So
of several gateways, each allows its share. Answers state the limit: `q` requests in `w` seconds, of which `r` are left,
and all of them in `t` seconds.
"""

import math
import time
from collections.abc import Callable, Iterable

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Counter

from services.gateway.api.auth import KEY_ID, USER
from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.errors import ApiError
from services.gateway.api.rate_limit_fields import LIMIT_HEADER, POLICY_HEADER, is_exempt
from services.gateway.api.token_buckets import TokenBuckets
from services.gateway.settings import Rate, RateLimitSettings

LIMITED = Counter("waterhole_http_limited_total", "Requests refused by a rate limit, by its name.", ["limit"])


class Limit:
    """One limit: its name in headers, whom it counts, its buckets, and the value of the field RateLimit-Policy."""

    def __init__(self, name: str, counts: str, rate: Rate, clock: Callable[[], float]) -> None:
        self.name = name
        self.rate = rate
        self.policy = f'"{name}";q={rate.burst};w={math.ceil(60 * rate.burst / rate.per_minute)}'
        self._counts = counts
        self._buckets = TokenBuckets(rate)
        self._clock = clock

    def take(self, client: str) -> float:
        """Take a token of this client, if there is one; see `TokenBuckets.take`."""
        return self._buckets.take(client, self._clock())

    def give_back(self, client: str) -> None:
        """Give back a token that was taken."""
        self._buckets.give_back(client)

    def is_refused(self, lacking: float) -> bool:
        """Return whether `take` found no token."""
        return lacking > self._buckets.most

    def state(self, lacking: float) -> str:
        """Return the value of the field RateLimit."""
        taken = self._buckets.taken(lacking)
        return f'"{self.name}";r={taken.remaining};t={math.ceil(taken.full_in_s)}'

    def refusal(self, request: web.Request, lacking: float) -> ApiError:
        """Return the refusal of a request that has to wait, counted; its answer states this limit."""
        LIMITED.labels(self.name).inc()
        request[_STATED] = (self, lacking)
        wait_s = max(1, math.ceil(self._buckets.taken(lacking).wait_s))
        message = (
            f"{self._counts} may send {self.rate.burst} requests at once and {self.rate.per_minute:g} a minute; "
            f"retry after {wait_s} s."
        )
        return ApiError(429, "too_many_requests", message, retry_after_s=wait_s)


# The limit of the operation that a request has taken a token of, and whose.
_TAKEN = web.RequestKey("taken_of_operation", tuple[Limit, str])
# The limit that an answer states, and how many tokens the client's bucket lacks.
_STATED = web.RequestKey("rate_limit", tuple[Limit, float])


def give_back(request: web.Request) -> None:
    """Give back the token of the operation's own limit: the request turned out to be one that it does not count."""
    taken = request.get(_TAKEN)
    if taken is not None:
        limit, client = taken
        limit.give_back(client)


class RateLimits:
    """The limits of one gateway."""

    def __init__(
        self,
        settings: RateLimitSettings,
        addresses: ClientAddresses,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        def limit(name: str, counts: str, rate: Rate | None) -> Limit | None:
            return None if rate is None else Limit(name, counts, rate, clock)

        self.addresses = addresses
        self.failed_sign_ins = limit(
            "failed-sign-ins", "An address with wrong keys or tokens", settings.failed_sign_ins
        )
        self._address = limit("address", "An address without a key or token", settings.address)
        self._user = limit("user", "A user", settings.user)
        self._key = limit("key", "An API key", settings.key)
        # By method and path: these paths have no parameters.
        self._of_operation = {
            ("POST", "/upload-url"): limit("uploads", "A user who asks for upload URLs", settings.uploads),
            ("POST", "/reports"): limit("reports", "A user who reports", settings.reports),
        }

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count a request that is authenticated, or needs no authentication; refuse it beyond a limit."""
        user = request.get(USER)
        if user is not None:
            operation = self._of_operation.get((request.method, request.path))
            key = self._key if KEY_ID in request else None
            counted = (
                (operation, user.user_id),
                (key, request[KEY_ID] if key is not None else ""),
                (self._user, user.user_id),
            )
            self._count(request, counted)
            if operation is not None:
                request[_TAKEN] = (operation, user.user_id)
        elif not is_exempt(request.path):
            self.count_address(request)
        return await handler(request)

    def count_address(self, request: web.Request) -> None:
        """Count a request without a user for its address.

        Raises
        ------
        ApiError
            429, the address is beyond its limit.
        """
        if self._address is not None:
            self._count(request, ((self._address, self.addresses.of(request)),))

    def _count(self, request: web.Request, counted: Iterable[tuple[Limit | None, str]]) -> None:
        """Take a token of each client, and note which limit will be reached first."""
        stated: tuple[Limit, float] | None = None
        least = math.inf
        for limit, client in counted:
            if limit is None:
                continue
            lacking = limit.take(client)
            if limit.is_refused(lacking):
                raise limit.refusal(request, lacking)
            left = limit.rate.burst - lacking
            if left < least:
                stated, least = (limit, lacking), left
        if stated is not None:
            request[_STATED] = stated

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """State the limit in an answer; called before the headers are sent."""
        stated = request.get(_STATED)
        if stated is not None:
            limit, lacking = stated
            response.headers[POLICY_HEADER] = limit.policy
            response.headers[LIMIT_HEADER] = limit.state(lacking)
