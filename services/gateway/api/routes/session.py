"""How a browser signs in with an API key or a link, asks for its session, and signs out."""

import structlog
from aiohttp import web

from services.gateway.accounts.sessions import Sessions, SignedIn
from services.gateway.api import answers
from services.gateway.api.auth import ApiKeyAuthentication
from services.gateway.api.bodies import SignInBody, read_body
from services.gateway.api.errors import ApiError
from services.gateway.api.same_origin import SameOrigin
from services.gateway.api.session_answers import SessionInfo, SignedOut, WaysToSignIn
from services.gateway.api.session_auth import require_csrf_token
from services.gateway.api.session_cookie import Cookies
from services.gateway.api.sign_ins import FailedSignIns

logger = structlog.get_logger(__name__)

PATH = "/session"


class BrowserSessions:
    """Opens and ends the sessions of browsers, with their cookies."""

    def __init__(self, sessions: Sessions, cookies: Cookies, *, cookie_lasts_s: float) -> None:
        self._sessions = sessions
        self._cookies = cookies
        self._cookie_lasts_s = cookie_lasts_s

    async def of(self, request: web.Request, *, is_use: bool) -> SignedIn | None:
        """Return the session of a request's cookie, or None."""
        token = self._cookies.only_value(request)
        return await self._sessions.find(token, is_use=is_use) if token is not None else None

    async def end(self, request: web.Request) -> None:
        """End the sessions of a request's cookies."""
        for token in self._cookies.values(request):
            await self._sessions.close(token)

    async def replace(self, request: web.Request, response: web.StreamResponse, opened: SignedIn) -> None:
        """Give the browser a new session, and end the one that it had."""
        await self.end(request)
        self._cookies.set(request, response, opened.token, max_age_s=self._cookie_lasts_s)
        user, way = opened.user, opened.session.signed_in_with
        logger.info("signed in", user_id=user.user_id, signed_in_with=way)

    def forget(self, request: web.Request, response: web.StreamResponse) -> None:
        """Have the browser forget its cookie."""
        self._cookies.delete(request, response)


class SessionRoutes:
    """GET /session, POST /session and DELETE /session."""

    def __init__(
        self,
        sessions: Sessions,
        browsers: BrowserSessions,
        *,
        keys: ApiKeyAuthentication,
        same_origin: SameOrigin,
        failed: FailedSignIns,
        has_oidc: bool,
    ) -> None:
        self._sessions = sessions
        self._browsers = browsers
        self._keys = keys
        self._same_origin = same_origin
        self._failed = failed
        self._has_oidc = has_oidc

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(PATH, self.show),
            web.post(PATH, self.sign_in),
            web.delete(PATH, self.sign_out),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """GET /session: the session of the request's cookie, or how to sign in."""
        # Other pages must not learn who is signed in, nor the CSRF token. They can't read answers either.
        self._same_origin.require(request)
        # Pages ask now and then whether the session is still open: that is no use.
        found = await self._browsers.of(request, is_use=False)
        return self._signed_out() if found is None else answers.json_response(SessionInfo.of(found))

    async def sign_in(self, request: web.Request) -> web.Response:
        """POST /session: open a session for the user of an API key or of a link.

        Raises
        ------
        ApiError
            400, the body is not valid; 403, the key or link is not, or another page sends the request.
        TransientError
            MongoDB is unavailable.
        """
        self._same_origin.require(request)
        body = await read_body(request, SignInBody)
        if (body.api_key is None) == (body.link_token is None):
            raise ApiError(400, "missing_field", "Exactly one of the fields 'api_key' and 'link_token' is required.")
        opened = await self._failed.counted(request, lambda: self._opened(body), is_looked_up=True)
        response = answers.json_response(SessionInfo.of(opened))
        await self._browsers.replace(request, response, opened)
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """DELETE /session: end the session. A client that lost the answer may repeat this.

        Raises
        ------
        ApiError
            403, the CSRF token is missing or wrong, or another page sends the request.
        TransientError
            MongoDB is unavailable.
        """
        self._same_origin.require(request)
        found = await self._browsers.of(request, is_use=False)
        if found is not None:
            require_csrf_token(request, found)
            await self._browsers.end(request)
            logger.info("signed out", user_id=found.user.user_id)
        response = self._signed_out()
        self._browsers.forget(request, response)
        return response

    async def _opened(self, body: SignInBody) -> SignedIn:
        opened = await (self._by_link(body.link_token) if body.link_token else self._by_key(body.api_key or ""))
        if opened is None:
            raise ApiError(403, "invalid_api_key", "The API key has just ended; use another one.")
        return opened

    async def _by_key(self, api_key: str) -> SignedIn | None:
        user, key = await self._keys.owner(api_key.strip())
        return await self._sessions.open(user, "api_key", key_hash=key.hash)

    async def _by_link(self, link_token: str) -> SignedIn | None:
        user = await self._sessions.use_link(link_token.strip())
        if user is None:
            message = "The link is not valid any more: each signs in once, for a limited time. Get a new one."
            raise ApiError(403, "invalid_link", message)
        return await self._sessions.open(user, "link")

    def _signed_out(self) -> web.Response:
        return answers.json_response(SignedOut(sign_in=WaysToSignIn(oidc=self._has_oidc)))
