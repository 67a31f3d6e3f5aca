"""The bodies of answers about sessions."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from services.gateway.accounts.session import SignedInWith
from services.gateway.accounts.sessions import SignedIn
from services.gateway.api.answers import Answer

SESSION_EXAMPLE: dict[str, Any] = {
    "signed_in": True,
    "user_id": "796e24d8-0000-4000-8000-000000000000",
    "name": "demo",
    "tier": "researcher",
    "csrf_token": "5f0a9c…",
    "expires_at": 1712473200,
    "signed_in_with": "link",
}


class WaysToSignIn(Answer):
    """What a user may sign in with here."""

    api_key: bool = True
    oidc: bool = Field(description="Whether an OpenID Connect issuer is configured: see GET /session/oidc.")


class SignedOut(Answer):
    """GET /session without a session."""

    signed_in: Literal[False] = False
    sign_in: WaysToSignIn


class SessionInfo(Answer):
    """The session of the request's cookie."""

    model_config = ConfigDict(json_schema_extra={"examples": [SESSION_EXAMPLE]})

    signed_in: Literal[True] = True
    user_id: str
    name: str
    tier: str
    csrf_token: str = Field(description="The value of the header X-CSRF-Token for POST, PUT and DELETE.")
    expires_at: int = Field(description="When the session ends if it is not used again, unix seconds.")
    signed_in_with: SignedInWith

    @classmethod
    def of(cls, signed_in: SignedIn) -> "SessionInfo":
        """Return the information about a session."""
        return cls(
            user_id=signed_in.user.user_id,
            name=signed_in.user.name,
            tier=signed_in.user.tier,
            csrf_token=signed_in.csrf_token,
            expires_at=signed_in.expires_at,
            signed_in_with=signed_in.session.signed_in_with,
        )
