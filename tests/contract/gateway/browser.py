"""A web browser that signs in and uses the API with its cookie."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

from services.gateway.accounts.sessions import make_link
from tests.contract.gateway.document import check_answer
from tests.contract.gateway.parts import Gateway

COOKIE = "waterhole_session"


@dataclass
class Browser:
    """A browser with one cookie at most, and the CSRF token that its page has read."""

    gateway: Gateway
    cookie: str = ""
    csrf_token: str = ""

    async def answer(self, method: str, path: str, body: Any = None, **more: str) -> tuple[int, Any, Mapping[str, str]]:
        """Return status, JSON and headers of an answer. `more` are headers of the request, with `_` for `-`."""
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        if self.cookie:
            headers["Cookie"] = f"{COOKIE}={self.cookie}"
        if self.csrf_token and method not in {"GET", "HEAD"}:
            headers.setdefault("X-CSRF-Token", self.csrf_token)
        async with self.gateway.client.request(method, path, headers=headers, json=body) as response:
            content = await response.json()
            check_answer(method, path, response.status, response.headers, content)
            for name, morsel in SimpleCookie(response.headers.get("Set-Cookie", "")).items():
                assert name == COOKIE
                self.cookie = morsel.value
            return response.status, content, response.headers

    async def ask(self, method: str, path: str, body: Any = None, **more: str) -> tuple[int, Any]:
        """Return status and JSON of an answer."""
        return (await self.answer(method, path, body, **more))[:2]

    async def sign_in(self, **how: str) -> dict[str, Any]:
        """Sign in and read the CSRF token. Return the session."""
        status, session = await self.ask("POST", "/session", how)
        assert status == 200, session
        self.csrf_token = session["csrf_token"]
        return dict(session)


async def link_for(gateway: Gateway, user_id: str, *, lasts_s: float = 60) -> str:
    """Return the token of a new link."""
    pepper = gateway.settings.api_key_pepper.get_secret_value()
    return await make_link(gateway.store.sessions, user_id=user_id, pepper=pepper, now_s=time.time(), lasts_s=lasts_s)
