"""Usage: how much of a tier's quota is used."""

from collections.abc import Callable

from aiohttp import web

from services.gateway.api import answers
from services.gateway.api.auth import USER
from services.gateway.jobs.ports import Quotas
from services.gateway.jobs.upload_space import UploadSpace
from services.gateway.settings import Settings


class UsageRoutes:
    """GET /usage."""

    def __init__(self, settings: Settings, quotas: Quotas, space: UploadSpace, *, now_ms: Callable[[], int]) -> None:
        self._settings = settings
        self._quotas = quotas
        self._space = space
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get("/usage", self.usage)]

    async def usage(self, request: web.Request) -> web.Response:
        """GET /usage: the jobs used this month, the uploads that count, and what the tier allows."""
        user = request[USER]
        tier = self._settings.tiers[user.tier]
        used = await self._quotas.used_this_month(user.user_id, self._now_ms())
        uploads = await self._space.usage(user.user_id)
        return answers.json_response(
            answers.Usage(
                user_id=user.user_id,
                tier=user.tier,
                usage_this_month=used,
                limit=tier.files_per_month,
                # A user who moved to a smaller tier may have used more than it allows.
                remaining=max(0, tier.files_per_month - used),
                tier_details=answers.TierDetails(
                    files_per_month=tier.files_per_month,
                    max_file_mb=tier.max_file_mb,
                    price=tier.price,
                    retention_days=tier.retention_days,
                    api_keys=tier.api_keys,
                ),
                uploads=answers.UploadUsage(
                    open=uploads.open_count,
                    open_limit=tier.open_uploads,
                    stored_bytes=uploads.stored_bytes,
                    stored_bytes_limit=tier.max_stored_bytes,
                ),
            )
        )
