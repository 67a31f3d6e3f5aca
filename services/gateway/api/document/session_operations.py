"""What each route of sessions takes and answers."""

from services.gateway.api import bodies
from services.gateway.api.document.operation import Operation, Parameter, Success, ok
from services.gateway.api.session_answers import SessionInfo, SignedOut
from services.gateway.api.session_auth import CSRF_HEADER

TAG = "Sign in"
COOKIE_HEADERS = {"Set-Cookie": "The session's cookie."}
TO_HEADERS = {"Location": "Where the browser goes next."}
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
    Operation(
        "get",
        "/session/oidc",
        TAG,
        "Send this browser to the OpenID Connect issuer to sign in",
        (Success(302, "The issuer's page, or the sign-in page if no issuer is configured.", headers=TO_HEADERS),),
        parameters=(
            Parameter("return_to", "query", {"type": "string"}, "Path below /app/ to return to.", "/app/upload"),
        ),
        errors=CROSS_SITE,
        is_public=True,
    ),
    Operation(
        "get",
        "/session/oidc/callback",
        TAG,
        "Finish a sign-in at the issuer",
        (
            Success(
                303,
                "The page to return to, with the session's cookie; or the dashboard's sign-in page with the parameter "
                "`error`: `sign_in_denied`, `sign_in_expired`, `sign_in_failed`, `too_many_requests`, "
                "`temporarily_unavailable` or `oidc_not_configured`.",
                headers=TO_HEADERS,
            ),
        ),
        description="Only the issuer sends browsers here.",
        parameters=(
            Parameter("code", "query", {"type": "string"}, "The issuer's code."),
            Parameter("state", "query", {"type": "string"}, "The state that the browser took to the issuer."),
            Parameter("error", "query", {"type": "string"}, "Why the issuer sends no code."),
            Parameter("iss", "query", {"type": "string"}, "The issuer's name (RFC 9207)."),
        ),
        errors=CROSS_SITE,
        is_public=True,
    ),
)
