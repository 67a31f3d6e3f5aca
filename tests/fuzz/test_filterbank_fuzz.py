"""Test the readers on thousands of damaged files of both formats.

They must not hang, crash, use unbounded memory or raise any error except `BadObservationError`.
`WATERHOLE_FUZZ_FILES` sets the number of files (1,500 by default; a million takes some hours).
"""

import json
import os
import subprocess
import sys

from deploy.local.servers import REPOSITORY

FILES = int(os.environ.get("WATERHOLE_FUZZ_FILES", "1500"))


def test_damaged_files_are_refused_or_read_in_bounded_time_and_memory() -> None:
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.mutate_filterbank", "--count", str(FILES)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = json.loads(done.stdout)
    assert outcomes["read"] + outcomes["refused"] == FILES
    # If nearly all files have one outcome, the damage is too weak or too strong to test the readers.
    assert min(outcomes.values()) > FILES / 10
