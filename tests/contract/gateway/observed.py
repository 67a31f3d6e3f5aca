"""Jobs whose files are real, and requests that are answered with bytes."""

import json
from typing import Any, NamedTuple

from shared.events import ObservationClassified
from shared.header import Header
from tests.contract.gateway.document import check_answer
from tests.contract.gateway.parts import Account, classified


class Binary(NamedTuple):
    """An answer as it is sent."""

    status: int
    body: bytes
    headers: Any

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(json.loads(self.body)["error"]["code"])


async def fetch(account: Account, path: str, method: str = "GET", **more: str) -> Binary:
    """Return an answer, checked against the API's document. `more` are headers, with `_` for `-`."""
    headers = {"x-api-key": account.api_key, **{name.replace("_", "-"): value for name, value in more.items()}}
    async with account.gateway.client.request(method, path, headers=headers) as response:
        body = await response.read()
        if method == "GET":
            is_json = response.content_type == "application/json"
            content = await response.json() if is_json else body.decode("latin-1")
            check_answer(method, path, response.status, response.headers, content)
        return Binary(response.status, body, response.headers)


async def observed_job(
    account: Account, raw: bytes, header: Header, name: str = "a.fil", key: str | None = None
) -> str:
    """Upload a file, unless its `key` is given, start a job and complete it; return the job id."""
    job_id = await account.start(key or await account.upload(raw, name))
    event = classified(account.gateway, job_id)
    assert isinstance(event, ObservationClassified)
    await account.gateway.worker_events.handle(event.model_copy(update={"header": header}))
    return job_id
