"""How a browser signs in at the OpenID Connect issuer. Whatever fails, it ends at the dashboard's sign-in page."""

import hmac
import os
from collections.abc import Callable
from urllib.parse import urlencode

import structlog
from aiohttp import hdrs, web

from services.gateway.accounts.sessions import Sessions, SignedIn
from services.gateway.api.auth import TokenAuthentication
from services.gateway.api.errors import ApiError
from services.gateway.api.oidc import InvalidTokenError
from services.gateway.api.oidc_client import CALLBACK_PATH, OidcClient, Proofs
from services.gateway.api.routes.session import BrowserSessions
from services.gateway.api.same_origin import SameOrigin
from services.gateway.api.session_cookie import Cookies
from services.gateway.api.sign_in_attempts import HOME, LASTS_S, Attempt, attempt_of, new_attempt
from services.gateway.api.sign_ins import FailedSignIns
from shared.errors import TransientError

logger = structlog.get_logger(__name__)

PATH = "/session/oidc"
SIGN_IN_PAGE = "/app/sign-in"
# The issuer's own word for a user who refuses.
DENIED = "access_denied"


class SignInError(Exception):
    """A sign-in that did not succeed; `code` tells the page what to say."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class OidcSignInRoutes:
    """GET /session/oidc and GET /session/oidc/callback."""

    def __init__(
        self,
        client: OidcClient | None,
        sessions: Sessions,
        browsers: BrowserSessions,
        *,
        users: TokenAuthentication,
        attempts: Cookies,
        same_origin: SameOrigin,
        failed: FailedSignIns,
        pepper: str,
        now_s: Callable[[], float],
    ) -> None:
        """`attempts` is the cookie that a browser has on its way to the issuer and back."""
        self._client = client
        self._sessions = sessions
        self._browsers = browsers
        self._users = users
        self._attempts = attempts
        self._same_origin = same_origin
        self._failed = failed
        self._pepper = pepper
        self._now_s = now_s

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get(PATH, self.start), web.get(CALLBACK_PATH, self.finish)]

    async def start(self, request: web.Request) -> web.Response:
        """GET /session/oidc: send the browser to the issuer."""
        self._same_origin.require(request)
        if self._client is None:
            return _to_sign_in_page("oidc_not_configured", HOME, status=302)
        attempt = new_attempt(request.query.get("return_to", HOME))
        response = _redirect(302, self._client.authorization_url(attempt.proofs(self._pepper)))
        self._attempts.set(request, response, attempt.to_cookie(self._pepper, self._now_s()), max_age_s=LASTS_S)
        return response

    async def finish(self, request: web.Request) -> web.Response:
        """GET /session/oidc/callback: open a session for the user whom the issuer names."""
        self._same_origin.require(request)
        attempt = self._attempt(request)
        return_to = attempt.return_to if attempt is not None else HOME
        try:
            opened = await self._opened(request, attempt)
        except SignInError as error:
            logger.info("not signed in", signed_in_with="oidc", reason=error.code)
            response = _to_sign_in_page(error.code, return_to)
        else:
            response = _redirect(303, return_to)
            await self._browsers.replace(request, response, opened)
        # A code works once, and so does the browser's way back.
        self._attempts.delete(request, response)
        return response

    def _attempt(self, request: web.Request) -> Attempt | None:
        cookie = self._attempts.only_value(request)
        return attempt_of(cookie, self._pepper, self._now_s()) if cookie is not None else None

    async def _opened(self, request: web.Request, attempt: Attempt | None) -> SignedIn:
        """Open a session, or raise `SignInError`."""
        if self._client is None:
            raise SignInError("oidc_not_configured")
        if attempt is None:
            raise SignInError("sign_in_expired")
        proofs = attempt.proofs(self._pepper)
        if not hmac.compare_digest(os.fsencode(_only(request, "state")), proofs.state.encode()):
            raise SignInError("sign_in_expired")
        if request.query.get("iss", self._client.issuer) != self._client.issuer:
            raise SignInError("sign_in_failed")
        if "error" in request.query:
            raise SignInError("sign_in_denied" if request.query["error"] == DENIED else "sign_in_failed")
        client, code = self._client, _only(request, "code")
        try:
            return await self._failed.counted(
                request, lambda: self._exchanged(client, code, proofs), is_looked_up=False
            )
        except InvalidTokenError as error:
            logger.warning("issuer's answer refused", error=error.message)
            raise SignInError("sign_in_failed") from error
        except ApiError as error:
            raise SignInError(error.answer.code) from error
        except TransientError as error:
            logger.warning("dependency unavailable", error=error.message)
            raise SignInError("temporarily_unavailable") from error

    async def _exchanged(self, client: OidcClient, code: str, proofs: Proofs) -> SignedIn:
        if not code:
            raise InvalidTokenError("The issuer has sent no code.")
        user = await self._users.user_of(await client.claimant(code, proofs))
        opened = await self._sessions.open(user, "oidc")
        if opened is None:
            raise InvalidTokenError("The user of this token has just been removed.")
        return opened


def _only(request: web.Request, name: str) -> str:
    """Return the value of a query parameter, or nothing if it is missing or repeated."""
    values = request.query.getall(name, [])
    return values[0] if len(values) == 1 else ""


def _redirect(status: int, location: str) -> web.Response:
    return web.Response(status=status, headers={hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-store"})


def _to_sign_in_page(code: str, return_to: str, *, status: int = 303) -> web.Response:
    query = {"error": code} if return_to == HOME else {"error": code, "return_to": return_to}
    return _redirect(status, f"{SIGN_IN_PAGE}?{urlencode(query)}")
