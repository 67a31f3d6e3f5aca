"""Test a rolling restart on the embedded servers. `python -m tests.chaos.rolling --servers real` runs the full one."""

from tests.chaos.rolling import OWN_SETTINGS, rolling_restart
from tests.chaos.stacks import SETTINGS, embedded_playground

# The gateway answers the requests. Messages of export take longest.
SERVICES = ("gateway", "export")


async def test_no_request_fails_and_no_event_repeats_during_rolling_restart(tmp_path):
    said: list[str] = []
    async with embedded_playground(tmp_path, SETTINGS | OWN_SETTINGS) as playground:
        outcome = await rolling_restart(
            playground, tmp_path, said.append, services=SERVICES, n_users=1, ended_between=3
        )
    assert outcome.findings == [], said
    assert outcome.statuses == {name: [0] for name in SERVICES}
    assert len(outcome.jobs) >= 6
    assert len(outcome.cadences) >= 1
    assert outcome.requests > 100
    assert outcome.events["observation.exported"] == len(outcome.jobs)
    assert outcome.events["cadence.exported"] == len(outcome.cadences)
