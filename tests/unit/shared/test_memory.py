"""A process that takes more memory than its limit gets an error of its own."""

import subprocess
import sys

import pytest

# Prints whether a MB more than the limit can be taken, and the limit that a child has.
PROGRAM = """
import resource, sys
from shared.memory import MEGABYTE, limit_memory
limit = eval(sys.argv[1])
limit_memory(limit)
try:
    taken = bytearray(400 * MEGABYTE)
except MemoryError:
    taken = None
print(taken is not None, resource.getrlimit(resource.RLIMIT_DATA)[0] == (limit or 0) * MEGABYTE)
"""


@pytest.mark.parametrize(("limit", "expected"), [(300, "False True"), (1000, "True True"), (None, "True False")])
def test_an_allocation_beyond_the_limit_fails(limit, expected):
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(limit)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def test_a_lower_limit_stays():
    program = PROGRAM.replace("limit = eval", "limit_memory(300)\nlimit = eval")
    done = subprocess.run([sys.executable, "-c", program, "1000"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
