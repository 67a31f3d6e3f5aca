"""What each route of sessions takes and answers."""

from services.gateway.api import bodies
from services.gateway.api.document.operation import Operation, Parameter, ok
from services.gateway.api.session_answers import SessionInfo, SignedOut
from services.gateway.api.session_auth import CSRF_HEADER

TAG = "Sign in"
COOKIE_HEADERS = {"Set-Cookie": "The session's cookie."}
CSRF_TOKEN = Parameter(
    CSRF_HEADER, "header", {"type": "string"}, "csrf_token of GET /session, if there is an open session."
)
CROSS_SITE = {403: ("cross_site_request",)}

SESSION_OPERATIONS = (
    Operation(
        "get",
        "/session",
        TAG,
        "Get the session of this browser",
        (ok("The session of the request's cookie, or how to sign in.", SessionInfo | SignedOut),),
        errors=CROSS_SITE,
        is_public=True,
    ),
    Operation(
        "post",
        "/session",
        TAG,
        "Sign this browser in with an API key or a link",
        (ok("The new session; its cookie is set.", SessionInfo, headers=COOKIE_HEADERS),),
        description="Send exactly one of the two fields. A session that the browser had before ends.",
        body=bodies.SignInBody,
        body_example={"link_token": "mVj9…"},
        errors={403: (*CROSS_SITE[403], "invalid_api_key", "revoked_api_key", "expired_api_key", "invalid_link")},
        is_public=True,
    ),
    Operation(
        "delete",
        "/session",
        TAG,
        "Sign this browser out",
        (ok("The session is no more, on the server either.", SignedOut, headers=COOKIE_HEADERS),),
        parameters=(CSRF_TOKEN,),
        errors={403: (*CROSS_SITE[403], "csrf_token_missing", "csrf_token_wrong")},
        is_public=True,
    ),
)
