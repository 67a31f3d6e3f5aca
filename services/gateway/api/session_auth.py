"""Authentication by the session cookie of a browser.

Browsers add cookies by themselves, so a cookie alone proves no intention. A change needs the session's CSRF token too,
which only pages of this service can read, and no other page may send the request at all.
"""

import hmac
import os

from aiohttp import hdrs, web

from services.gateway.accounts.model import User
from services.gateway.accounts.sessions import Sessions, SignedIn
from services.gateway.api.errors import ApiError
from services.gateway.api.same_origin import SAFE_METHODS, SameOrigin
from services.gateway.api.session_cookie import Cookies

CSRF_HEADER = "X-CSRF-Token"
EVENT_STREAM = "text/event-stream"
# The session, in requests with its cookie.
SESSION = web.RequestKey("session", SignedIn)


class SessionAuthentication:
    """Finds the user of a request's session cookie."""

    def __init__(self, sessions: Sessions, cookies: Cookies, same_origin: SameOrigin) -> None:
        self._sessions = sessions
        self._cookies = cookies
        self._same_origin = same_origin

    def has_cookie(self, request: web.Request) -> bool:
        """Return whether a request has a session cookie, of any value."""
        return bool(self._cookies.values(request))

    async def __call__(self, request: web.Request) -> User:
        """Return the user.

        Raises
        ------
        ApiError
            403, the session has ended, its CSRF token is missing or wrong, or another page sends the request.
        TransientError
            MongoDB is unavailable.
        """
        self._same_origin.require(request)
        token = self._cookies.only_value(request)
        if token is None:
            raise ApiError(403, "ambiguous_credentials", "Send the session cookie once.")
        # A page that is left open reads its event stream again and again: that is no use.
        is_use = EVENT_STREAM not in request.headers.get(hdrs.ACCEPT, "")
        found = await self._sessions.find(token, is_use=is_use)
        if found is None:
            raise ApiError(403, "session_ended", "Your session has ended; sign in again.")
        if request.method not in SAFE_METHODS:
            require_csrf_token(request, found)
        request[SESSION] = found
        return found.user


def require_csrf_token(request: web.Request, signed_in: SignedIn) -> None:
    """Raise unless a request has its session's CSRF token.

    Raises
    ------
    ApiError
        403, the token is missing or wrong.
    """
    given = request.headers.getall(CSRF_HEADER, [])
    if not given:
        message = f"With the session cookie, changes need the header {CSRF_HEADER}: csrf_token of GET /session."
        raise ApiError(403, "csrf_token_missing", message)
    if len(given) > 1 or not hmac.compare_digest(os.fsencode(given[0]), signed_in.csrf_token.encode()):
        message = f"The header {CSRF_HEADER} is not csrf_token of this session; read GET /session again."
        raise ApiError(403, "csrf_token_wrong", message)


async def vary_on_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """Keep caches from showing the answer of one session to another; called before the headers are sent."""
    if SESSION in request:
        response.headers.add(hdrs.VARY, hdrs.COOKIE)
