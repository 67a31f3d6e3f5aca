"""POST /reports, as in the API contract."""

import json
import re
import uuid
from typing import Any

import pytest

from tests.contract.gateway.cadences import files, start_cadence
from tests.contract.gateway.parts import Account, Gateway, code


@pytest.fixture(scope="module")
async def job_id(alice: Account) -> str:
    return await alice.analyze()


async def test_post_reports_stores_a_report(gateway: Gateway, alice: Account, job_id: str) -> None:
    metadata = {"browser": "né", "screen": {"width": 1920}, "$where": "1", "a.b": [None, 2**63 - 1]}
    report = {
        "job_id": job_id,
        "error_type": "pipeline_failure",
        "description": "It stopped.\nTwice.",
        "metadata": metadata,
    }
    status, body = await alice.ask("POST", "/reports", report)
    assert status == 201
    assert body == {"report_id": body["report_id"], "message": "Report submitted. Thank you."}
    assert re.fullmatch(r"rpt-[0-9a-f]{32}", body["report_id"])
    stored = await gateway.store.database["reports"].find_one({"_id": body["report_id"]})
    assert json.loads(stored.pop("metadata")) == metadata
    assert stored.pop("created_at") > 0
    assert stored == {
        "_id": body["report_id"],
        "user_id": alice.user_id,
        "job_id": job_id,
        "error_type": "pipeline_failure",
        "description": "It stopped.\nTwice.",
    }


async def test_post_reports_requires_only_a_job(alice: Account, job_id: str) -> None:
    answers = [await alice.ask("POST", "/reports", {"job_id": job_id}) for _ in range(2)]
    assert [status for status, _ in answers] == [201, 201]
    assert answers[0][1]["report_id"] != answers[1][1]["report_id"]


async def test_post_reports_accepts_only_the_users_own_jobs(alice: Account, bob: Account, job_id: str) -> None:
    assert code(await bob.ask("POST", "/reports", {"job_id": job_id})) == (403, "job_of_another_user")
    assert code(await alice.ask("POST", "/reports", {"job_id": str(uuid.uuid4())})) == (404, "job_not_found")


async def test_post_reports_takes_cadences(alice: Account, bob: Account) -> None:
    cadence_id = await start_cadence(alice, await files(alice, 2))
    status, _ = await alice.ask("POST", "/reports", {"job_id": cadence_id, "description": "Scan 2 is OFF."})
    assert status == 201
    assert code(await bob.ask("POST", "/reports", {"job_id": cadence_id})) == (403, "cadence_of_another_user")


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels > 1 else {"a": 1}


@pytest.mark.parametrize(
    ("fields", "expected", "field"),
    [
        ({"job_id": None}, "invalid_field", "job_id"),
        ({"job_id": {"$ne": ""}}, "invalid_field", "job_id"),
        ({"job_id": "x" * 101}, "invalid_field", "job_id"),
        ({"error_type": "other"}, "invalid_field", "error_type"),
        ({"description": "x" * 5001}, "invalid_field", "description"),
        ({"description": 7}, "invalid_field", "description"),
        ({"metadata": []}, "invalid_field", "metadata"),
        ({"metadata": nested(6)}, "invalid_field", "metadata"),
        ({"metadata": {"a": "é" * 4096}}, "invalid_field", "metadata"),
    ],
)
async def test_post_reports_refuses_wrong_fields(
    alice: Account, job_id: str, fields: dict[str, Any], expected: str, field: str
) -> None:
    answer = await alice.ask("POST", "/reports", {"job_id": job_id, **fields})
    assert code(answer) == (400, expected)
    assert f"'{field}'" in answer[1]["error"]["message"]


async def test_post_reports_accepts_values_at_the_limits(alice: Account, job_id: str) -> None:
    for fields in ({"metadata": nested(5)}, {"metadata": {"a": "é" * 4092}}, {"description": "é" * 5000}):
        assert (await alice.ask("POST", "/reports", {"job_id": job_id, **fields}))[0] == 201


async def test_post_reports_requires_the_job_id(alice: Account) -> None:
    assert code(await alice.ask("POST", "/reports", {"error_type": "user_report"})) == (400, "missing_field")
