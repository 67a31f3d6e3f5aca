"""Test a short chaos run on the embedded servers. `make chaos` runs the long one."""

import pytest

from tests.chaos.run import chaos
from tests.chaos.stacks import SETTINGS, embedded_playground

# Jobs whose events were lost with the broker are submitted again after 6, 12 and 24 s, then every 24 s.
QUICK = {**SETTINGS, "WATERHOLE_OUTBOX_SILENCE_S": "6", "WATERHOLE_OUTBOX_SILENCE_MAX_S": "24"}


# A minute on two quiet cores. Processes that are killed take longest to start where others keep the cores busy.
@pytest.mark.timeout(600)
async def test_nothing_is_lost_doubled_or_different_while_processes_are_killed(tmp_path):
    said: list[str] = []
    async with embedded_playground(tmp_path, QUICK) as playground:
        audit, disturber = await chaos(
            playground, jobs=8, n_cadences=2, seed=182, say=said.append, sizes=(13,), kinds=1
        )
    assert audit.findings == [], "\n".join([*audit.findings, *said])
    assert audit.complete + audit.refused_as_they_should == audit.accepted >= 8
    # Two of them undisturbed, to learn what is right.
    assert audit.complete_cadences == audit.cadences == 4
    assert audit.shared_scans >= 3
    assert audit.refused_as_they_should == 1
    # The malformed file leaves a dead letter. The embedded broker loses it if it is killed later.
    assert len(audit.dead_letters) == 1 or (not audit.dead_letters and "broker" in disturber.killed)
    assert audit.artefacts >= 40
    assert disturber.counts.total() >= 3
