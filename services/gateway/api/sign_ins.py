"""Failed sign-ins: an address that sends wrong keys or tokens has to slow down.

Keys are long random texts, so nobody finds one by guessing; but each guess costs a look-up. A key that is not known to
be right takes a token of its address's bucket before the look-up, and gives it back if it is right. Beyond the limit,
the keys of an address are looked up one after another, and a wrong one is answered with 429: so guesses cost no more
than one look-up at a time, and a right key is never refused because of somebody else's wrong keys behind the same
address, such as that of a proxy. It only waits for its turn, and only once: a key that was right before takes neither
token nor turn. A bearer token needs no look-up: it is always verified, and only counts if it is wrong.
"""

import asyncio
import functools
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import TypeVar
from weakref import WeakValueDictionary

from aiohttp import hdrs, web

from services.gateway.accounts.model import User
from services.gateway.api.auth import API_KEY_HEADER, Authenticate
from services.gateway.api.errors import ApiError
from services.gateway.api.oidc import InvalidTokenError
from services.gateway.api.rate_limits import RateLimits

# Keys that were right before, some 100 bytes each. Beyond that, the one that was unused for longest is forgotten.
MAX_KNOWN = 50_000
# Codes of refusals of a wrong credential.
WRONG = frozenset(
    {"invalid_api_key", "revoked_api_key", "expired_api_key", "invalid_token", "expired_token", "invalid_link"}
)

T = TypeVar("T")


class FailedSignIns:
    """Counts the wrong credentials of each address, and slows down those with too many."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        # Held by an address beyond its limit while a key of it is looked up; dropped when nobody waits.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def counted(self, request: web.Request, check: Callable[[], Awaitable[T]], *, is_looked_up: bool) -> T:
        """Return what `check` finds out about a credential that may be wrong; count a wrong one for its address.

        Raises
        ------
        ApiError
            As `check` does; 429 if the credential is wrong and the address has sent too many wrong ones.
        InvalidTokenError
            As `check` does.
        TransientError
            As `check` does.
        """
        failed = self._limits.failed_sign_ins
        if failed is None:
            return await check()
        address = self._limits.addresses.of(request)
        lacking = failed.take(address)
        is_refused = failed.is_refused(lacking)
        turn = self._turns.setdefault(address, asyncio.Lock()) if is_refused and is_looked_up else nullcontext()
        is_wrong = False
        try:
            async with turn:
                return await check()
        except (ApiError, InvalidTokenError) as error:
            is_wrong = _code(error) in WRONG
            if is_wrong and is_refused:
                raise failed.refusal(request, lacking) from error
            raise
        finally:
            if not is_wrong and not is_refused:
                failed.give_back(address)


class LimitedAuthentication:
    """Authenticates requests, within the limits of their addresses."""

    def __init__(self, authenticate: Authenticate, limits: RateLimits, *, max_known: int = MAX_KNOWN) -> None:
        self._authenticate = authenticate
        self._limits = limits
        self._max_known = max_known
        # Hashes with this process's random seed: no key is kept, and none can be found from them.
        self._known: OrderedDict[int, None] = OrderedDict()
        self._failed = FailedSignIns(limits)

    async def __call__(self, request: web.Request) -> User:
        """Return the user.

        Raises
        ------
        ApiError
            403, there is no usable key or token; 429, the same, and the address has sent too many wrong ones.
        InvalidTokenError
            The token is not valid, or has expired.
        TransientError
            MongoDB or the token issuer is unavailable.
        """
        key = hash(request.headers.get(API_KEY_HEADER, ""))
        has_key, has_token = API_KEY_HEADER in request.headers, hdrs.AUTHORIZATION in request.headers
        try:
            if key in self._known or not (has_key or has_token):
                user = await self._authenticate(request)
            else:
                check = functools.partial(self._authenticate, request)
                user = await self._failed.counted(request, check, is_looked_up=not has_token)
        except (ApiError, InvalidTokenError) as error:
            # A key that was revoked or has expired counts like any other from now on.
            self._known.pop(key, None)
            if _status(error) == 403:
                self._limits.count_address(request)
            raise
        if has_key:
            self._known[key] = None
            self._known.move_to_end(key)
            if len(self._known) > self._max_known:
                self._known.popitem(last=False)
        return user


def _code(error: ApiError | InvalidTokenError) -> str:
    return error.answer.code if isinstance(error, ApiError) else error.code


def _status(error: ApiError | InvalidTokenError) -> int:
    return error.answer.status if isinstance(error, ApiError) else 403
