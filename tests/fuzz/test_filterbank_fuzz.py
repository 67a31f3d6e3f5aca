"""Thousands of damaged files of both formats: no hang, no crash, no unbounded memory, no error but the promised one.

`WATERHOLE_FUZZ_FILES` sets how many (1,500 where it is not set; a million takes some hours).
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
    # Else the damage would be too little, or too much, to tell anything.
    assert min(outcomes.values()) > FILES / 10
