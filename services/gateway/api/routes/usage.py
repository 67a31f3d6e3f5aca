"""Usage: how much of a tier's quota is used up."""

from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from services.gateway.api.auth import USER
from services.gateway.settings import Settings


class UsageCounts(Protocol):
    """What the routes need of the quotas."""

    async def used_this_month(self, user_id: str, now_ms: int) -> int:
        """How many jobs the user has started in this calendar month, UTC."""


class UsageRoutes:
    """GET /usage."""

    def __init__(self, settings: Settings, counts: UsageCounts, *, now_ms: Callable[[], int]) -> None:
        self._settings = settings
        self._counts = counts
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """Method and path."""
        return [web.get("/usage", self.usage)]

    async def usage(self, request: web.Request) -> web.Response:
        """GET /usage: what is used this month, and what the tier allows."""
        user = request[USER]
        tier = self._settings.tiers[user.tier]
        used = await self._counts.used_this_month(user.user_id, self._now_ms())
        return web.json_response(
            {
                "user_id": user.user_id,
                "tier": user.tier,
                "usage_this_month": used,
                "limit": tier.files_per_month,
                # A user who moved to a smaller tier may have used more than there is.
                "remaining": max(0, tier.files_per_month - used),
                "tier_details": {
                    "files_per_month": tier.files_per_month,
                    "max_file_mb": tier.max_file_mb,
                    "price": tier.price,
                    "retention_days": tier.retention_days,
                },
            }
        )
