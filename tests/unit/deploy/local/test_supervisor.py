"""How long a supervisor waits between restarts, and how it describes an exit."""

import pytest

from deploy.local.supervisor import FIRST_DELAY_S, LONGEST_DELAY_S, describe_exit, restart_delay_s


def test_delays_grow_up_to_a_limit():
    delays = [restart_delay_s(failures) for failures in range(1, 40)]
    assert delays[0] == FIRST_DELAY_S
    assert delays == sorted(delays)
    assert delays[1] == 2 * delays[0]
    assert delays[-1] == LONGEST_DELAY_S
    assert restart_delay_s(10**9) == LONGEST_DELAY_S


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "exited with status 0"), (3, "exited with status 3"), (-9, "was killed by SIGKILL"), (-99, "signal 99")],
)
def test_exits_are_described(status, words):
    assert words in describe_exit(status)
