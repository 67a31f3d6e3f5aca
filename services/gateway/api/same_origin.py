"""Which requests come from pages of this service itself, as browsers state.

Browsers state the site of the page that sends a request (Sec-Fetch-Site) and, for changes, its origin (Origin). No page
can forge either. Clients other than browsers send neither.
"""

from urllib.parse import urlsplit

from aiohttp import hdrs, web

from services.gateway.api.errors import ApiError

SITE_HEADER = "Sec-Fetch-Site"
MODE_HEADER = "Sec-Fetch-Mode"
SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


class SameOrigin:
    """Refuses requests that other pages send."""

    def __init__(self, public_url: str | None) -> None:
        """`public_url` is where browsers reach the service; without it, that is the Host of each request."""
        self._origin = None if public_url is None else origin_of(public_url)

    def require(self, request: web.Request) -> None:
        """Raise if a browser states that a page of another origin sends the request.

        A link that a user follows from elsewhere is no such request: only its answer's reader has got anything.

        Raises
        ------
        ApiError
            403, the request comes from another origin.
        """
        is_safe = request.method in SAFE_METHODS
        site = request.headers.get(SITE_HEADER, "same-origin").lower()
        is_followed = is_safe and (site == "none" or request.headers.get(MODE_HEADER, "").lower() == "navigate")
        if site != "same-origin" and not is_followed:
            raise _refusal()
        if not is_safe and any(not self._is_own(request, given) for given in request.headers.getall(hdrs.ORIGIN, ())):
            raise _refusal()

    def _is_own(self, request: web.Request, origin: str) -> bool:
        if self._origin is not None:
            return origin.lower() == self._origin
        # A proxy that ends TLS may not say so; then the scheme is not known here, but the host is.
        return origin.lower().partition("://")[2] == request.headers.get(hdrs.HOST, "").lower() != ""


def origin_of(url: str) -> str:
    """Return the origin of a URL, as browsers write it."""
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc}"


def _refusal() -> ApiError:
    message = (
        "The browser states that a page of another origin sends this request: open the dashboard at its own address."
    )
    return ApiError(403, "cross_site_request", message)
