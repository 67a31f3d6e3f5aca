"""GET /health."""

from aiohttp import web

from services.gateway.api import answers


class HealthRoutes:
    """GET /health."""

    def __init__(self, version: str) -> None:
        self._version = version

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get("/health", self.health)]

    async def health(self, _request: web.Request) -> web.Response:
        """GET /health: this process is running."""
        return answers.json_response(answers.Health(version=self._version))
