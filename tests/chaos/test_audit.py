"""Test that the auditor finds lost, doubled and different artefacts, so that an empty table means something."""

import json
from pathlib import Path

import pytest

from tests.chaos.audit import Audit, Auditor, digests_of
from tests.chaos.observations import Observation
from tests.chaos.user import Job

SOUND = Observation(Path("sound.fil"))
MALFORMED = Observation(Path("text.fil"), is_malformed=True)
COMPLETE = {"status": "complete", "exports_ready": True}
REFUSED = {"status": "failed", "error_detail": {"code": "bad_observation", "stage": "ingest"}}


class Bucket:
    """A job's objects in memory."""

    def __init__(self, job_id: str) -> None:
        results = {"job_id": job_id, "processing_time_seconds": len(job_id), "raw_hits": [1, 2]}
        self.objects = {
            f"jobs/{job_id}/results.json": json.dumps(results).encode(),
            f"jobs/{job_id}/catalog.csv": f"a,b\n1,2\n# {job_id}\n".encode(),
            f"jobs/{job_id}/hits/00000.npz": job_id.encode(),
            f"jobs/{job_id}/finished_by_chunk": job_id.encode(),
            f"jobs/{job_id}/plan.json": json.dumps({"version": len(job_id)}).encode(),
        }

    async def list_keys(self, prefix):
        return sorted(key for key in self.objects if key.startswith(prefix))

    async def get(self, key):
        return self.objects[key]


@pytest.fixture
async def auditor():
    """Return an auditor that has learned the artefacts of the sound observation from another job."""
    auditor = Auditor(None, [])
    auditor._expected["sound.fil"] = await digests_of(Bucket("first"), "first")
    return auditor


async def audited(auditor, bucket, body, observation=SOUND):
    audit = Audit()
    await auditor._look_at_job(audit, Job("second", observation, "k", body), bucket)
    return audit


async def test_correct_job_has_no_findings(auditor):
    audit = await audited(auditor, Bucket("second"), COMPLETE)
    assert audit.findings == []
    assert (audit.complete, audit.artefacts) == (1, 2)


@pytest.mark.parametrize(
    ("key", "content", "finding"),
    [
        ("results.json", b'{"raw_hits": [1, 2, 2]}', "different"),
        ("catalog.csv", b"a,b\n1,3\n", "different"),
        ("catalog.csv", None, "lost"),
        ("catalog_2.csv", b"a,b\n", "doubled"),
    ],
)
async def test_wrong_artefacts_are_found(auditor, key, content, finding):
    bucket = Bucket("second")
    if content is None:
        del bucket.objects[f"jobs/second/{key}"]
    else:
        bucket.objects[f"jobs/second/{key}"] = content
    (found,) = (await audited(auditor, bucket, COMPLETE)).findings
    assert found.startswith(finding)
    assert key in found


@pytest.mark.parametrize(
    ("observation", "body", "finding"),
    [
        (SOUND, REFUSED, "different"),
        (SOUND, {"status": "processing"}, "lost"),
        (MALFORMED, COMPLETE, "different"),
        (MALFORMED, {"status": "failed", "error_detail": {"code": "worker_crashed"}}, "different"),
    ],
)
async def test_wrong_job_status_is_found(auditor, observation, body, finding):
    (found,) = (await audited(auditor, Bucket("second"), body, observation)).findings
    assert found.startswith(finding)


async def test_malformed_file_that_fails_has_no_findings(auditor):
    audit = await audited(auditor, Bucket("second"), REFUSED, MALFORMED)
    assert (audit.findings, audit.refused_as_they_should) == ([], 1)
