"""API keys: made, listed and revoked by their users."""

from collections.abc import Callable
from typing import Protocol

import structlog
from aiohttp import web

from services.gateway.accounts.issue import KeyLimitError, NewKeys, forget_dead_keys, issue_key
from services.gateway.api.auth import USER
from services.gateway.api.bodies import CreateKeyBody, read_body
from services.gateway.api.errors import ApiError
from services.gateway.domain import ApiKey, KeySlot, User, render_key
from services.gateway.settings import Settings

logger = structlog.get_logger(__name__)


class Keys(NewKeys, Protocol):
    """What the routes need of the user store."""

    async def key(self, key_id: str) -> ApiKey | None:
        """The key with this id, valid or not."""

    async def revoke_key(self, key_id: str) -> None:
        """Let a key open the door no more."""


class KeyRoutes:
    """POST /api-keys, GET /api-keys and DELETE /api-keys/{keyId}."""

    def __init__(self, settings: Settings, keys: Keys, *, now_s: Callable[[], float]) -> None:
        self._settings = settings
        self._keys = keys
        self._now_s = now_s

    def routes(self) -> list[web.RouteDef]:
        """Method and path of each."""
        return [
            web.post("/api-keys", self.create),
            web.get("/api-keys", self.list_keys),
            web.delete("/api-keys/{keyId}", self.revoke),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """POST /api-keys: a new key, shown this once."""
        user = self._require_keys(request)
        # Every field has a default, so a request may as well have no body.
        body = await read_body(request, CreateKeyBody) if request.can_read_body else CreateKeyBody()
        now_s, limit = self._now_s(), self._settings.api_keys_per_user
        await forget_dead_keys(self._keys, user.user_id, now_s)
        try:
            issued = await issue_key(
                self._keys,
                user_id=user.user_id,
                name=body.name,
                ttl_days=body.ttl_days,
                pepper=self._settings.api_key_pepper.get_secret_value(),
                now_s=now_s,
                limit=limit,
            )
        except KeyLimitError as error:
            message = f"You have {limit} API keys, which is as many as one may have; revoke one first."
            raise ApiError(409, "too_many_api_keys", message) from error
        logger.info("key issued", key_id=issued.stored.key_id)
        answer = {
            "key_id": issued.stored.key_id,
            "api_key": issued.api_key,
            "expires_at": issued.stored.expires_at,
            "ttl_days": body.ttl_days,
            "warning": "Store this key securely. It will not be shown again.",
        }
        # No cache on the way may keep a secret.
        return web.json_response(answer, status=201, headers={"Cache-Control": "no-store"})

    async def list_keys(self, request: web.Request) -> web.Response:
        """GET /api-keys: what is known of each key but the key itself, the newest first."""
        keys = await self._keys.keys_of(self._require_keys(request).user_id)
        now_s = self._now_s()
        return web.json_response({"keys": [render_key(key, now_s) for key in keys]})

    async def revoke(self, request: web.Request) -> web.Response:
        """DELETE /api-keys/{keyId}: end a key's life; again, for a client that lost the answer."""
        user = self._require_keys(request)
        key = await self._keys.key(request.match_info["keyId"])
        if key is None:
            raise ApiError(404, "key_not_found", "There is no API key with this id.")
        if key.user_id != user.user_id:
            raise ApiError(403, "key_of_another_user", "This API key belongs to a different user.")
        await self._keys.revoke_key(key.key_id)
        await self._keys.give_key_slot(user.user_id, KeySlot.of(key))
        logger.info("key revoked", key_id=key.key_id)
        return web.json_response({"message": "API key revoked", "key_id": key.key_id})

    def _require_keys(self, request: web.Request) -> User:
        user = request[USER]
        if not self._settings.tiers[user.tier].api_keys:
            message = f"The tier {user.tier} has no API keys of its own making; upgrade to a higher one."
            raise ApiError(403, "tier_upgrade_required", message)
        return user
