"""API keys: create, list and revoke."""

from collections.abc import Callable

import structlog
from aiohttp import web

from services.gateway.accounts.errors import KeyOfAnotherUserError, KeysNotInTierError, UnknownKeyError
from services.gateway.accounts.issue import delete_unusable_keys, issue_key
from services.gateway.accounts.model import KeySlot, User
from services.gateway.accounts.ports import UserStore
from services.gateway.api import answers
from services.gateway.api.auth import USER
from services.gateway.api.bodies import CreateKeyBody, read_body
from services.gateway.settings import Settings

logger = structlog.get_logger(__name__)


class KeyRoutes:
    """POST /api-keys, GET /api-keys and DELETE /api-keys/{keyId}."""

    def __init__(self, settings: Settings, users: UserStore, *, now_s: Callable[[], float]) -> None:
        self._settings = settings
        self._users = users
        self._now_s = now_s

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/api-keys", self.create),
            web.get("/api-keys", self.list_keys),
            web.delete("/api-keys/{keyId}", self.revoke),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """POST /api-keys: create a key. Only this answer shows it.

        Raises
        ------
        KeysNotInTierError
            The user's tier does not include API keys.
        KeyLimitError
            The user has as many usable keys as allowed.
        """
        user = self._require_keys(request)
        # Every field has a default, so the body may be missing.
        body = await read_body(request, CreateKeyBody) if request.can_read_body else CreateKeyBody()
        now_s = self._now_s()
        await delete_unusable_keys(self._users, user.user_id, now_s)
        issued = await issue_key(
            self._users,
            user_id=user.user_id,
            name=body.name,
            ttl_days=body.ttl_days,
            pepper=self._settings.api_key_pepper.get_secret_value(),
            now_s=now_s,
            limit=self._settings.api_keys_per_user,
        )
        key = issued.stored
        logger.info("key issued", key_id=key.key_id)
        answer = answers.NewApiKey(
            key_id=key.key_id, api_key=issued.api_key, expires_at=key.expires_at, ttl_days=body.ttl_days
        )
        # No cache between gateway and client may store a secret.
        return answers.json_response(answer, status=201, headers={"Cache-Control": "no-store"})

    async def list_keys(self, request: web.Request) -> web.Response:
        """GET /api-keys: the user's keys without their secrets, newest first.

        Raises
        ------
        KeysNotInTierError
            The user's tier does not include API keys.
        """
        keys = await self._users.keys_of(self._require_keys(request).user_id)
        now_s = self._now_s()
        return answers.json_response(answers.ApiKeys(keys=[answers.ApiKeyInfo.of(key, now_s) for key in keys]))

    async def revoke(self, request: web.Request) -> web.Response:
        """DELETE /api-keys/{keyId}: revoke a key. A client that lost the answer may repeat this.

        Raises
        ------
        KeysNotInTierError
            The user's tier does not include API keys.
        UnknownKeyError
            No key has this id.
        KeyOfAnotherUserError
            The key belongs to a different user.
        """
        user = self._require_keys(request)
        key = await self._users.key(request.match_info["keyId"])
        if key is None:
            raise UnknownKeyError
        if key.user_id != user.user_id:
            raise KeyOfAnotherUserError
        await self._users.revoke_key(key.key_id)
        await self._users.release_key_slot(user.user_id, KeySlot.of(key))
        logger.info("key revoked", key_id=key.key_id)
        return answers.json_response(answers.KeyRevoked(key_id=key.key_id))

    def _require_keys(self, request: web.Request) -> User:
        user = request[USER]
        if not self._settings.tiers[user.tier].api_keys:
            raise KeysNotInTierError(user.tier)
        return user
