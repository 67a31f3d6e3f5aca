"""Requests generated from the document: no answer is a server error or undocumented."""

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.local.servers import EmbeddedServers
from services.gateway.api.document.operations import OPERATIONS
from services.gateway.api.document.session_operations import CSRF_TOKEN
from services.gateway.settings import UNLIMITED_RATES
from shared.bus import open_publisher
from shared.events import JobFailed
from shared.settings import ServiceSettings
from tests.contract.conftest import Until
from tests.contract.gateway.document import DOCUMENT
from tests.contract.gateway.process import GatewayProcess, running_gateway, settings_of

EXAMPLES = 15
JOBS = 3
CADENCES = 2
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.fixture(scope="module")
async def process(servers: EmbeddedServers) -> AsyncIterator[GatewayProcess]:
    # Without the first limit, a stream of an open job outlasts a test. With rate limits, most answers would be 429.
    settings = {"events_max_s": 0.2, "events_poll_s": 0.1, "rate_limits": UNLIMITED_RATES.model_dump_json()}
    async with running_gateway(servers.gateway_environment, **settings) as process:
        yield process


@pytest.fixture(scope="module")
async def document(servers: EmbeddedServers, process: GatewayProcess, until: Until) -> dict[str, Any]:
    """Return the document, with existing ids added to it: uploads, cadences, and jobs that have failed."""
    file_keys = [await process.upload() for _ in range(JOBS)]
    job_ids = [(await process.ask("POST", "/analyze", json={"file_key": key}))[1]["job_id"] for key in file_keys]
    scans = [{"job_id": job_id} for job_id in job_ids]
    cadence_ids = [
        (await process.ask("POST", "/cadences", json={"scans": scans}))[1]["cadence_id"] for _ in range(CADENCES)
    ]
    async with open_publisher(settings_of(ServiceSettings, servers.environment)) as publisher:
        for job_id in job_ids:
            await publisher.publish(
                JobFailed.make(job_id=job_id, producer="t", stage="ingest", code="c", message="A sentence.")
            )

    async def all_have_failed() -> bool:
        _, jobs = await process.ask("GET", "/jobs")
        return [job["status"] for job in jobs] == ["failed"] * JOBS

    await until(all_have_failed)
    document = copy.deepcopy(DOCUMENT)
    # Otherwise wrong keys would be generated beside the right one, and every request would fail authentication.
    del document["security"], document["components"]["securitySchemes"]
    for methods in document["paths"].values():
        for method, operation in methods.items():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    there = {"job_id": job_ids, "cadence_id": cadence_ids}.get(parameter["name"], ["none"] * 2)
                    parameter["schema"] = {"enum": there[:1] if method == "delete" else there[1:]}
    for name, schema in document["components"]["schemas"].items():
        for field, values in {"job_id": job_ids[1:], "file_key": file_keys}.items():
            if name.endswith("Body") and field in schema["properties"]:
                schema["properties"][field] = {"enum": values}
    return document


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
async def test_no_request_gets_an_undocumented_answer(
    process: GatewayProcess, document: dict[str, Any], operation: Any, mode: GenerationMode
) -> None:
    found = schemathesis.openapi.from_dict(document)[operation.path][operation.method]
    # Any text is a valid token.
    parameters = [one for one in operation.parameters if one is not CSRF_TOKEN]
    if mode is GenerationMode.NEGATIVE and not (parameters or operation.body):
        pytest.skip("there is nothing to get wrong")

    def ask_all() -> None:
        with requests.Session() as session:

            @settings(
                max_examples=EXAMPLES,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=found.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                headers = {"x-api-key": process.api_key}
                response = case.call(base_url=process.url, session=session, headers=headers, timeout=20)
                case.validate_response(response, checks=CHECKS)

            ask()

    await asyncio.to_thread(ask_all)
