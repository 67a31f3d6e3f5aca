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
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Counter

from services.gateway.api.auth import KEY_ID, USER
from services.gateway.api.client_address import ClientAddresses
from services.gateway.api.errors import ApiError
from services.gateway.api.rate_limit_fields import EXEMPT_PATHS, LIMIT_HEADER, POLICY_HEADER
from services.gateway.api.token_buckets import Taken, TokenBuckets
from services.gateway.settings import Rate, RateLimitSettings

LIMITED = Counter("waterhole_http_limited_total", "Requests refused by a rate limit, by its name.", ["limit"])

CODE = "too_many_requests"


@dataclass(frozen=True)
class Limit:
    """One limit: its name in headers, whom it counts, its buckets."""

    name: str
    counts: str
    buckets: TokenBuckets

    @property
    def rate(self) -> Rate:
        """How many requests are allowed."""
        return self.buckets.rate

    @property
    def policy(self) -> str:
        """The value of the field RateLimit-Policy."""
        return f'"{self.name}";q={self.rate.burst};w={math.ceil(60 * self.rate.burst / self.rate.per_minute)}'

    def state(self, taken: Taken) -> str:
        """Return the value of the field RateLimit."""
        return f'"{self.name}";r={taken.remaining};t={math.ceil(taken.full_in_s)}'

    def refusal(self, taken: Taken) -> ApiError:
        """Return the refusal of a request that has to wait, counted."""
        LIMITED.labels(self.name).inc()
        wait_s = max(1, math.ceil(taken.wait_s))
        message = (
            f"{self.counts} may send {self.rate.burst} requests at once and {self.rate.per_minute:g} a minute; "
            f"retry after {wait_s} s."
        )
        headers = {POLICY_HEADER: self.policy, LIMIT_HEADER: self.state(taken)}
        return ApiError(429, CODE, message, retry_after_s=wait_s, headers=headers)


# The fields of an answer to a request that was counted.
_STATE = web.RequestKey("rate_limit", tuple[Limit, Taken])


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
            return None if rate is None else Limit(name, counts, TokenBuckets(rate, clock=clock))

        self.addresses = addresses
        self.failed_sign_ins = limit(
            "failed-sign-ins", "An address with wrong keys or tokens", settings.failed_sign_ins
        )
        self._address = limit("address", "An address without a key or token", settings.address)
        self._user = limit("user", "A user", settings.user)
        self._key = limit("key", "An API key", settings.key)
        self._of_operation = {
            ("POST", "/upload-url"): limit("uploads", "A user who asks for upload URLs", settings.uploads),
            ("POST", "/reports"): limit("reports", "A user who reports", settings.reports),
        }

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count a request that is authenticated, or needs no authentication; refuse it beyond a limit."""
        user = request.get(USER)
        if user is not None:
            resource = request.match_info.route.resource
            operation = (request.method, resource.canonical) if resource is not None else ("", "")
            self._take(request, self._of_operation.get(operation), user.user_id)
            key_id = request.get(KEY_ID)
            if key_id is not None:
                self._take(request, self._key, key_id)
            self._take(request, self._user, user.user_id)
        elif request.path not in EXEMPT_PATHS:
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
            self._take(request, self._address, self.addresses.of(request))

    def _take(self, request: web.Request, limit: Limit | None, client: str) -> None:
        if limit is None:
            return
        taken = limit.buckets.take(client)
        if taken.wait_s:
            raise limit.refusal(taken)
        stated = request.get(_STATE)
        # The answer states the limit that will be reached first.
        if stated is None or taken.remaining < stated[1].remaining:
            request[_STATE] = (limit, taken)

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """State the limit in an answer; called before the headers are sent."""
        stated = request.get(_STATE)
        if stated is not None and LIMIT_HEADER not in response.headers:
            limit, taken = stated
            response.headers[POLICY_HEADER] = limit.policy
            response.headers[LIMIT_HEADER] = limit.state(taken)
