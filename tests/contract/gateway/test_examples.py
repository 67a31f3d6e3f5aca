"""Observations to try the service with."""

import json
import os
from pathlib import Path

import pytest

from deploy.local import demo
from deploy.local.examples import example_settings
from deploy.local.make_example import example_in_the_making, provide
from deploy.local.servers import EmbeddedServers
from services.gateway.settings import DEFAULT_TIERS, MEBIBYTE, Settings
from tests.contract.gateway.parts import Account, Gateway, account, code

KEY = "examples/voyager_1.fil"
CONTENT = bytes(range(256)) * 8192


@pytest.fixture(scope="module", autouse=True)
async def there(gateway: Gateway) -> None:
    await gateway.storage.uploads.put(KEY, CONTENT)


async def test_examples_are_listed_whose_files_are_there(alice: Account) -> None:
    shown = {"name": "voyager_1", "filename": "voyager_1.fil", "size": len(CONTENT), "description": "A sentence."}
    assert await alice.ask("GET", "/examples") == (200, {"examples": [shown]})


async def test_an_example_is_copied_and_analyzed_as_any_upload(alice: Account) -> None:
    status, body = await alice.ask("POST", "/examples/voyager_1")
    assert (status, body["filename"]) == (201, "voyager_1.fil")
    assert body["file_key"].startswith(f"uploads/{alice.user_id}/")
    assert await alice.gateway.storage.uploads.get(body["file_key"]) == CONTENT
    job_id = await alice.start(body["file_key"])
    _, job = await alice.ask("GET", f"/jobs/{job_id}")
    assert (job["filename"], job["file_size"]) == ("voyager_1.fil", len(CONTENT))
    await alice.ask("DELETE", f"/jobs/{job_id}")
    # The example itself stays.
    assert (await alice.ask("POST", "/examples/voyager_1"))[0] == 201


@pytest.mark.parametrize("name", ["not_there", "unknown", "%00", "voyager_1.fil"])
async def test_an_unknown_example_is_not_copied(alice: Account, name: str) -> None:
    assert code(await alice.ask("POST", f"/examples/{name}")) == (404, "example_not_found")


async def test_copies_count_within_the_limits_of_uploads(gateway: Gateway) -> None:
    free, tiers = await account(gateway, "free"), gateway.settings.tiers
    before = tiers["free"]
    for _ in range(before.open_uploads):
        assert (await free.ask("POST", "/examples/voyager_1"))[0] == 201
    assert code(await free.ask("POST", "/examples/voyager_1")) == (429, "too_many_open_uploads")
    usage = (await free.ask("GET", "/usage"))[1]["uploads"]
    assert (usage["open"], usage["stored_bytes"]) == (before.open_uploads, before.open_uploads * len(CONTENT))
    other = await account(gateway, "free")
    try:
        tiers["free"] = DEFAULT_TIERS["free"].model_copy(update={"stored_mb": 3})
        assert (await other.ask("POST", "/examples/voyager_1"))[0] == 201
        assert code(await other.ask("POST", "/examples/voyager_1")) == (429, "storage_limit_reached")
        tiers["free"] = DEFAULT_TIERS["free"].model_copy(update={"max_file_mb": len(CONTENT) // MEBIBYTE - 1})
        assert code(await other.ask("POST", "/examples/voyager_1")) == (413, "file_too_large")
    finally:
        tiers["free"] = before


@pytest.fixture
def local(servers: EmbeddedServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a stack whose example is small."""
    for name, value in servers.environment.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "made.fil"
    file.write_bytes(CONTENT[::-1])
    monkeypatch.setattr(demo, "made_observation", lambda _folder, _console: file)
    return tmp_path


async def test_a_local_stack_provides_its_example_once(gateway: Gateway, alice: Account, local: Path) -> None:
    assert await provide(local)
    assert await gateway.storage.uploads.get(KEY) == CONTENT[::-1]
    assert not await provide(local)
    (local / "made.fil").write_bytes(CONTENT)
    assert await provide(local)
    assert (await alice.ask("GET", "/examples"))[1]["examples"][0]["size"] == len(CONTENT)


def test_the_settings_of_a_local_stack_name_its_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATERHOLE_EXAMPLES", raising=False)
    (value,) = example_settings().values()
    (example,) = Settings(api_key_pepper="x" * 16, examples=json.loads(value)).examples
    assert (example.name, example.key) == ("voyager_1", KEY)


async def test_a_stack_that_is_given_other_examples_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATERHOLE_EXAMPLES", "[]")
    assert example_settings() == {"WATERHOLE_EXAMPLES": "[]"}
    monkeypatch.setattr("asyncio.create_subprocess_exec", None)
    async with example_in_the_making(Path("nowhere"), os.environ):
        pass
