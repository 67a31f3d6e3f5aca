"""A browser's way to the issuer and back: what has to be remembered in between.

It is in a cookie of ten minutes, signed by this service, so that any gateway can finish what another one has begun. The
proofs are not in the cookie: they follow from its random id, and only gateways can compute them.
"""

import re
import secrets
from dataclasses import dataclass
from typing import Any

import jwt

from services.gateway.accounts.model import keyed_hash
from services.gateway.api.oidc_client import Proofs

COOKIE = "waterhole_sign_in"
LASTS_S = 600
ALGORITHM = "HS256"
HOME = "/app/"
MAX_PATH_LENGTH = 1500
# No dots or percent signs before the query: a path stays below /app/, however a browser reads it.
_PATH = re.compile(r"/app/(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*/?)?(?:\?[A-Za-z0-9_.~%!$'()*+,;:@/?&=-]*)?")


def safe_path(given: str) -> str:
    """Return a path of the dashboard to return to: the given one, or its first page."""
    return given if len(given) <= MAX_PATH_LENGTH and _PATH.fullmatch(given) else HOME


@dataclass(frozen=True)
class Attempt:
    """One sign-in of one browser."""

    attempt_id: str
    return_to: str

    def proofs(self, pepper: str) -> Proofs:
        """Return what the issuer and the browser have to bring back."""
        state, nonce, verifier = (
            keyed_hash(f"oidc-{kind}:{self.attempt_id}", pepper) for kind in ("state", "nonce", "verifier")
        )
        return Proofs(state, nonce, verifier)

    def to_cookie(self, pepper: str, now_s: float) -> str:
        """Return the value of the cookie."""
        claims = {"id": self.attempt_id, "to": self.return_to, "exp": int(now_s) + LASTS_S}
        return jwt.encode(claims, _cookie_key(pepper), ALGORITHM)


def new_attempt(return_to: str) -> Attempt:
    """Return a new sign-in that ends at this path of the dashboard."""
    return Attempt(secrets.token_urlsafe(32), safe_path(return_to))


def attempt_of(cookie: str, pepper: str, now_s: float) -> Attempt | None:
    """Return the sign-in of a cookie, or None if it is not one of ours or too old."""
    # The time is that of the database, as for sessions.
    options: Any = {"require": ["exp", "id", "to"], "verify_exp": False}
    try:
        claims = jwt.decode(cookie, _cookie_key(pepper), algorithms=[ALGORITHM], options=options)
    except (jwt.PyJWTError, RecursionError):
        return None
    return Attempt(claims["id"], claims["to"]) if claims["exp"] > now_s else None


def _cookie_key(pepper: str) -> str:
    return keyed_hash("sign-in cookie", pepper)
