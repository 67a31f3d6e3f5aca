"""Headers that keep browsers from using answers in other ways than they are meant.

Every answer is of the type it states, loads nothing, and no other site may embed it. The page at /docs has a policy of
its own and further headers (`services.gateway.api.document.page`). Where users reach the service over TLS, the answer
tells browsers to use nothing else.
"""

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from services.gateway.api.client_address import ClientAddresses

# Instead of the names and versions of the software, which tell what to attack it with.
SERVER = "Waterhole"
NOSNIFF_HEADER, NOSNIFF = "X-Content-Type-Options", "nosniff"
POLICY_HEADER = "Content-Security-Policy"
NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"
TRANSPORT_HEADER = "Strict-Transport-Security"
# Two years, which is what browsers' lists of secure sites require.
TRANSPORT_POLICY = "max-age=63072000"


def security_headers(
    addresses: ClientAddresses, *, is_tls: bool
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return a signal handler that adds the headers to an answer, before its headers are sent.

    Parameters:
        addresses: Tells whether a proxy states that the client used TLS.
        is_tls: Whether all clients use TLS, whatever proxies state.
    """

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers[NOSNIFF_HEADER] = NOSNIFF
        headers[hdrs.SERVER] = SERVER
        headers.setdefault(POLICY_HEADER, NO_CONTENT_POLICY)
        # Most answers are about one user: no cache keeps them, unless they say that it may.
        headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        if is_tls or addresses.is_tls(request):
            headers[TRANSPORT_HEADER] = TRANSPORT_POLICY

    return add
