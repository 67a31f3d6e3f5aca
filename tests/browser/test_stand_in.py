"""The API in memory answers as the API's document says: what pages do with it, they do with the gateway."""

from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from tests.browser.stand_in import StandIn, job, running
from tests.contract.gateway.document import check_answer

EXAMPLE = {"name": "voyager", "filename": "v.fil", "size": 4_194_640, "description": "A simulated carrier."}


class Asking:
    """Sends requests with the session's cookie, and checks each answer against the document."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self._client = client
        self._headers: dict[str, str] = {}

    async def ask(self, method: str, path: str, expected: int, body: Any = None) -> Any:
        async with self._client.request(method, path, json=body, headers=self._headers) as response:
            content = await response.json()
            assert response.status == expected, content
            # The stand-in leaves out what no page reads.
            headers = {"X-Request-Id": "1", **response.headers}
            check_answer(method, path, response.status, headers, content)
            if path == "/session" and "csrf_token" in content:
                self._headers["X-CSRF-Token"] = content["csrf_token"]
            return content


async def test_every_answer_is_one_of_the_document() -> None:
    stand_in = StandIn()
    key, poor = stand_in.add_user("alice"), stand_in.add_user("bob", "free")
    stand_in.examples = [EXAMPLE]
    done = job()
    stand_in.put_job("alice", done)
    stand_in.put_job("alice", running())
    async with TestClient(TestServer(stand_in.app())) as client:
        asking = Asking(client)
        await asking.ask("GET", "/session", 200)
        await asking.ask("POST", "/session", 403, {"api_key": "sk_live_wrong"})
        await asking.ask("POST", "/session", 200, {"api_key": key})
        await asking.ask("GET", "/session", 200)
        for path in ("/jobs", "/jobs?q=voyager&status=complete", "/cadences", f"/jobs/{done['job_id']}", "/usage"):
            await asking.ask("GET", path, 200)
        created = await asking.ask("POST", "/api-keys", 201, {"name": "x", "ttl_days": 7})
        await asking.ask("GET", "/api-keys", 200)
        await asking.ask("DELETE", f"/api-keys/{created['key_id']}", 200)
        await asking.ask("DELETE", f"/jobs/{done['job_id']}", 200)
        await asking.ask("DELETE", f"/jobs/{done['job_id']}", 404)
        await asking.ask("DELETE", "/session", 200)
        await asking.ask("POST", "/session", 200, {"api_key": poor})
        await asking.ask("GET", "/api-keys", 403)
