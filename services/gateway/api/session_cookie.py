"""The cookie that holds a browser's session token.

Scripts can't read it, and browsers don't send it with requests of other sites, except for links that a user follows.
Over TLS its name has the prefix `__Host-`: browsers then refuse it from anybody but this very host.
"""

from aiohttp import hdrs, web

from services.gateway.api.client_address import ClientAddresses

NAME = "waterhole_session"
TLS_PREFIX = "__Host-"


class Cookies:
    """Reads and writes cookies of this service."""

    def __init__(self, addresses: ClientAddresses, *, is_tls: bool, name: str = NAME) -> None:
        """`is_tls` says whether all clients use TLS, whatever proxies state."""
        self._addresses = addresses
        self._is_tls = is_tls
        self._name = name

    def name(self, request: web.Request) -> str:
        """Return the cookie's name for the connection of this request."""
        return f"{TLS_PREFIX}{self._name}" if self._uses_tls(request) else self._name

    def values(self, request: web.Request) -> list[str]:
        """Return the values of all cookies with this name: another site below the same domain may have added one."""
        name, found = self.name(request), []
        for header in request.headers.getall(hdrs.COOKIE, ()):
            for pair in header.split(";"):
                given, _, value = pair.partition("=")
                if given.strip() == name:
                    found.append(value.strip())
        return found

    def only_value(self, request: web.Request) -> str | None:
        """Return the value of the cookie, or None if there is none or more than one."""
        values = self.values(request)
        return values[0] if len(values) == 1 else None

    def set(self, request: web.Request, response: web.StreamResponse, value: str, *, max_age_s: float) -> None:
        """Have the browser keep the cookie for so long."""
        response.set_cookie(
            self.name(request),
            value,
            max_age=int(max_age_s),
            path="/",
            secure=self._uses_tls(request),
            httponly=True,
            samesite="Lax",
        )

    def delete(self, request: web.Request, response: web.StreamResponse) -> None:
        """Have the browser forget the cookie."""
        # Browsers only delete a cookie with the prefix if the attributes that it requires are there.
        self.set(request, response, "", max_age_s=0)

    def _uses_tls(self, request: web.Request) -> bool:
        return self._is_tls or self._addresses.is_tls(request)
