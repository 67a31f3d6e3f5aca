"""Run the contract tests on real servers: `python -m tests.servers [--install] [--as-far-as-possible]`.

The command prepares the servers (see `prepare`), runs the contract tests of bus, job store and blobs on the available
servers, and prints which servers were tested and which not. It exits with 1 if a test fails, or if no server is
available and `--as-far-as-possible` is not given. It passes other arguments to pytest.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests.servers.chosen import VARIABLE
from tests.servers.prepare import prepare_all, say

REPOSITORY = Path(__file__).parents[2]
SUITES = (
    "tests/contract/job_store",
    *sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "tests/contract").glob("test_*.py")),
)


def main() -> None:
    """Prepare the servers, run the tests, and print which servers were tested."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers", description="Run the contract tests on real servers."
    )
    parser.add_argument("--install", action="store_true", help="install missing tools with apt-get")
    parser.add_argument("--as-far-as-possible", action="store_true", help="exit with 0 if no server is available")
    options, more = parser.parse_known_args()
    there, missing = prepare_all(install=options.install)
    if not there:
        say("NO REAL SERVER AVAILABLE: the contract tests were run on the embedded servers only.")
        sys.exit(0 if options.as_far_as_possible else 1)
    command = [sys.executable, "-m", "pytest", "-q", "-k", " or ".join(there), *SUITES, *more]
    environment = os.environ | {VARIABLE: ",".join(there)}
    status = subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode
    say(f"Real servers tested: {', '.join(there)}" + (f"; NOT TESTED: {', '.join(missing)}." if missing else "."))
    sys.exit(status)


if __name__ == "__main__":
    main()
